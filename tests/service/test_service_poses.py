"""POST /estimate on the running service."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from served import Server
from uploads_made import options, photo

from surfemb.bop.results import read_results


def ask(server: Server, image: bytes | None = None, headers: dict[str, str] | None = None, **values: Any) -> httpx.Response:
    return server.client.post("/estimate", files={"image": ("x.jpg", image or photo(1))}, data=options(**values), headers=headers)


def test_a_pose_is_answered(server: Server, ready_object: str) -> None:
    answer = ask(server, object_ids=[ready_object], K=[60, 60, 32, 24], boxes=[[5, 6, 40, 30]])
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert (document["frame"], document["units"], document["K_source"]) == ("opencv", "m", "given")
    assert document["networks"] == "final"
    assert document["scale"] == {"source": "board", "rel_std": 0.004}
    assert document["K"] == [60, 0, 32, 0, 60, 24, 0, 0, 1]
    (pose,) = document["poses"]
    assert pose["object_id"] == ready_object
    assert pose["R"] == pytest.approx([0, -1, 0, 1, 0, 0, 0, 0, 1])
    assert pose["t"] == [0.1, 0.2, 0.5]
    assert pose["quat_xyzw"] == pytest.approx([0, 0, 0.5**0.5, 0.5**0.5])
    assert pose["bbox_xywh"] == [5, 6, 35, 24]


def test_an_object_answers_while_it_is_still_trained(server: Server) -> None:
    object_id, job_id = server.onboard("trains")

    def begun() -> list[str]:
        return [row["name"] for row in server.client.get(f"/v1/jobs/{job_id}").json()["stages"] if row["status"] == "succeeded"]

    assert ask(server, object_ids=[object_id], K=[60, 60, 32, 24]).status_code == 409 or "scale" in begun()
    deadline = time.monotonic() + 30
    while "scale" not in begun():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    answer = ask(server, object_ids=[object_id], K=[60, 60, 32, 24])
    assert answer.status_code == 200, answer.text
    assert answer.json()["networks"] == "early"
    assert [pose["symmetry"] for pose in answer.json()["poses"]] == ["unknown"]
    assert server.client.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    server.wait(job_id)
    assert ask(server, object_ids=[object_id], K=[60, 60, 32, 24]).status_code == 409


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


def test_not_found_is_an_empty_list(server: Server, ready: Callable[[str], str]) -> None:
    answer = ask(server, object_ids=[ready("hidden")], K=[60, 60, 32, 24])
    assert (answer.status_code, answer.json()["poses"]) == (200, [])
    assert ask(server, object_ids=[ready("object")], boxes=[]).json()["poses"] == []


def test_the_outline_is_decoded_by_what_others_use(server: Server, ready_object: str) -> None:
    (pose,) = ask(server, object_ids=[ready_object], K=[60, 60, 32, 24], boxes=[[5, 6, 40, 30]]).json()["poses"]
    assert pose["mask_rle"]["size"] == [48, 64]
    outline = np.zeros((48, 64), bool)
    outline[6:31, 5:41] = True
    assert np.array_equal(coco.decode(pose["mask_rle"]), outline)


def test_outline_and_box_are_those_in_the_image_that_was_sent(server: Server, ready_object: str) -> None:
    plain, bent = (
        ask(server, object_ids=[ready_object], K=[60, 60, 32, 24], boxes=[[5, 6, 40, 30]], dist=dist).json()["poses"][0]
        for dist in ([0, 0, 0, 0], [0.3, 0.0, 0.0, 0.0])
    )
    masks = [coco.decode(pose["mask_rle"]).astype(bool) for pose in (plain, bent)]
    assert bent["bbox_xywh"] == pytest.approx([5, 6, 35, 24], abs=1.5), "the box that was asked about, not where a straight lens shows it"
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.9


@pytest.mark.parametrize(("name", "kind"), [("object", "none"), ("box", "discrete"), ("bottle", "continuous")])
def test_an_answer_says_of_symmetries_and_of_what_ran(server: Server, ready: Callable[[str], str], name: str, kind: str) -> None:
    document = ask(server, object_ids=[ready(name)], K=[60, 60, 32, 24]).json()
    assert document["poses"][0]["symmetry"] == kind
    assert (document["backend"], document["device"]) == ("stand-in", "cpu")


def test_two_objects_and_two_boxes_in_one_question(server: Server, ready: Callable[[str], str]) -> None:
    both = [ready("object"), ready("box")]
    document = ask(server, object_ids=both, K=[60, 60, 32, 24], boxes=[[5, 6, 40, 30], [20, 6, 50, 30]]).json()
    assert sorted((p["object_id"], p["bbox_xywh"][0]) for p in document["poses"]) == sorted((o, x) for o in both for x in (5.0, 20.0))
    assert document["scale"] == {"source": "board", "rel_std": 0.004}


def test_unknown_scale_is_said_and_has_no_millimetres(server: Server, ready: Callable[[str], str]) -> None:
    asked = {"object_ids": [ready("unscaled"), ready("object")], "K": [60, 60, 32, 24]}
    document = ask(server, **asked).json()
    assert (document["units"], document["scale"]) == ("object", None)
    answer = ask(server, headers={"Accept": "text/csv"}, **asked)
    assert (answer.status_code, answer.json()["type"]) == (406, "/problems/not-acceptable")


@pytest.mark.parametrize("accept", ["text/csv", "application/json;q=0.5, text/csv"])
def test_bop_rows_are_read_back(server: Server, ready: Callable[[str], str], tmp_path: Path, accept: str) -> None:
    asked = {"object_ids": [ready("object"), ready("box")], "K": [60, 60, 32, 24], "boxes": [[5, 6, 40, 30]]}
    rows = tmp_path / "rows.csv"
    answer = ask(server, headers={"Accept": accept}, bop={"scene_id": 48, "im_id": 7, "obj_ids": [12, 5]}, **asked)
    assert answer.headers["content-type"].startswith("text/csv")
    rows.write_text(answer.text)
    found = read_results(rows)
    assert [(row.scene_id, row.image_id, row.obj_id, row.score) for row in found] == [(48, 7, 12, 0.9), (48, 7, 5, 0.9)]
    assert found[0].cam_from_obj.translation == pytest.approx([0.1, 0.2, 0.5])
    assert found[0].cam_from_obj.rotation.ravel() == pytest.approx([0, -1, 0, 1, 0, 0, 0, 0, 1], abs=1e-9)
    assert found[0].seconds > 0
    rows.write_text(ask(server, headers={"Accept": accept}, **asked).text)
    assert [(row.scene_id, row.image_id, row.obj_id) for row in read_results(rows)] == [(0, 0, 1), (0, 0, 2)]


@pytest.mark.parametrize("accept", ["*/*", "text/csv;q=0.1, application/json", "text/html", "text/csv;q=x"])
def test_json_is_the_default(server: Server, ready_object: str, accept: str) -> None:
    assert ask(server, headers={"Accept": accept}, object_ids=[ready_object]).json()["frame"] == "opencv"


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
        ({"object_ids": ["{ready}"], "boxes": [[5, 6, 40, 30]] * 51}, 422, "bad-input"),
        ({"object_ids": ["{ready}", "{ready}"]}, 422, "bad-input"),
        ({"object_ids": ["{ready}"], "bop": {"obj_ids": [1, 2]}}, 422, "bad-input"),
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


def test_a_print_is_held_against_depth_by_an_exact_camera_only(server: Server, ready_object: str) -> None:
    depth = io.BytesIO()
    Image.fromarray(np.full((48, 64), 700, np.uint16)).save(depth, "PNG")
    told = {}
    for name, given in (("given", {"K": [60, 60, 32, 24]}), ("guessed", {})):
        files = {"image": ("x.jpg", photo(1)), "depth": ("d.png", depth.getvalue())}
        (pose,) = server.client.post("/estimate", files=files, data=options(object_ids=[ready_object], **given)).json()["poses"]
        told[name] = pose["depth_factor"]
    assert told == {"given": 1.02, "guessed": 1.0}
    (pose,) = ask(server, object_ids=[ready_object], K=[60, 60, 32, 24]).json()["poses"]
    assert pose["depth_factor"] is None


def test_an_object_in_the_making_is_not_ready(server: Server) -> None:
    object_id, job_id = server.onboard("slow")
    answer = ask(server, object_ids=[object_id])
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-ready")
    assert job_id in answer.json()["detail"]
    server.client.post(f"/jobs/{job_id}/cancel")
    server.wait(job_id)
