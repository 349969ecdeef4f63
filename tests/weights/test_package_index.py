"""The package index that pip is set up to use, in HTML and JSON, over HTTP and from a folder."""

import json
import os
import subprocess
import sys

import pytest

from jiqa.weights import package_index
from jiqa.weights.package_index import JSON, find_file, index_address
from tests.weights.server import serve

PAGE = b"""<!DOCTYPE html><html><body><h1>Links for net</h1>
<a name="no-target">old</a>
<a href="../../files/net-1.0-py3-none-any.whl#sha256=00">net-1.0-py3-none-any.whl</a><br/>
<A HREF="https://files.example.org/a%2Bb/net-1.0.tar.gz?x=1#sha256=00" data-yanked="">net</A>
</body></html>"""
FILES = [
    {"filename": "net-1.0.tar.gz", "url": "https://files.example.org/net-1.0.tar.gz"},
    {"filename": "net-1.0-py3-none-any.whl", "url": "/files/net-1.0-py3-none-any.whl"},
]


@pytest.fixture
def server(monkeypatch):
    with serve() as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/root/simple/")
        yield server


def test_a_page_in_html(server):
    server.files["/root/simple/net/"] = PAGE, "text/html"
    assert find_file("net", "net-1.0.tar.gz") == (
        "https://files.example.org/a%2Bb/net-1.0.tar.gz?x=1"
    )
    wheel = "net-1.0-py3-none-any.whl"
    assert find_file("net", wheel) == f"{server.url}/root/files/{wheel}"
    assert JSON in server.requests[0][2]["Accept"]


def test_a_page_in_json(server):
    content = json.dumps({"meta": {"api-version": "1.1"}, "name": "net", "files": FILES})
    server.files["/root/simple/net/"] = content.encode(), JSON
    assert find_file("net", "net-1.0.tar.gz") == "https://files.example.org/net-1.0.tar.gz"
    wheel = "net-1.0-py3-none-any.whl"
    assert find_file("net", wheel) == f"{server.url}/files/{wheel}"


def test_a_folder(tmp_path, monkeypatch):
    (tmp_path / "simple" / "net").mkdir(parents=True)
    (tmp_path / "simple" / "net" / "index.html").write_bytes(PAGE)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    wheel = "net-1.0-py3-none-any.whl"
    assert find_file("net", wheel) == (tmp_path / "files" / wheel).as_uri()
    with pytest.raises(FileNotFoundError):
        find_file("other", wheel)


def test_what_the_index_does_not_have_is_an_error(server):
    server.files["/root/simple/net/"] = PAGE, "text/html"
    with pytest.raises(ValueError, match=r"/root/simple/net/ does not list net-2\.0\.tar\.gz"):
        find_file("net", "net-2.0.tar.gz")
    with pytest.raises(OSError, match="HTTP Error 404"):
        find_file("other", "net-1.0.tar.gz")


def test_the_password_of_the_index_goes_to_its_host_only(server, monkeypatch):
    server.files["/root/simple/net/"] = PAGE, "text/html"
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/root/simple".replace("//", "//me:secret@"))
    wheel = "net-1.0-py3-none-any.whl"
    assert find_file("net", wheel).startswith("http://me:secret@127.0.0.1:")
    assert "secret" not in find_file("net", "net-1.0.tar.gz")
    assert server.requests[0][2]["Authorization"].startswith("Basic ")
    with pytest.raises(ValueError, match="does not list") as caught:
        find_file("net", "other")
    assert "secret" not in str(caught.value)


def test_the_address_is_the_one_of_pips_configuration(tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://index.example.org/simple\n")
    assert index_address() == "https://index.example.org/simple"
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    code = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    default = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert index_address() == default.stdout.strip()


def test_without_pip_the_variable_must_be_set(monkeypatch):
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setattr(package_index.sys, "executable", "/bin/false")
    with pytest.raises(ValueError, match="set PIP_INDEX_URL"):
        index_address()
