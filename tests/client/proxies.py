"""A way to the service that loses answers: it reads them, and hangs up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

HOPS = ("connection", "transfer-encoding", "keep-alive", "date", "server")


class Flaky(ThreadingHTTPServer):
    """Passes requests on to `target`; loses the answers to the first `losses` of each method and path, and counts all of them."""

    daemon_threads = True

    def __init__(self, target: str, losses: dict[str, int], bytes_first: int | None, refused: int | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.losses, self.bytes_first, self.refused = target, losses, bytes_first, refused
        self.seen: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def loses(self, request: str) -> bool:
        with self.lock:
            self.seen.append(request)
            lost = next((name for name, left in self.losses.items() if request.startswith(name) and left), None)
            if lost:
                self.losses[lost] -= 1
            return lost is not None


@contextmanager
def flaky(target: str, losses: dict[str, int], bytes_first: int | None = None, refused: int | None = None) -> Iterator[Flaky]:
    """`losses`: such as {"POST /v1/objects": 1}. `bytes_first`: so much of a lost body arrives before the line is cut.

    `refused`: those requests are not passed on, but answered with this status, and that a second later may be better.
    """
    with Flaky(target, losses, bytes_first, refused) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Flaky

    def _pass_on(self) -> None:
        body = self._body()
        lost = self.server.loses(f"{self.command} {self.path}")
        if lost and self.server.refused:
            self.send_response(self.server.refused)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "transfer-encoding")}
        answer = httpx.request(self.command, self.server.target + self.path, content=body, headers=headers, timeout=30)
        self.close_connection = True
        if lost and self.server.bytes_first is None:
            return
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in HOPS:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content[: self.server.bytes_first] if lost else answer.content)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _pass_on

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def log_message(self, format: str, *arguments: object) -> None:
        pass
