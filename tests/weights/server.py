"""A web server that behaves as badly as asked, on this machine only."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves `files` by path.

    Attributes:
        files: Content, or content and type, by path.
        cut: Close every connection after this many bytes of content.
        ranges: Whether Range is understood.
        lengths: Whether Content-Length is sent.
        seconds: Pause before each tenth of a file.
        status: Answer everything with this status.
        requests: The paths and ranges asked for, and the headers.
    """

    def __init__(self) -> None:  # noqa: D107
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes | tuple[bytes, str]] = {}
        self.cut: int | None = None
        self.ranges = self.lengths = True
        self.seconds = 0.0
        self.status = 200
        self.requests: list[tuple[str, str, dict]] = []

    def handle_error(self, *_: object) -> None:
        """Says nothing of clients that go away."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def ranges_of(self, path: str) -> list[str]:
        """The ranges asked for of one path."""
        return [asked for found, asked, _ in self.requests if found == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range", "")
        server.requests.append((self.path, asked, dict(self.headers)))
        if self.path not in server.files or server.status != 200:
            self.send_error(404 if server.status == 200 else server.status)
            return
        found = server.files[self.path]
        content, kind = found if isinstance(found, tuple) else (found, "application/octet-stream")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        if start >= len(content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", kind)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.lengths:
            self.send_header("Content-Length", str(len(content) - start))
        else:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        stop = len(content) if server.cut is None else min(len(content), start + server.cut)
        step = max(1, len(content) // 10)
        for position in range(start, stop, step):
            time.sleep(server.seconds)
            self.wfile.write(content[position : min(stop, position + step)])
        if stop < len(content):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def serve() -> Iterator[Server]:
    """A server while it is needed."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
