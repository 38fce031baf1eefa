"""POST /estimate on the running service."""

from __future__ import annotations

import concurrent.futures
import time
from typing import Any

import httpx
import pytest
from conftest import Server
from uploads_made import options, photo


def ask(server: Server, image: bytes | None = None, **values: Any) -> httpx.Response:
    return server.client.post("/estimate", files={"image": ("x.jpg", image or photo(1))}, data=options(**values))


def test_a_pose_is_answered(server: Server, ready_object: str) -> None:
    answer = ask(server, object_ids=[ready_object], K=[60, 60, 32, 24], boxes=[[5, 6, 40, 30]])
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert (document["frame"], document["units"], document["K_source"]) == ("opencv", "m", "given")
    assert document["scale"] == {"source": "board", "rel_std": 0.004}
    assert document["K"] == [60, 0, 32, 0, 60, 24, 0, 0, 1]
    (pose,) = document["poses"]
    assert pose["object_id"] == ready_object
    assert pose["R"] == pytest.approx([0, -1, 0, 1, 0, 0, 0, 0, 1])
    assert pose["t"] == [0.1, 0.2, 0.5]
    assert pose["quat_xyzw"] == pytest.approx([0, 0, 0.5**0.5, 0.5**0.5])
    assert pose["bbox_xywh"] == [5, 6, 35, 24]


def test_nothing_is_kept_of_an_image(server: Server, ready_object: str) -> None:
    assert ask(server, object_ids=[ready_object], K=[60, 60, 32, 24]).status_code == 200
    deadline = time.monotonic() + 10
    while left := server.lent():
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_the_focal_length_comes_from_exif_or_a_guess(server: Server, ready_object: str) -> None:
    with_exif = ask(server, photo(1, focal_mm=26), object_ids=[ready_object]).json()
    assert with_exif["K_source"] == "exif"
    assert with_exif["poses"][0]["score"] == pytest.approx(0.9 * 0.9), "a little less sure than with K"
    assert with_exif["K"][0] == pytest.approx(26 * 80 / 43.27)
    guessed = ask(server, object_ids=[ready_object]).json()
    assert guessed["K_source"] == "guessed"
    assert guessed["poses"][0]["score"] == pytest.approx(0.5 * 0.9)


def test_not_found_is_an_empty_list(server: Server) -> None:
    object_id, job_id = server.onboard("hidden")
    server.wait(job_id)
    answer = ask(server, object_ids=[object_id], K=[60, 60, 32, 24])
    assert (answer.status_code, answer.json()["poses"]) == (200, [])


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"object_ids": ["obj_none"]}, 404, "not-found"),
        ({"object_ids": []}, 422, "bad-input"),
        ({"object_ids": ["{ready}"], "K": [1, 2, 3]}, 422, "bad-input"),
        ({"object_ids": ["{ready}"], "K": [-60, 60, 32, 24]}, 422, "bad-input"),
        ({"object_ids": ["{ready}"], "K": [60, 60, 3200, 24]}, 422, "bad-input"),
        ({"object_ids": ["{ready}"], "K": [0.004, 0.004, 32, 24]}, 422, "bad-input"),
        ({"object_ids": ["{ready}"], "boxes": [[500, 500, 600, 600]]}, 422, "bad-input"),
        ({"object_ids": ["{ready}"], "boxes": [[30, 5, 10, 20]]}, 422, "bad-input"),
        ({"object_ids": ["{ready}"], "unknown": 1}, 422, "bad-input"),
        ({"object_ids": ["{ready}"], "max_instances": 0}, 422, "bad-input"),
    ],
)
def test_a_wrong_question_is_refused(server: Server, ready_object: str, values: dict[str, Any], status: int, kind: str) -> None:
    values = {**values, "object_ids": [name.replace("{ready}", ready_object) for name in values["object_ids"]]}
    answer = ask(server, **values)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_depth_of_another_size_is_refused(server: Server, ready_object: str) -> None:
    files = {"image": ("x.jpg", photo(1)), "depth": ("d.png", photo(1, 32, 32, kind="PNG"))}
    answer = server.client.post("/estimate", files=files, data=options(object_ids=[ready_object], K=[60, 60, 32, 24]))
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/bad-image")


def test_an_object_in_the_making_is_not_ready(server: Server) -> None:
    object_id, job_id = server.onboard("slow")
    answer = ask(server, object_ids=[object_id])
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-ready")
    assert job_id in answer.json()["detail"]
    server.client.post(f"/jobs/{job_id}/cancel")
    server.wait(job_id)


def test_a_deadline_is_kept_and_a_defect_harms_no_neighbour(server: Server, ready_object: str) -> None:
    late, job_id = server.onboard("late")
    server.wait(job_id)
    broken, job_id = server.onboard("defect-later")
    server.wait(job_id)
    answer = ask(server, object_ids=[late], deadline_ms=300)
    assert (answer.status_code, answer.json()["type"]) == (504, "/problems/deadline-passed")
    assert ask(server, object_ids=[broken]).status_code == 500
    assert ask(server, object_ids=[ready_object], K=[60, 60, 32, 24]).status_code == 200


def test_a_crowd_is_refused_early(server: Server) -> None:
    late, job_id = server.onboard("late")
    server.wait(job_id)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: ask(server, object_ids=[late], K=[60, 60, 32, 24], deadline_ms=1000), range(12)))
    assert {answer.status_code for answer in answers} <= {200, 503, 504}
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert refused[0].json()["type"] == "/problems/busy"
    assert refused[0].headers["retry-after"]
