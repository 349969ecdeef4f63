"""Kernels in C++ for CPUs, built with the machine's compiler when they are first asked for.

Without a compiler, or with JIQA_NATIVE=0 in the environment, there are none, and other forms do
their work. What is built lies in a cache folder of the user and holds every instruction set of the
processor's family, of which the processor that runs it takes its best, or none above
JIQA_NATIVE=avx2 or baseline: machines may share the folder.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import jax
import jaxlib

from jiqa.files import cache_folder

HERE = Path(__file__).parent
TARGETS = (
    "jiqa_ssim_sums",
    "jiqa_ssim_comparison_map",
    "jiqa_ssim_gradient",
    "jiqa_filter",
    "jiqa_gradient_moments",
    "jiqa_gradient_slopes",
    "jiqa_rounded_luma",
    "jiqa_winograd",
    "jiqa_winograd_slopes",
)
COMMON_FLAGS = ("-std=c++17", "-fPIC", "-w")
# Products and sums may be contracted; nothing else may change a result.
KERNEL_FLAGS = ("-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
X86_FLAGS = {
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mavx2", "-mfma", "-mf16c"],
    "avx2": ["-mavx2", "-mfma", "-mf16c"],
}
# Compiled for every instruction set, each with a table of functions.
SOURCES = ("statistics.cc", "filter.cc", "gradients.cc", "luma.cc", "winograd.cc")
TABLES = ("KERNELS", "FILTER_KERNELS", "GRADIENT_KERNELS", "LUMA_KERNELS", "WINOGRAD_KERNELS")
PATIENCE = 300  # seconds that a compiler may take

logger = logging.getLogger(__name__)
_one_thread = threading.Lock()


def available() -> bool:
    """Whether the kernels are there; the first call builds them where they were not built before.

    >>> available() in (True, False)
    True
    """
    with _one_thread:
        return _register()


@functools.cache
def _register() -> bool:
    if os.environ.get("JIQA_NATIVE") == "0":
        return False
    try:
        library = load()
        for target in TARGETS:
            handler = jax.ffi.pycapsule(getattr(library, target))
            jax.ffi.register_ffi_target(target, handler, platform="cpu")
    except (OSError, AttributeError, RuntimeError, subprocess.SubprocessError) as error:
        logger.info("no native kernels, others are used instead: %s", error)
        return False
    return True


def load() -> ctypes.CDLL:
    """Loads the library, from the cache if it lies there as it was built.

    Raises:
        OSError: The cache cannot be written or the library not be loaded.
        RuntimeError: There is no compiler, or it failed.
    """
    compiler, folder = find_compiler(), cache_folder()
    name = library_name(compiler)
    for path in folder.glob(f"{name}-*.so"):
        if path.stem == f"{name}-{_digest(path.read_bytes())}":
            return ctypes.CDLL(str(path))
        path.unlink(missing_ok=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as workplace:
        built = build(compiler, Path(workplace))
        path = folder / f"{name}-{_digest(built.read_bytes())}.so"
        built.replace(path)  # at once, so that another process never sees a part of it
    return ctypes.CDLL(str(path))


def find_compiler() -> str:
    """The C++ compiler: the one that the environment's CXX names, or the first that is found.

    Raises:
        RuntimeError: There is none, or the operating system is not one of those supported.
    """
    if sys.platform not in ("linux", "darwin"):
        raise RuntimeError(f"they are not built on {sys.platform}")
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for name in names:
        if path := shutil.which(name):
            return path
    raise RuntimeError(f"no C++ compiler ({', '.join(names)}) on the path")


def library_name(compiler: str) -> str:
    """A name for all that the library depends on; its file's ends in the content's digest."""
    version = subprocess.run([compiler, "--version"], capture_output=True, timeout=PATIENCE)
    parts = [path.read_bytes() for path in sorted(HERE.iterdir()) if path.is_file()]
    parts += [compiler.encode(), version.stdout, jaxlib.__version__.encode()]
    parts += [platform.machine().encode(), sys.platform.encode()]
    return "native-" + _digest(b"\0".join(parts))


def build(compiler: str, workplace: Path) -> Path:
    """Compiles the library.

    Args:
        compiler: A C++ compiler that takes the options of GCC.
        workplace: An empty folder.

    Returns:
        The library, in that folder.

    Raises:
        RuntimeError: The compiler failed.
    """
    x86 = platform.machine() in ("x86_64", "AMD64")
    commands = [["ffi.cc", "-O2", f"-I{jax.ffi.include_dir()}"]]
    for name, flags in {"baseline": [], **(X86_FLAGS if x86 else {})}.items():
        tables = [f"-D{table}={table.lower()}_{name}" for table in TABLES]
        commands += [[source, *KERNEL_FLAGS, *flags, *tables] for source in SOURCES]
    objects = [str(workplace / f"{index}.o") for index in range(len(commands))]
    library = workplace / "native.so"
    compile_alone = [compiler, *COMMON_FLAGS, "-c"]
    _run_all(
        [
            [*compile_alone, str(HERE / source), *flags, "-o", result]
            for (source, *flags), result in zip(commands, objects, strict=True)
        ]
    )
    _run_all([[compiler, "-shared", "-pthread", *objects, "-o", str(library)]])
    return library


def _run_all(commands: list[list[str]]) -> None:
    """Runs commands side by side."""
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    try:
        for process, command in zip(running, commands, strict=True):
            _, message = process.communicate(timeout=PATIENCE)
            if process.returncode:
                raise RuntimeError(f"{command[0]} failed: {message[-2000:]}")
    finally:
        for process in running:
            process.kill()
            process.wait()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
