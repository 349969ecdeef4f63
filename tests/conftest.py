"""Tests run in double precision on eight virtual CPU devices; float32 is tested by passing it.

Most of a run is compiling, so machine code is not optimised, which halves that. `make test` runs
those of the authors' numbers as users compile: flags in the environment come last and win.
"""

import os

QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
DEVICES = "--xla_force_host_platform_device_count=8"
os.environ["XLA_FLAGS"] = f"{QUICK} {os.environ.get('XLA_FLAGS', '')} {DEVICES}"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from pathlib import Path

import jax
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)

FINISHED = pytest.StashKey[int]()
collect_ignore_glob = ["**/make_*.py"]  # they make the goldens, with packages that tests do without


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared goldens and data sets, from JIQA_TEST_DATA; in CI it must be there."""
    folder = Path(os.environ.get("JIQA_TEST_DATA", "../shared"))
    if not folder.is_dir():
        message = f"no test data at {folder.resolve()}; set JIQA_TEST_DATA to the shared folder."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


def pytest_configure(config: pytest.Config) -> None:
    """Lets the workers, and the next run, share what one has compiled: most of a run is that."""
    if config.pluginmanager.hasplugin("cacheprovider"):
        jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("compiled")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Forgets compiled programs now and then.

    Each maps memory, a process may have 65,530 such mappings, and one more ends it.
    """
    item.session.stash[FINISHED] = item.session.stash.get(FINISHED, 0) + 1
    if item.session.stash[FINISHED] % 50 == 0:
        jax.clear_caches()


@pytest.fixture
def rng() -> np.random.Generator:
    """A random generator that gives every test the same numbers."""
    return np.random.default_rng(0)
