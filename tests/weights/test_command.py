"""The command `jiqa weights`."""

from pathlib import Path

import numpy as np
import pytest

from jiqa import cli, weights

DATA = Path(__file__).parent / "data"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JIQA_OFFLINE", "1")
    monkeypatch.delenv("JIQA_WEIGHTS", raising=False)


def wrong_use(capsys, *arguments: str) -> str:
    """Runs a wrong command, checks status and form, and returns its message."""
    assert cli.main(["weights", *arguments]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("jiqa: ")
    return error


def test_list(capsys, monkeypatch):
    weights.import_checkpoint(DATA / "training.pt", "ours")
    assert cli.main(["weights", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "9.4 MiB" in lines["alexnet"]
    assert "comes with jiqa" in lines["alexnet"]
    assert "BSD-3-Clause" in lines["vgg16"]
    assert "to fetch, 61 MiB" in lines["vgg16"]
    assert "to import" in lines["pieapp"]
    assert "in the cache" in lines["ours"]
    monkeypatch.setenv("JIQA_WEIGHTS", str(DATA))
    assert cli.main(["weights", "list"]) == 0


def test_import_where_and_fetch(capsys, tmp_path):
    assert cli.main(["weights", "import", str(DATA / "training.pt"), "ours"]) == 0
    path = tmp_path / "cache" / "jiqa" / "weights" / "ours.safetensors"
    assert capsys.readouterr().out == f"ours is {path}.\n"
    assert cli.main(["weights", "where", "ours"]) == 0
    assert cli.main(["weights", "where"]) == 0
    assert capsys.readouterr().out == f"{path}\n{path.parent}\n"
    assert cli.main(["weights", "fetch", "ours", "alexnet"]) == 0
    bundled = weights.DATA / "alexnet.safetensors"
    assert capsys.readouterr().out == f"ours is {path}.\nalexnet is {bundled}.\n"


def test_wrong_use(capsys, tmp_path):
    assert "fetch takes names" in wrong_use(capsys, "fetch")
    assert "JIQA_OFFLINE forbids" in wrong_use(capsys, "fetch", "vgg16")
    assert "vgg16 is not on this machine" in wrong_use(capsys, "where", "vgg16")
    assert "no parameters named 'nothing'" in wrong_use(capsys, "where", "nothing")
    assert "No such file" in wrong_use(capsys, "import", str(tmp_path / "none"), "ours")
    path = tmp_path / "net.npz"
    np.savez(path, **{"conv1.weight": np.ones((2, 3, 4, 5))})
    message = wrong_use(capsys, "import", str(path), "resnet18")
    assert "missing: bn1.bias" in message
    assert "conv1.kernel is [4, 5, 3, 2], not [7, 7, 3, 64]" in message
    with pytest.raises(SystemExit, match="2"):
        cli.main(["weights"])
