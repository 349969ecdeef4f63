"""Checkpoints: the latest few, whole, and a damaged one gives way to the one before."""

import json
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jiqa.training import checkpoints


def state(value, size=3):
    return {"parameters": {"blocks": {0: jnp.full(size, value)}}, "optimizer": (jnp.zeros(2),)}


def save(folder, *steps):
    for step in steps:
        checkpoints.save(folder, step, state(float(step)), {"total": step})


def damage(folder, step):
    """Flips a bit of the arrays."""
    files = [path for path in (folder / f"{step:08d}").rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def test_the_latest_three_are_kept_and_read(tmp_path):
    assert checkpoints.latest(tmp_path) is None
    save(tmp_path, 1, 2, 3, 10)
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        "00000002.json",
        "00000003.json",
        "00000010.json",
    ]
    found = checkpoints.latest(tmp_path)
    assert (found.step, found.progress) == (10, {"total": 10})
    loaded = found.load(state(0.0))
    np.testing.assert_array_equal(loaded["parameters"]["blocks"][0], np.full(3, 10.0))
    assert isinstance(loaded["optimizer"], tuple)


def test_a_damaged_one_gives_way_to_the_one_before(tmp_path):
    save(tmp_path, 1, 2)
    damage(tmp_path, 2)
    with pytest.warns(UserWarning, match=r"00000002 is damaged; .*00000001 is used instead"):
        assert checkpoints.latest(tmp_path).step == 1
    (tmp_path / "00000001.json").write_text('{"progress"')
    with pytest.raises(ValueError, match="all checkpoints in"):
        checkpoints.latest(tmp_path)


def test_an_unfinished_one_does_not_count(tmp_path):
    save(tmp_path, 1, 2)
    (tmp_path / "00000002.json").unlink()
    assert checkpoints.latest(tmp_path).step == 1
    save(tmp_path, 2)
    assert checkpoints.latest(tmp_path).step == 2


def test_a_full_disk_leaves_the_last_good_one(tmp_path):
    """A limit on the size of files is what a process may set to be refused as by a full disk."""
    save(tmp_path, 1)
    script = """
import resource, signal, sys
import numpy as np
import jax.numpy as jnp
from pathlib import Path
from jiqa.training import checkpoints
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
noise = jnp.asarray(np.random.default_rng(0).random(100_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    checkpoints.save(Path(sys.argv[1]), 2, {"noise": noise}, {})
except OSError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "could not be written" in done.stdout
    found = checkpoints.latest(tmp_path)
    assert found.step == 1
    np.testing.assert_array_equal(found.load(state(0.0))["parameters"]["blocks"][0], np.ones(3))
    assert json.loads((tmp_path / "00000001.json").read_text())["progress"] == {"total": 1}
