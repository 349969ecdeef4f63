"""Downloads from a server that is slow, breaks off, or ignores what it is asked."""

import base64
import os
import sys
import threading
import time

import pytest

from jiqa.weights import downloads
from jiqa.weights.downloads import alone, download, without_password
from tests.weights.server import serve

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def server():
    with serve() as server:
        server.files["/net.pth"] = CONTENT
        yield server


@pytest.fixture
def target(tmp_path):
    return tmp_path / "net.pth.partial"


def test_a_file_comes_whole(server, target):
    download(f"{server.url}/net.pth", target, len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert server.ranges_of("/net.pth") == [""]


def test_a_connection_that_breaks_is_continued_where_it_broke(server, target, capsys):
    server.cut = 40_000
    download(f"{server.url}/net.pth", target, len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert server.ranges_of("/net.pth") == ["", "bytes=40000-", "bytes=80000-"]
    assert "the connection broke after 40000 bytes; continuing" in capsys.readouterr().err


def test_what_is_there_is_continued(server, target):
    target.write_bytes(CONTENT[:1000])
    download(f"{server.url}/net.pth", target, len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert server.ranges_of("/net.pth") == ["bytes=1000-"]


def test_a_server_that_ignores_the_range_sends_it_all_again(server, target):
    server.ranges = False
    target.write_bytes(b"?" * 50_000)
    download(f"{server.url}/net.pth", target, len(CONTENT))
    assert target.read_bytes() == CONTENT


def test_a_server_that_breaks_off_without_ranges_is_given_up(server, target):
    server.ranges, server.cut = False, 40_000
    with pytest.raises(ConnectionError, match="the connection broke: 40000 of 102400 bytes came"):
        download(f"{server.url}/net.pth", target, len(CONTENT))
    assert len(server.requests) == 2
    assert target.stat().st_size == 40_000


def test_more_than_the_whole_file_is_fetched_anew(server, target):
    target.write_bytes(CONTENT + b"more")
    download(f"{server.url}/net.pth", target, len(CONTENT))
    assert target.read_bytes() == CONTENT


def test_a_file_of_unknown_length_comes_whole(server, target):
    server.lengths = False
    download(f"{server.url}/net.pth", target, len(CONTENT))
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("lengths", [True, False])
def test_far_more_than_expected_is_an_error(server, target, lengths):
    server.lengths = lengths
    server.files["/net.pth"] = CONTENT * 5
    with pytest.raises(ValueError, match="where about 102400 were expected"):
        download(f"{server.url}/net.pth", target, len(CONTENT))


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_is_an_error_at_once(server, target, status):
    server.status = status
    with pytest.raises(OSError, match=f"HTTP Error {status}"):
        download(f"{server.url}/net.pth", target, len(CONTENT))
    assert len(server.requests) == 1
    assert not target.exists()


def test_a_server_that_falls_silent_is_an_error(server, target, monkeypatch):
    monkeypatch.setattr(downloads, "SECONDS", 0.2)
    server.seconds = 1.0
    with pytest.raises((TimeoutError, ConnectionError), match="timed out"):
        download(f"{server.url}/net.pth", target, len(CONTENT))


def test_files_of_this_machine(target, tmp_path):
    (tmp_path / "net.pth").write_bytes(CONTENT)
    download((tmp_path / "net.pth").as_uri(), target, len(CONTENT))
    assert target.read_bytes() == CONTENT
    with pytest.raises(OSError, match="No such file"):
        download((tmp_path / "other.pth").as_uri(), target, len(CONTENT))


def test_a_password_in_an_address_is_sent_and_not_shown(server, target):
    address = f"{server.url}/net.pth".replace("//", "//me:s%40cret@")
    download(address, target, len(CONTENT))
    sent = server.requests[0][2]["Authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"me:s@cret"
    assert without_password(address) == f"{server.url}/net.pth"


def test_progress_is_shown_on_a_terminal_only(server, target, monkeypatch, capsys):
    download(f"{server.url}/net.pth", target, len(CONTENT))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with downloads.progress(100) as advance:
        advance(50)
    assert capsys.readouterr().err != ""


def test_only_one_is_at_work_at_a_time(tmp_path, capsys):
    order = []

    def work(name: str) -> None:
        with alone(tmp_path / "net.pth") as unfinished:
            order.append((name, "starts", unfinished.name))
            time.sleep(0.1)
            order.append((name, "ends", unfinished.name))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [what for _, what, _ in order] == ["starts", "ends"] * 3
    assert {name for *_, name in order} == {"net.pth.partial"}
    assert "waiting for another process that fetches net.pth" in capsys.readouterr().err


def test_without_locks_every_process_has_a_file_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with alone(tmp_path / "net.pth") as unfinished:
        assert unfinished.name == f"net.pth.{os.getpid()}.partial"
