"""Whose request it was, in answers, problems and the log lines of API and workers; metrics that Prometheus reads."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from served import Server
from uploads_made import options, photo

from service.metrics import families
from workers.rows.census import take_census
from workers.rows.database import Database


@pytest.fixture
def server(embedded: Server) -> Server:
    """Logs are looked at where `snap6d serve` puts them."""
    return embedded


def post_object(server: Server, request_id: str, name: str = "object") -> dict[str, Any]:
    files = [("photos", (f"{n:02}.jpg", photo(n), "image/jpeg")) for n in range(3)]
    answer = server.client.post("/v1/objects", files=files, data=options(name=name), headers={"X-Request-ID": request_id})
    assert (answer.status_code, answer.headers["x-request-id"]) == (202, request_id), answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


def log_lines(server: Server, process: str, request_id: str, until: str) -> list[dict[str, Any]]:
    """What a process logged about a request, once `until` is among it."""
    deadline = time.monotonic() + 10
    while True:
        text = (server.data / "logs" / f"{process}.log").read_text()
        lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"time"')]
        mine = [line for line in lines if line.get("request_id") == request_id]
        if any(until in line["message"] for line in mine):
            return mine
        assert time.monotonic() < deadline, mine
        time.sleep(0.05)


def samples(server: Server) -> Iterator[Sample]:
    answer = server.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    for family in text_string_to_metric_families(answer.text):
        yield from family.samples


def value(server: Server, name: str, **labels: str) -> float:
    """Of all samples of that name with these labels, the sum."""
    return sum(s.value for s in samples(server) if s.name == name and labels.items() <= s.labels.items())


def test_a_request_is_known_from_the_answer_to_the_last_line_of_the_worker(server: Server) -> None:
    accepted = post_object(server, "walk-1")
    job_id = accepted["job"]["id"]
    server.wait(job_id)
    (asked,) = log_lines(server, "api", "walk-1", "POST /v1/objects 202")
    assert (asked["level"], asked["logger"]) == ("info", "snap6d.requests")
    worked = log_lines(server, "worker-cpu", "walk-1", "job succeeded")
    assert {line["job"] for line in worked} == {job_id}
    told = [(line["message"], line.get("stage"), line.get("attempt")) for line in worked]
    assert told[:2] == [("stage sfm started", "sfm", 1), ("stage sfm succeeded", "sfm", 1)]
    assert told[-1] == ("job succeeded", None, None)
    events = server.client.get(f"/v1/jobs/{job_id}/events").text
    assert events.count('"request_id": "walk-1"') == 3  # queued, running, ended


def test_a_defect_in_an_estimate_is_found_by_its_request(server: Server) -> None:
    accepted = post_object(server, "walk-2", "defect-later")
    server.wait(accepted["job"]["id"])
    asked = {"files": {"image": ("x.jpg", photo(1))}, "data": options(object_ids=[accepted["id"]], K=[60, 60, 32, 24])}
    answer = server.client.post("/v1/estimate", **asked, headers={"X-Request-ID": "why-1"})
    assert (answer.status_code, answer.json()["request_id"], answer.headers["x-request-id"]) == (500, "why-1", "why-1")
    (line,) = [line for line in log_lines(server, "worker-estimate", "why-1", "estimate") if line["level"] == "error"]
    assert "RuntimeError: a defect" in line["exception"]


@pytest.mark.parametrize("given", ["", "with space", "x" * 65, "a;b", "ü"])
def test_a_request_id_that_is_not_sane_is_replaced(server: Server, given: str) -> None:
    answers = [server.client.get("/v1/jobs/job_0", headers={"X-Request-ID": given.encode()}) for _ in range(2)]
    made = {answer.headers["x-request-id"] for answer in answers}
    assert len(made) == 2
    assert all(name.startswith("req_") for name in made)
    assert {answer.json()["request_id"] for answer in answers} == made


def test_metrics_are_read_by_prometheus_own_parser(server: Server, ready_object: str) -> None:
    estimate = {"files": {"image": ("x.jpg", photo(1))}, "data": options(object_ids=[ready_object], K=[60, 60, 32, 24])}
    refused = {"files": {"image": ("x.jpg", b"no image")}, "data": options(object_ids=[ready_object])}
    route = {"method": "POST", "route": "/estimate"}
    before = {w: value(server, "snap6d_estimate_seconds_count", outcome=w) for w in ("found", "unsupported-media-type")}
    received = value(server, "snap6d_received_bytes_total", **route)
    assert server.client.post("/v1/estimate", **estimate).status_code == 200
    assert server.client.post("/estimate", **refused).status_code == 415
    assert server.client.request("BREW", "/nowhere/obj_0").status_code == 404
    after = {word: value(server, "snap6d_estimate_seconds_count", outcome=word) for word in before}
    assert after == {word: count + 1 for word, count in before.items()}
    assert value(server, "snap6d_received_bytes_total", **route) - received > len(photo(1))
    assert value(server, "snap6d_request_seconds_count", **route, status="415") >= 1
    assert value(server, "snap6d_request_seconds_count", method="other", route="none", status="404") >= 1
    assert value(server, "snap6d_workers", queue="cpu") >= 1
    assert value(server, "snap6d_workers", queue="estimate") >= 1


def test_rows_are_counted_alike_in_every_process_and_name_no_object(server: Server, ready_object: str) -> None:
    jobs = [server.wait(job["id"]) for job in server.client.get("/jobs").json()]  # nothing changes between two looks
    assert value(server, "snap6d_jobs", status="succeeded") == sum(job["status"] == "succeeded" for job in jobs) > 0
    assert value(server, "snap6d_stage_attempts", stage="surface", outcome="succeeded") >= 1
    assert value(server, "snap6d_stage_seconds", stage="surface", outcome="succeeded") > 0
    assert value(server, "snap6d_queue_jobs", queue="cpu") == value(server, "snap6d_queue_oldest_seconds", queue="cpu") == 0
    census = take_census(Database(f"sqlite:///{server.data / 'snap6d.sqlite'}"), 10.0)
    other = {(s.name, *sorted(s.labels.items())): s.value for family in families(census) for s in family.samples}
    seen = {(s.name, *sorted(s.labels.items())): s.value for s in samples(server)}
    assert other.items() <= seen.items()
    text = server.client.get("/metrics").text
    assert not [job["id"] for job in jobs if job["id"] in text or job["object_id"] in text]


def test_the_time_of_a_job_is_said_before_it_starts_and_learnt_from_those_before(server: Server, ready_object: str) -> None:
    job = post_object(server, "walk-3")["job"]
    assert set(job["estimate"]["stages"]) == {"sfm", "scale", "surface"}
    assert job["estimate"]["learned"] == 3
    assert 0 < job["estimate"]["seconds"] < 60, "as the stand-ins, not as the real stages"
    assert job["eta_s"] == pytest.approx(job["estimate"]["seconds"], abs=0.06)
    assert server.wait(job["id"])["eta_s"] is None
