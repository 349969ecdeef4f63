"""Parameters on this machine: where they are looked for, verified and imported."""

import hashlib
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import jiqa.weights as weights
from jiqa.weights import entries
from jiqa.weights.entries import ENTRIES, Entry, Source
from jiqa.weights.mapped import write_parameters
from jiqa.weights.trees import fingerprint, to_jax

DATA = Path(__file__).parent / "data"
TINY = {"conv.weight": np.arange(24, dtype=np.float32).reshape(4, 3, 2, 1), "conv.bias": np.ones(4)}
SHAPES = {"conv.kernel": [2, 1, 3, 4], "conv.bias": [4]}
SHA256 = fingerprint(to_jax(TINY))


@pytest.fixture(autouse=True)
def _own_places(monkeypatch, tmp_path):
    """An empty cache, no network, and a small network in the catalogue."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JIQA_OFFLINE", "1")
    monkeypatch.delenv("JIQA_WEIGHTS", raising=False)
    monkeypatch.setattr(entries, "_all_shapes", lambda: {"tiny": SHAPES})
    tiny = Entry("tiny", "a small network", "none", network="tiny", sha256=SHA256)
    monkeypatch.setitem(ENTRIES, "tiny", tiny)


@pytest.fixture
def tiny(tmp_path) -> Path:
    """The small network as its publisher would distribute it."""
    path = tmp_path / "published.npz"
    np.savez(path, **TINY)
    return path


def change(monkeypatch, **facts):
    monkeypatch.setitem(ENTRIES, "tiny", replace(ENTRIES["tiny"], **facts))


def test_bundled_parameters_need_nothing():
    tree = weights.load("alexnet", download=False)
    kernel = tree["features"]["0"]["kernel"]
    assert kernel.shape == (11, 11, 3, 64)
    assert kernel.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        kernel[0] = 0
    tree["features"].clear()
    again = weights.load("alexnet")["features"]["0"]["kernel"]
    assert again is kernel
    assert weights.where("alexnet").parent == weights.DATA


def test_bundled_parameters_load_without_jax_torch_or_the_network():
    code = "import sys, jiqa.weights; jiqa.weights.load('alexnet'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not {"jax", "torch", "safetensors", "urllib.request", "rich", "msgpack"} & loaded


def test_an_imported_network_is_found_by_its_name(tiny):
    path = weights.import_checkpoint(tiny, "tiny")
    assert path == weights.where("tiny") == weights.where() / "tiny.safetensors"
    tree = weights.load("tiny")
    np.testing.assert_array_equal(tree["conv"]["kernel"], TINY["conv.weight"].transpose(2, 3, 1, 0))
    assert tree["conv"]["bias"].dtype == np.float32
    assert weights.fetch("tiny") == path


def test_any_name_is_free_for_a_network_of_ones_own():
    with pytest.raises(ValueError, match="there are no parameters named 'ours'; there are alexnet"):
        weights.load("ours")
    weights.import_checkpoint(DATA / "training.pt", "ours")
    tree = weights.load("ours")
    assert tree["0"]["kernel"].shape == (2, 5, 3, 4)
    assert tree["1"].keys() == {"scale", "bias", "mean", "var"}
    assert "ours" in [entry.name for entry in weights.catalogue()]
    weights.import_checkpoint(DATA / "row.pth", "ours")
    assert "transposed" in weights.load("ours")


@pytest.mark.parametrize("name", ["../up", "/root", "", ".hidden", "a/b", "a\\b", "a b", "ä"])
def test_a_name_cannot_lead_elsewhere(tiny, name):
    for function in (weights.load, weights.where, weights.fetch):
        with pytest.raises(ValueError, match="is no name: letters, digits"):
            function(name)
    with pytest.raises(ValueError, match="is no name"):
        weights.import_checkpoint(tiny, name)


def test_a_published_name_holds_published_numbers(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, **(TINY | {"conv.bias": np.zeros(4)}))
    with pytest.raises(ValueError, match=r"other\.npz: these are not the published numbers"):
        weights.import_checkpoint(path, "tiny")
    np.savez(path, **(TINY | {"fc.weight": np.ones((2, 3))}))
    with pytest.raises(ValueError, match=r"other\.npz: .*unexpected: fc\.kernel"):
        weights.import_checkpoint(path, "tiny")
    with pytest.raises(ValueError, match="alexnet comes with jiqa"):
        weights.import_checkpoint(path, "alexnet")
    assert weights.where("tiny") is None


def test_without_known_numbers_names_and_shapes_decide(tmp_path, monkeypatch):
    change(monkeypatch, sha256="")
    path = tmp_path / "other.npz"
    np.savez(path, **(TINY | {"conv.bias": np.zeros(4)}))
    weights.import_checkpoint(path, "tiny")
    assert not weights.load("tiny")["conv"]["bias"].any()


@pytest.mark.parametrize("name", ["tiny.npz", "tiny.safetensors", "tiny-12345678.pth", "net.ckpt"])
def test_a_folder_of_files_that_the_environment_names(tiny, tmp_path, monkeypatch, name):
    """Files count by the name of the entry, of the published file, or of the member in it."""
    change(
        monkeypatch,
        sources=(
            Source("tiny-12345678.pth", "12345678", 100, "https://example.org/x.pth"),
            Source("net-1.0.tar.gz", "0" * 64, 100, project="net", member="net-1.0/net.ckpt"),
        ),
    )
    folder = tmp_path / "brought"
    folder.mkdir()
    if name == "tiny.safetensors":
        write_parameters(folder / name, to_jax(TINY))
    else:
        (folder / name).write_bytes(tiny.read_bytes())
    for given in (folder, folder / name):
        monkeypatch.setenv("JIQA_WEIGHTS", str(given))
        assert weights.where("tiny") == folder / name
        assert weights.load("tiny")["conv"]["kernel"].shape == (2, 1, 3, 4)
    assert not weights.where().exists()


def test_an_archive_that_the_environment_names(tiny, tmp_path, monkeypatch):
    archive = tmp_path / "net-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tiny, "net-1.0/net.npz")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    source = Source(archive.name, sha256, 100, project="net", member="net-1.0/net.npz")
    change(monkeypatch, sources=(source,))
    monkeypatch.setenv("JIQA_WEIGHTS", str(archive))
    assert weights.load("tiny")["conv"]["kernel"].shape == (2, 1, 3, 4)
    archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(ValueError, match=r"not the published file net-1\.0\.tar\.gz: its SHA-256"):
        weights.load("tiny")


def test_a_published_file_is_verified_by_the_digits_in_its_name(tiny, tmp_path, monkeypatch):
    digits = hashlib.sha256(tiny.read_bytes()).hexdigest()[:8]
    good = tmp_path / f"tiny-{digits}.npz"
    good.write_bytes(tiny.read_bytes())
    change(monkeypatch, sha256="", sources=(Source(good.name, digits, 100, "https://e.org"),))
    monkeypatch.setenv("JIQA_WEIGHTS", str(tmp_path))
    assert weights.load("tiny")["conv"]["bias"].shape == (4,)
    np.savez(good, **(TINY | {"conv.bias": np.zeros(4)}))
    with pytest.raises(ValueError, match=f"the published one begins with {digits}"):
        weights.load("tiny")


def test_what_the_environment_names_must_be_there(monkeypatch, tmp_path):
    monkeypatch.setenv("JIQA_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"JIQA_WEIGHTS is .*nowhere, which is not there"):
        weights.load("tiny")


def test_a_file_for_another_network_is_passed_over(tiny, monkeypatch):
    weights.import_checkpoint(tiny, "tiny")
    monkeypatch.setenv("JIQA_WEIGHTS", str(tiny))
    assert weights.where("tiny") == weights.where() / "tiny.safetensors"


@pytest.mark.parametrize("where", [-1, -20, 200])
def test_a_changed_byte_in_the_cache_is_an_error(tiny, where):
    path = weights.import_checkpoint(tiny, "tiny")
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"tiny\.safetensors: (damaged|not a whole|.*published)"):
        weights.load("tiny")


def test_a_file_of_the_cache_under_another_name_is_an_error(monkeypatch):
    path = weights.import_checkpoint(DATA / "training.pt", "ours")
    path.rename(path.with_name("tiny.safetensors"))
    with pytest.raises(ValueError, match="not the published numbers of tiny"):
        weights.load("tiny")
    change(monkeypatch, sha256="")
    with pytest.raises(ValueError, match=r"not the parameters of tiny: missing: conv\.bias"):
        weights.load("tiny")


def test_a_file_that_changes_is_read_again(tiny, monkeypatch):
    change(monkeypatch, sha256="")
    path = weights.import_checkpoint(tiny, "tiny")
    before = weights.load("tiny")["conv"]["bias"]
    write_parameters(path, to_jax(TINY | {"conv.bias": np.zeros(4)}))
    assert not weights.load("tiny")["conv"]["bias"].any()
    assert before.all()


def test_the_catalogue_tells_what_is_here(tiny):
    listed = {entry.name: entry for entry in weights.catalogue()}
    assert listed["alexnet"].path is not None
    assert listed["tiny"].path is None
    path = weights.import_checkpoint(tiny, "tiny")
    assert {entry.name: entry for entry in weights.catalogue()}["tiny"].path == path


def test_what_is_missing_offline_is_said_with_all_that_is_needed(monkeypatch):
    sources = (
        Source("tiny-12345678.pth", "12345678", 3 * 2**20, "https://example.org/tiny-12345678.pth"),
        Source("net-1.0.tar.gz", "0" * 64, 2**20, project="net", member="net-1.0/net.ckpt"),
    )
    change(monkeypatch, sources=sources, home="https://example.org/authors")
    for call in (weights.load, weights.fetch):
        with pytest.raises(FileNotFoundError) as caught:
            call("tiny")
        assert str(caught.value).splitlines() == [
            "the parameters of tiny are not on this machine.",
            "  JIQA_OFFLINE forbids to fetch it.",
            "Any of these files will do:",
            "  tiny-12345678.pth (3.0 MiB, SHA-256 12345678...) from "
            "https://example.org/tiny-12345678.pth",
            f"  net-1.0.tar.gz (1.0 MiB, SHA-256 {'0' * 64}) of the project net on the package "
            "index; in it net-1.0/net.ckpt",
            "  what the authors publish: https://example.org/authors",
            "  tiny.safetensors, as jiqa keeps it in the cache of another machine",
            "Name it, or the folder it is in, in the environment variable JIQA_WEIGHTS, or put it "
            "into the cache with: jiqa weights import FILE tiny",
        ]
    monkeypatch.delenv("JIQA_OFFLINE")
    with pytest.raises(FileNotFoundError, match="download=False forbids"):
        weights.load("tiny", download=False)


def test_nothing_is_written_when_an_import_fails(tmp_path):
    with pytest.raises(ValueError, match="not a checkpoint"):
        weights.import_checkpoint(__file__, "ours")
    assert not os.path.exists(tmp_path / "cache")
