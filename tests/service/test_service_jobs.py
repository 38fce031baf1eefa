"""Upload -> job -> artifacts, and everything that may go wrong on the way, on the running service."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from PIL import Image
from served import Server, start_server
from typer.testing import CliRunner
from uploads_made import options, photo, zipped

from reconstruction.capture import Capture, Prompt, TagBoard
from workers.command.cli import app


def test_photos_become_an_object_with_artifacts(server: Server) -> None:
    object_id, job_id = server.onboard()
    job = server.wait(job_id)
    assert job["status"] == "succeeded"
    assert job["progress"] == 1.0
    assert [stage["status"] for stage in job["stages"]] == ["succeeded"] * 3
    assert server.client.get(f"/objects/{object_id}").json()["state"] == "ready"
    listed = {a["name"]: a for a in server.client.get(f"/v1/objects/{object_id}/artifacts").json()}
    assert {"mesh.ply", "mesh.glb", "report.json", "scale/scale.json"} <= set(listed)
    whole = server.client.get(listed["mesh.ply"]["href"])
    part = server.client.get(listed["mesh.ply"]["href"], headers={"Range": "bytes=0-2"})
    assert len(whole.content) == listed["mesh.ply"]["bytes"]
    assert (part.status_code, part.content) == (206, b"ply")
    assert server.client.get(listed["mesh.ply"]["href"], headers={"Range": "bytes=0-2"}).headers["etag"]


def test_what_was_asked_for_is_what_the_stages_see(server: Server) -> None:
    board = {"tag_size_mm": 50, "3": [[0, 0, 0], [50, 0, 0], [50, 50, 0], [0, 50, 0]]}
    object_id, job_id = server.onboard("mug", box={"photo": "01", "box": [1, 2, 30, 40]}, board=board, profile="preview")
    server.wait(job_id)
    capture = Capture.load(server.object_dir(object_id) / "capture" / "capture.json")
    assert capture.prompt == Prompt("01.jpg", box=(1, 2, 30, 40))
    assert capture.scale == TagBoard("tag36h11", {3: [[0, 0, 0], [50, 0, 0], [50, 50, 0], [0, 50, 0]]})


def test_a_zip_is_taken_and_places_are_removed(server: Server) -> None:
    entries = {f"photos/{n}.jpg": photo(n, gps=True, focal_mm=28) for n in range(3)} | {"__MACOSX/._0.jpg": b"x"}
    answer = server.client.post("/objects", files={"photos": ("all.zip", zipped(entries))}, data=options(name="zip"))
    assert answer.status_code == 202, answer.text
    kept = sorted((server.object_dir(answer.json()["id"]) / "capture" / "photos").iterdir())
    assert [path.name for path in kept] == ["0.jpg", "1.jpg", "2.jpg"]
    for number, path in enumerate(kept):
        with Image.open(path) as image:
            assert dict(image.getexif().get_ifd(0x8825)) == {}
            assert image.getexif().get_ifd(0x8769)[0xA405] == 28
        assert len(path.read_bytes()) == len(entries[f"photos/{number}.jpg"])
    server.wait(answer.json()["job"]["id"])


def test_a_video_is_kept_for_the_worker_and_its_frames_can_be_named(server: Server) -> None:
    files = [("photos", ("My walk.MOV", b"\0\0\0\x18ftypqt  " + bytes(250_000)))]  # larger than a photo may be
    asked = options(name="film", box={"photo": "My_walk_0012s400", "box": [1, 2, 30, 40]})
    answer = server.client.post("/objects", files=files, data=asked)
    assert answer.status_code == 202, answer.text
    folder = server.object_dir(answer.json()["id"]) / "capture"
    assert [path.name for path in (folder / "video").iterdir()] == ["My_walk.mp4"]
    assert Capture.load(folder / "capture.json").prompt == Prompt("My_walk_0012s400.jpg", box=(1, 2, 30, 40))
    server.wait(answer.json()["job"]["id"])


def test_stages_that_want_a_gpu_go_to_its_worker(scaled: Server) -> None:
    object_id, job_id = scaled.onboard(profile="full")
    job = scaled.wait(job_id)
    assert (job["status"], job["queue"]) == ("succeeded", "gpu")
    assert [(stage["status"], stage["attempts"]) for stage in job["stages"]] == [("succeeded", 1)] * 3
    logs = {path.name for path in (scaled.object_dir(object_id) / "logs").iterdir()}
    assert logs == {"sfm.log", "scale.log", "surface.log"}, "of both workers"


def test_a_job_that_wants_a_gpu_where_none_is_served_says_so(embedded: Server) -> None:
    _, job_id = embedded.onboard(profile="full")
    job = _waiting(embedded, job_id)
    assert [stage["status"] for stage in job["stages"]] == ["succeeded", "succeeded", "pending"]
    assert "python -m workers gpu" in job["waiting_for"]
    assert embedded.client.post(f"/jobs/{job_id}/cancel").json()["status"] == "canceled"


def _waiting(server: Server, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        job: dict[str, Any] = server.client.get(f"/jobs/{job_id}", params={"wait": 1}).json()
        if job["waiting_for"]:
            return job
        assert time.monotonic() < deadline, job


def test_a_failure_says_what_to_do_and_can_be_resumed(server: Server) -> None:
    object_id, job_id = server.onboard("fail")
    job = server.wait(job_id)
    assert job["status"] == "failed"
    assert job["error"]["code"] == "capture-failed"
    assert "overlap" in job["error"]["try_next"]
    assert server.client.get(f"/objects/{object_id}").json()["state"] == "failed"
    shown = f"/v1/objects/{object_id}/artifacts/live/sfm/shown.json"
    seen = server.client.get(shown)
    assert seen.json()["steps"] == 3, "what the stage showed until it failed"
    assert seen.headers["content-type"] == "application/json"
    assert server.client.get(shown, headers={"If-None-Match": seen.headers["etag"]}).status_code == 304
    server.rename(object_id, "object")
    assert server.client.post(f"/jobs/{job_id}/resume").status_code == 202
    assert server.wait(job_id)["status"] == "succeeded"
    assert server.client.get(shown).status_code == 404


def test_a_weak_capture_goes_on_and_its_warnings_reach_job_and_object(server: Server) -> None:
    object_id, job_id = server.onboard("weak", count=6)
    job = server.wait(job_id)
    assert job["status"] == "succeeded"
    told = [(warning["code"], warning["photo"]) for warning in job["warnings"]]
    assert sorted(told) == [("photos-blurry", "00"), ("photos-not-registered", "05")]
    assert server.client.get(f"/v1/objects/{object_id}").json()["warnings"] == job["warnings"]
    assert next(o for o in server.client.get("/v1/objects").json() if o["id"] == object_id)["warnings"] == job["warnings"]
    report = server.client.get(f"/v1/objects/{object_id}/artifacts/report.json").json()
    assert report["warnings"] == job["warnings"]
    shown = CliRunner().invoke(app, ["status", "--url", str(server.client.base_url)]).output
    assert all(f"{job_id}: {warning['message']}" in shown for warning in job["warnings"])
    images = {image["photo"]: image for image in server.client.get(f"/v1/objects/{object_id}/images").json()}
    assert list(images) == [f"{n:02}" for n in range(6)]
    assert images["05"]["verdict"] == "not registered"
    assert images["05"]["number"] == 0
    assert "25% of the sharpness that is usual" in images["00"]["message"]


def test_every_photo_has_a_verdict_from_the_start_and_after_a_failure(server: Server) -> None:
    object_id, job_id = server.onboard("fail", count=6)
    early = server.client.get(f"/v1/objects/{object_id}/images").json()
    assert {image["verdict"] for image in early} <= {"pending", "blurry", "not registered"}
    server.wait(job_id)
    late = {image["photo"]: image["verdict"] for image in server.client.get(f"/v1/objects/{object_id}/images").json()}
    assert late == {**dict.fromkeys(late, "pending"), "05": "not registered"}
    assert server.client.get("/v1/objects/obj_0/images").status_code == 404


def test_a_running_job_is_canceled_within_seconds(server: Server) -> None:
    object_id, job_id = server.onboard("slow")
    server.wait(job_id, "running")
    assert server.client.delete(f"/objects/{object_id}").status_code == 409
    started = time.monotonic()
    assert server.client.post(f"/jobs/{job_id}/cancel").status_code == 202
    assert server.wait(job_id)["status"] == "canceled"
    assert time.monotonic() - started < 10
    assert server.client.post(f"/jobs/{job_id}/cancel").json()["type"] == "/problems/conflict"
    assert server.client.delete(f"/objects/{object_id}").status_code == 204
    assert server.left_behind(object_id) == []


def test_a_killed_worker_loses_nothing(server: Server) -> None:
    object_id, job_id = server.onboard("slow")
    server.wait(job_id, "running")
    server.worker("cpu").kill()
    server.rename(object_id, "object")
    job = server.wait(job_id, timeout_s=30)
    assert job["status"] == "succeeded"
    assert job["stages"][0]["attempts"] == 2


def test_long_polling_answers_at_once_when_something_changes(server: Server) -> None:
    _, job_id = server.onboard()
    started = time.monotonic()
    while server.client.get(f"/jobs/{job_id}", params={"wait": 30}).json()["status"] != "succeeded":
        pass
    assert time.monotonic() - started < 15
    assert job_id in [job["id"] for job in server.client.get("/jobs").json()]


def test_a_stopped_service_goes_on_where_it_was(tmp_path: Path) -> None:
    first = start_server(tmp_path / ("long-name-" * 12))  # also: a data folder whose path is too long for a socket
    family = psutil.Process(first.process.pid).children(recursive=True)
    object_id, job_id = first.onboard("slow")
    first.wait(job_id, "running")
    assert first.stop() == 0
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family)
    first.rename(object_id, "object")
    second = start_server(first.data)
    try:
        assert second.wait(job_id)["status"] == "succeeded"
        family = psutil.Process(second.process.pid).children(recursive=True)
        os.kill(second.process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 15
        while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family):
            assert time.monotonic() < deadline, "children outlived their server"
            time.sleep(0.1)
    finally:
        second.process.kill()


def test_many_at_once_each_get_their_own(server: Server) -> None:
    made: list[tuple[str, str]] = []
    threads = [threading.Thread(target=lambda: made.append(server.onboard())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({object_id for object_id, _ in made}) == 4
    jobs: list[dict[str, Any]] = [server.wait(job_id) for _, job_id in made]
    assert [job["status"] for job in jobs] == ["succeeded"] * 4
