"""Following a job on the running service: events, broken off and resumed, and logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from served import Server, start_server

Event = dict[str, Any]


def listen(server: Server, job_id: str, after: int | None = None) -> Iterator[Event]:
    """Each event with its id, kind and data; each comment as {"comment": ...}. To the end, or until the caller leaves."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with server.client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: Event = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                yield {"comment": value}
            elif line:
                event[name] = json.loads(value) if name == "data" else int(value) if name == "id" else value
            elif event:
                yield event
                event = {}


def lasting(events: list[Event]) -> list[Event]:
    """Without progress, of which only the latest is kept."""
    return [event for event in events if "id" in event and event["event"] != "stage.progress"]


def test_a_job_is_followed_to_its_end(server: Server) -> None:
    object_id, job_id = server.onboard()
    events = list(listen(server, job_id))
    stages = [kind for _ in range(3) for kind in ("stage.started", "stage.succeeded")]
    assert [event["event"] for event in lasting(events)] == ["job.queued", "job.running", *stages, "job.ended"]
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids))
    assert events[-1]["data"]["status"] == server.client.get(f"/jobs/{job_id}").json()["status"] == "succeeded"
    assert [e["data"]["stage"] for e in events if e["event"] == "stage.succeeded"] == ["sfm", "scale", "surface"]
    assert server.client.get(f"/objects/{object_id}").json()["state"] == "ready"


def test_a_listener_that_was_broken_off_misses_nothing_and_hears_nothing_twice(server: Server) -> None:
    _, job_id = server.onboard()
    with ThreadPoolExecutor(1) as pool:
        whole = pool.submit(lambda: list(listen(server, job_id)))
        heard: list[Event] = []
        ended = False
        while not ended:  # breaks off after every second event
            for event in listen(server, job_id, heard[-1]["id"] if heard else None):
                heard.append(event)
                ended = event["event"] == "job.ended"
                if len(heard) % 2 == 0:
                    break
    ids = [event["id"] for event in heard]
    assert ids == sorted(set(ids))
    assert lasting(heard) == lasting(whole.result())


def test_a_listener_that_comes_late_gets_everything_at_once_and_one_that_knows_it_nothing(server: Server) -> None:
    _, job_id = server.onboard()
    followed = list(listen(server, job_id))
    late = list(listen(server, job_id))
    assert lasting(late) == lasting(followed)
    assert [e["event"] for e in late].count("stage.progress") <= 1, "the table keeps the latest progress of a job only"
    rest = server.client.get(f"/v1/jobs/{job_id}/events", params={"after": late[-2]["id"]})
    assert rest.text.count("id: ") == 1
    known = server.client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(late[-1]["id"])})
    assert (known.status_code, known.content) == (204, b"")  # tells browsers not to connect again


def test_cancel_and_resume_are_heard_too(server: Server) -> None:
    _, job_id = server.onboard("slow")
    kinds: list[str] = []
    for event in listen(server, job_id):
        kinds.append(event["event"])
        if event["event"] == "stage.progress" and "job.canceling" not in kinds and kinds.count("stage.progress") == 1:
            assert server.client.post(f"/jobs/{job_id}/cancel").status_code == 202
    assert [kind for kind in kinds if kind != "stage.progress"] == [
        "job.queued",
        "job.running",
        "stage.started",
        "job.canceling",
        "job.ended",
    ]
    assert server.client.post(f"/jobs/{job_id}/resume").status_code == 202
    assert next(listen(server, job_id, after=event["id"]))["event"] == "job.queued"
    server.client.post(f"/jobs/{job_id}/cancel")
    server.wait(job_id)


def test_what_went_wrong_is_in_the_events(server: Server) -> None:
    _, job_id = server.onboard("fail")
    *_, failed, ended = listen(server, job_id)
    assert (failed["event"], failed["data"]["error"]["code"]) == ("stage.failed", "capture-failed")
    assert "overlap" in ended["data"]["error"]["try_next"]


@pytest.mark.parametrize("after", ["x", "-1", str(2**63)])
def test_wrong_requests_are_refused(server: Server, after: str) -> None:
    _, job_id = server.onboard()
    assert server.client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": after}).status_code == 422
    assert server.client.get(f"/v1/jobs/{job_id}/logs", params={"offset": after}).status_code == 422
    assert server.client.get("/v1/jobs/job_0/events").json()["type"] == "/problems/not-found"
    assert server.client.get("/v1/jobs/job_0/logs").status_code == 404
    for stage in ("nope", "../../capture/capture", ""):
        answer = server.client.get(f"/v1/jobs/{job_id}/logs", params={"stage": stage})
        assert answer.status_code == (404 if stage else 200)


async def _listen_together(url: str, job_id: str, count: int, when_all_hear: Callable[[], None]) -> list[int]:
    """How many events each of so many listeners heard to the end of the job."""
    heard = 0

    async def one(client: httpx.AsyncClient) -> int:
        nonlocal heard
        events = 0
        async with client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
            async for line in answer.aiter_lines():
                if line == "event: stage.started":
                    heard += 1
                    if heard == count:
                        await asyncio.to_thread(when_all_hear)
                events += line.startswith("event: ") and "progress" not in line
        return events

    async with httpx.AsyncClient(base_url=url, timeout=30, limits=httpx.Limits(max_connections=None)) as client:
        return await asyncio.gather(*(one(client) for _ in range(count)))


def test_a_hundred_listeners_cost_no_thread_each_and_all_hear_the_end(server: Server) -> None:
    _, job_id = server.onboard("slow")
    family = psutil.Process(server.process.pid).children(recursive=True)
    api = next(p for p in family if "uvicorn" in p.cmdline() and "workers.leash" not in p.cmdline())
    threads: list[int] = []

    def look_and_cancel() -> None:
        threads.append(api.num_threads())
        server.client.post(f"/jobs/{job_id}/cancel")

    heard = asyncio.run(_listen_together(str(server.client.base_url), job_id, 100, look_and_cancel))
    assert heard == [5] * 100
    assert threads[0] < 60  # the thread pool has 40, for all requests there are


def test_listeners_are_bounded_kept_awake_and_sent_home(tmp_path: Path) -> None:
    server = start_server(tmp_path, SNAP6D_HEARTBEAT_S="0.1", SNAP6D_MAX_EVENT_STREAMS="2", SNAP6D_LEASE_S="60")
    _, slow = server.onboard("slow")
    url = f"/v1/jobs/{slow}/events"
    first, second = listen(server, slow), listen(server, slow)
    assert next(event for event in first if "comment" in event) == {"comment": "heartbeat"}
    next(second)
    refused = server.client.get(url)
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/busy")
    assert refused.headers["retry-after"]
    second.close()  # a gone client leaves its place
    for _ in range(100):
        with server.client.stream("GET", url) as answer:
            if answer.status_code == 200:
                break
    assert answer.status_code == 200
    assert server.stop() == 0  # though one still listens
    first.close()


def test_logs_are_read_piece_by_piece(server: Server) -> None:
    object_id, job_id = server.onboard()
    text, offset, size = b"", 0, -1
    ended = False
    while not ended or offset < size:
        ended = ended or server.client.get(f"/jobs/{job_id}").json()["status"] == "succeeded"
        answer = server.client.get(f"/v1/jobs/{job_id}/logs", params={"offset": offset, "stage": "sfm"})
        assert answer.headers["content-type"].startswith("text/plain")
        text += answer.content
        offset, size = (int(answer.headers[name]) for name in ("snap6d-next-offset", "snap6d-log-size"))
    assert text == (server.object_dir(object_id) / "logs" / "sfm.log").read_bytes()
    assert b"chatter" in text


def test_a_long_log_comes_in_pieces(embedded: Server) -> None:
    object_id, job_id = embedded.onboard()
    embedded.wait(job_id)
    logs = embedded.object_dir(object_id) / "logs"
    (logs / "surface.log").write_bytes(bytes(range(256)) * 5000)
    pieces = [embedded.client.get(f"/v1/jobs/{job_id}/logs", params={"offset": at}) for at in (0, 1 << 20, 2 << 20)]
    assert {piece.headers["snap6d-stage"] for piece in pieces} == {"surface"}, "the last one that ran"
    assert b"".join(piece.content for piece in pieces) == (logs / "surface.log").read_bytes()
    assert [len(piece.content) for piece in pieces] == [1 << 20, 1_280_000 - (1 << 20), 0]
