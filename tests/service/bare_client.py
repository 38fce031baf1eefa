"""A client that sends a question bit by bit."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
from uploads_made import options, photo

BODY = httpx.Request("POST", "http://x", files={"image": ("x.jpg", photo(1))}, data=options(object_ids=["obj_none"]))


def until(condition: Callable[[], Any], within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def send_head(url: httpx.URL, key: str = "", length: int = 1000) -> socket.socket:
    """A question of which only the header is sent. The server says "100 Continue" once it wants to read the rest."""
    connection = socket.create_connection((url.host, url.port or 80), timeout=10)
    head = f"POST /v1/estimate HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n"
    head += f"Authorization: Bearer {key}\r\n" if key else ""
    connection.sendall(f"{head}Content-Type: {BODY.headers['content-type']}\r\n\r\n".encode())
    return connection


def status(connection: socket.socket) -> int:
    """Of the next answer on it; its header is left in the text that `recv` gave."""
    return int(connection.recv(65536).split()[1])
