"""Files of the Python package index, whichever one pip is set up to use."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

from jiqa.weights.downloads import open_address, without_password

JSON = "application/vnd.pypi.simple.v1+json"
ACCEPTED = f"{JSON}, text/html;q=0.5"
LARGEST_PAGE = 64 * 2**20


def find_file(project: str, file: str) -> str:
    """The address of a file of a project.

    Args:
        project: The project, by the name in addresses: lower case, words joined by hyphens.
        file: The name of the file.

    Returns:
        The address.

    Raises:
        OSError: The index cannot be reached.
        ValueError: It has no such file, or there is no telling where the index is.
    """
    index = index_address()
    page = f"{index.rstrip('/')}/{project}/"
    parts = urlsplit(page)
    if parts.scheme == "file":
        folder = Path(url2pathname(parts.path))
        content, kind = (folder / "index.html").read_bytes(), ""
    else:
        with open_address(page, {"Accept": ACCEPTED}) as response:
            content = response.read(LARGEST_PAGE)
            kind, page = response.headers.get("Content-Type", ""), response.url
    for name, address in _links(content, kind, page):
        if name == file:
            return _with_user(address, index)
    raise ValueError(f"{without_password(page)} does not list {file}.")


def index_address() -> str:
    """The address of the index that pip takes: its environment, its configuration, its default.

    Raises:
        ValueError: pip is not installed and PIP_INDEX_URL not set.
    """
    if address := os.environ.get("PIP_INDEX_URL"):
        return address
    for command in (
        ["-m", "pip", "config", "get", "global.index-url"],
        ["-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"],
    ):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
        if done.returncode == 0 and (address := done.stdout.strip()):
            return address
    raise ValueError("without pip the package index is not known; set PIP_INDEX_URL.")


def _links(content: bytes, kind: str, page: str) -> list[tuple[str, str]]:
    """Names and addresses of the files on a project's page, HTML (PEP 503) or JSON (PEP 691)."""
    if kind.startswith(JSON):
        return [(f["filename"], urljoin(page, f["url"])) for f in json.loads(content)["files"]]
    parser = _Page()
    parser.feed(content.decode("utf-8", "replace"))
    addresses = [urljoin(page, target).partition("#")[0] for target in parser.targets]
    return [(unquote(urlsplit(address).path).rpartition("/")[2], address) for address in addresses]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.targets.append(target)


def _with_user(address: str, index: str) -> str:
    """The address with the index's user and password, if it is on the same host."""
    ours, theirs = urlsplit(index), urlsplit(address)
    user, at, host = ours.netloc.rpartition("@")
    if at and (ours.scheme, host) == (theirs.scheme, theirs.netloc):
        return theirs._replace(netloc=f"{user}@{host}").geturl()
    return address
