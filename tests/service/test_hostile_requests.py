"""Requests as no well-meaning client sends them, over bare sockets: each is answered with a problem, and leaves nothing behind."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import psutil
import pytest
from served import Server, start_server
from uploads_made import options, photo

IDLE_S = 2.0
FORM = b"Content-Type: multipart/form-data; boundary=x\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'
END = b"\r\n--x--\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that waits for no sender longer than a moment."""
    server = start_server(tmp_path_factory.mktemp("hasty"), SNAP6D_MAX_IDLE_S=str(IDLE_S), SNAP6D_MIN_BYTES_PER_S="1000")
    yield server
    server.stop()


def talk(server: Server, *pieces: bytes, pause_s: float = 0.0, timeout_s: float = 10.0) -> tuple[int, str, dict]:
    """Sends piece by piece until something comes back: status, media type, document."""
    with socket.create_connection((server.client.base_url.host, server.client.base_url.port), timeout_s) as connection:
        connection.settimeout(pause_s or timeout_s)
        received = b""
        for piece in pieces:
            try:
                connection.sendall(piece)
                received = connection.recv(1 << 16) if pause_s else b""
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if received:
                break
        connection.settimeout(timeout_s)
        while b"\r\n\r\n" not in received or not received.endswith(b"}"):
            more = connection.recv(1 << 16)
            assert more, f"closed after {received!r}"
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    kind = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-type"))
    return int(head.split()[1]), kind.partition(b": ")[2].decode(), json.loads(body)


def post(*headers: bytes, path: bytes = b"/v1/objects") -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\nHost: here\r\n" + b"".join(headers) + b"\r\n"


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n" % size


CHUNKED = b"Transfer-Encoding: chunked\r\n"
CASES: dict[str, tuple[list[bytes], int, str]] = {
    "no HTTP at all": ([b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"], 400, "bad-request"),
    "long headers": ([post(b"X: " + b"a" * 1_000_000 + b"\r\n")], 400, "bad-request"),
    "endless headers": ([b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000], 400, "bad-request"),
    "a length that is no number": ([post(FORM, b"Content-Length: many\r\n")], 400, "bad-request"),
    "two lengths": ([post(FORM, length(5), length(6)) + b"hello"], 400, "bad-request"),
    "a length beyond the cap": ([post(FORM, length(10**12)) + PART], 413, "too-large"),
    "a length that is too short": ([post(FORM, length(len(PART))) + PART + photo() + END], 422, "bad-input"),
    "chunks beyond the cap": (
        [post(FORM, CHUNKED), b"%x\r\n" % len(PART) + PART + b"\r\n", *[b"10000\r\n" + bytes(65536) + b"\r\n"] * 40],
        413,
        "too-large",
    ),
    "a chunk of no size": ([post(FORM, CHUNKED) + b"zz\r\n"], 400, "bad-request"),
    "a head that stops": ([b"POST /v1/objects HTTP/1.1\r\nHost:"], 408, "too-slow"),
    "a body that stops": ([post(FORM, length(5000)) + PART], 408, "too-slow"),
    "a NUL in the path": ([b"GET /v1/objects/a%00b HTTP/1.1\r\nHost: here\r\n\r\n"], 422, "bad-input"),
    "a NUL in the query": ([b"GET /v1/jobs?object_id=%00 HTTP/1.1\r\nHost: here\r\n\r\n"], 422, "bad-input"),
    "no UTF-8 in the path": ([b"GET /v1/objects/%ff%fe HTTP/1.1\r\nHost: here\r\n\r\n"], 404, "not-found"),
    "a part without a name": ([post(FORM, length(30)) + b"--x\r\n\r\nabc\r\n--x--\r\n".ljust(30)], 422, "bad-input"),
    "a part with a long head": ([post(FORM, length(20_009)) + b"--x\r\nA: " + b"b" * 20_001], 422, "bad-input"),
    "a boundary that never comes": ([post(FORM, length(1000)) + b"--y\r\n".ljust(1000)], 422, "bad-input"),
}


@pytest.mark.parametrize("case", CASES)
def test_bytes_that_are_no_request(hasty: Server, case: str) -> None:
    pieces, status, kind = CASES[case]
    answered = talk(hasty, *pieces)
    assert (answered[0], answered[1], answered[2]["type"]) == (status, "application/problem+json", f"/problems/{kind}"), answered
    assert ":" in answered[2]["detail"]
    assert not list((hasty.data / "incoming").iterdir())
    assert hasty.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("head", [post(FORM, length(5000)) + PART, b"GET /"])
def test_a_byte_now_and_then_is_cut_off(hasty: Server, head: bytes) -> None:
    started = time.monotonic()
    status, _, document = talk(hasty, head, *[b"-"] * 150, pause_s=0.1)
    assert (status, document["type"]) == (408, "/problems/too-slow")
    assert time.monotonic() - started < 15
    assert not list((hasty.data / "incoming").iterdir())


def test_silent_connections_are_closed(hasty: Server) -> None:
    address = (hasty.client.base_url.host, hasty.client.base_url.port)
    open_ones = [socket.create_connection(address, 10) for _ in range(50)]
    for connection in open_ones:
        assert connection.recv(1) == b""
        connection.close()


FORMS: dict[str, dict] = {
    "options twice": {"data": {"options": ["{}", "{}"]}},
    "an unknown text": {"data": {"optoins": "{}"}},
    "options as a file": {"files": [("options", ("o.json", b"{}"))]},
    "an unknown file": {"files": [("image", ("a.jpg", photo()))]},
    "photos as text": {"data": {"photos": "a.jpg"}},
    "many texts": {"data": {f"field{n}": "x" for n in range(1000)}},
    "a name with a NUL": {"data": options(name="a\0b")},
    "half a character in the name": {"data": {"options": '{"name": "\\ud800"}'}},
    "deep JSON": {"data": {"options": "[" * 100_000}},
    "numbers beyond all": {"data": {"options": '{"tags": {"side_m": 1e999}}'}},
    "a name in two forms": {"files": [("photos", ("é.jpg", photo(1))), ("photos", ("e\u0301.jpg", photo(2)))]},
}


@pytest.mark.parametrize("case", FORMS)
def test_forms_that_are_not_understood(hasty: Server, case: str) -> None:
    form = {"files": [], **FORMS[case]}
    answer = hasty.client.post("/objects", data=form.get("data"), files=[("photos", ("p.jpg", photo())), *form["files"]])
    assert answer.status_code in (413, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert ":" in answer.json()["detail"]
    assert not list((hasty.data / "incoming").iterdir())


def test_the_api_stays_small(hasty: Server) -> None:
    """After all that, and a form of many large images at once."""
    api = next(p for p in psutil.Process(hasty.process.pid).children(recursive=True) if p.cmdline()[1:3] == ["-m", "uvicorn"])
    for _ in range(3):
        files = [("photos", (f"{n}.jpg", photo(n, 240, 200))) for n in range(12)]
        assert hasty.client.post("/objects", files=files).status_code == 202
    assert api.memory_info().rss < 150 << 20
