"""POST /estimate when too much is asked, something breaks, or who asked is gone: neighbours are answered all the same."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from bare_client import BODY, send_head, status, until
from served import ROOT, STAND_INS, Server
from uploads_made import options, photo


def ask(server: Server, object_id: str, **values: Any) -> httpx.Response:
    files = {"image": ("x.jpg", photo(1))}
    return server.client.post("/estimate", files=files, data=options(object_ids=[object_id], K=[60, 60, 32, 24], **values))


def waiting(server: Server) -> int:
    """Questions whose images are in the house."""
    return len(list((server.api_data / "incoming").glob("*/image.*")))


def times_computed(server: Server, object_id: str) -> int:
    asked = server.estimator_objects / object_id / "asked"
    return len(asked.read_text().splitlines()) if asked.exists() else 0


@contextmanager
def busy_worker(server: Server, held: str) -> Iterator[Future[httpx.Response]]:
    """While the worker is at a question about the object `held`: what is asked meanwhile waits behind it."""
    release, before = server.estimator_objects / held / "release", times_computed(server, held)
    release.unlink(missing_ok=True)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, server, held)
        try:
            until(lambda: times_computed(server, held) > before)
            yield answer
        finally:
            release.touch()


def test_an_upload_that_trickles_loses_its_place(server: Server) -> None:
    with closing(send_head(server.client.base_url)) as connection:
        assert [status(connection), status(connection)] == [100, 408]


def test_an_upload_that_breaks_off_leaves_nothing(server: Server) -> None:
    with closing(send_head(server.client.base_url, length=10**6)) as connection:
        assert status(connection) == 100
        connection.sendall(BODY.read()[:200])
    until(lambda: not list((server.api_data / "incoming").iterdir()))


def test_the_question_of_a_gone_client_is_skipped(server: Server, ready: Callable[[str], str], ready_object: str) -> None:
    before = times_computed(server, ready_object)
    with busy_worker(server, ready("held")) as first:
        form = httpx.Request("POST", "http://x", files={"image": ("x.jpg", photo(1))}, data=options(object_ids=[ready_object]))
        head = "POST /v1/estimate HTTP/1.1\r\nHost: x\r\n"
        head += "".join(f"{name}: {form.headers[name]}\r\n" for name in ("content-type", "content-length"))
        with closing(socket.create_connection((server.client.base_url.host, server.client.base_url.port or 80))) as connection:
            connection.sendall(head.encode() + b"\r\n" + form.read())
            until(lambda: waiting(server) == 2)
        until(lambda: waiting(server) == 1)
    assert first.result().status_code == 200
    assert ask(server, ready_object).status_code == 200
    assert times_computed(server, ready_object) == before + 1


def test_a_passed_deadline_is_said_at_once_and_its_question_skipped(server: Server, ready: Callable[[str], str], ready_object: str) -> None:
    before = times_computed(server, ready_object)
    with busy_worker(server, ready("held")):
        answer = ask(server, ready_object, deadline_ms=100)
        assert (answer.status_code, answer.json()["type"]) == (504, "/problems/deadline-passed")
    assert ask(server, ready_object).status_code == 200
    assert times_computed(server, ready_object) == before + 1


def test_what_is_left_of_a_question_is_not_computed_past_its_deadline(
    server: Server, ready: Callable[[str], str], ready_object: str
) -> None:
    late = ready("late")
    before = times_computed(server, late)
    assert ask(server, late, boxes=[[5, 6, 40, 30]] * 20, deadline_ms=300).status_code == 504
    assert ask(server, ready_object).status_code == 200, "answered after one box, not after twenty"
    assert times_computed(server, late) <= before + 1


@pytest.mark.parametrize(("name", "kind"), [("crash-later", "estimate-crashed"), ("defect-later", "internal-error")])
def test_a_question_that_breaks_harms_no_neighbour(server: Server, ready: Callable[[str], str], name: str, kind: str) -> None:
    held, broken, neighbour = ready("held"), ready(name), ready("object")
    worker = server.worker("estimate")
    with ThreadPoolExecutor(3) as pool:
        with busy_worker(server, held) as first:
            breaking = pool.submit(ask, server, broken)
            until(lambda: waiting(server) == 2)
            neighbours = [pool.submit(ask, server, neighbour) for _ in range(2)]
            until(lambda: waiting(server) == 4)
        assert (breaking.result().status_code, breaking.result().json()["type"]) == (500, f"/problems/{kind}")
        assert [one.result().status_code for one in (first, *neighbours)] == [200] * 3
    assert worker.is_running()


def test_an_image_that_is_none_harms_no_neighbour(server: Server, ready_object: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        bad = pool.submit(server.client.post, "/estimate", files={"image": ("x.jpg", b"\xff\xd8")}, data=options(object_ids=[ready_object]))
        good = pool.submit(ask, server, ready_object)
    assert (bad.result().status_code, good.result().status_code) == (415, 200)


def test_without_a_worker_nothing_is_read(embedded: Server, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = httpx.URL(f"http://127.0.0.1:{listener.getsockname()[1]}")
    environment = {"SNAP6D_DATA": str(tmp_path), "SNAP6D_BROKER_URL": f"redis+socket://{embedded.data}/redis.sock"}
    command = [sys.executable, "-m", "uvicorn", "service.app:from_environment", "--factory", "--fd", str(listener.fileno())]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **STAND_INS, **environment}, pass_fds=[listener.fileno()]) as api:
        try:
            with closing(send_head(url)) as connection:
                connection.settimeout(60)  # it only starts, maybe on a busy machine
                assert status(connection) == 503
        finally:
            api.terminate()
            listener.close()
