"""Objects made step by step: a draft, photo by photo, trained, changed, trained again."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from effort import trials
from served import Server
from uploads_made import options, photo


def draft(server: Server, name: str = "object", **more: object) -> str:
    answer = server.client.post("/v1/objects", json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/objects/{answer.json()['id']}"
    return str(answer.json()["id"])


def put(server: Server, object_id: str, name: str, content: bytes, digest: bytes | None = None, kind: str = "photos") -> httpx.Response:
    wanted = base64.b64encode(digest or hashlib.sha256(content).digest()).decode()
    headers = {"Content-Digest": f"sha-256=:{wanted}:"}
    return server.client.put(f"/v1/objects/{object_id}/images/{name}", content=content, headers=headers, params={"kind": kind})


def train(server: Server, object_id: str, **wish: str) -> dict[str, object]:
    answer = server.client.post(f"/v1/objects/{object_id}/train", json=wish)
    assert answer.status_code == 202, answer.text
    return server.wait(answer.json()["job"]["id"])


def test_photos_come_one_by_one_and_every_byte_is_there(server: Server) -> None:
    object_id = draft(server)
    sent = {f"{n}.jpg": photo(n, gps=n == 1) for n in range(3)}
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda item: put(server, object_id, *item), sent.items()))
    assert [answer.status_code for answer in answers] == [201] * 3
    assert put(server, object_id, "0.jpg", sent["0.jpg"]).status_code == 200
    images = {image["photo"]: image for image in server.client.get(f"/v1/objects/{object_id}/images").json()}
    assert {name: image["sent_sha256"] for name, image in images.items()} == {
        name.removesuffix(".jpg"): hashlib.sha256(content).hexdigest() for name, content in sent.items()
    }
    assert train(server, object_id)["status"] == "succeeded"
    for name, image in images.items():
        kept = server.client.get(f"/v1/objects/{object_id}/artifacts/capture/photos/{name}.jpg").content
        assert hashlib.sha256(kept).hexdigest() == image["sha256"]


def test_what_arrives_damaged_is_refused_and_what_was_there_stays(server: Server) -> None:
    object_id = draft(server)
    assert put(server, object_id, "a.jpg", photo(1)).status_code == 201
    damaged = put(server, object_id, "a.jpg", photo(2), digest=hashlib.sha256(photo(3)).digest())
    assert (damaged.status_code, damaged.json()["type"]) == (400, "/problems/digest-mismatch")
    assert put(server, object_id, "a.jpg", b"no image").status_code == 415
    (image,) = server.client.get(f"/v1/objects/{object_id}/images").json()
    assert image["sent_sha256"] == hashlib.sha256(photo(1)).hexdigest()


def test_a_photo_sent_anew_takes_the_place_of_the_first(server: Server) -> None:
    object_id = draft(server)
    put(server, object_id, "a.jpg", photo(1))
    put(server, object_id, "b.jpg", photo(2))
    assert put(server, object_id, "a.png", photo(3, kind="PNG")).status_code == 200
    train(server, object_id)
    names = {artifact["name"] for artifact in server.client.get(f"/v1/objects/{object_id}/artifacts").json()}
    assert {name for name in names if name.startswith("capture/")} == {"capture/photos/a.png", "capture/photos/b.jpg"}
    assert len(server.storage.listing(object_id, ["images/*"])) == 2


def test_a_draft_without_photos_is_told_so_and_stays(server: Server) -> None:
    object_id = draft(server)
    answer = server.client.post(f"/v1/objects/{object_id}/train")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/bad-input")
    assert server.client.get(f"/v1/objects/{object_id}").json()["state"] == "draft"
    assert server.client.get("/v1/jobs", params={"object_id": object_id}).json() == []


def test_a_stage_and_those_after_it_run_again_when_asked(server: Server) -> None:
    object_id = draft(server)
    put(server, object_id, "a.jpg", photo(1))

    def statuses(**wish: str) -> list[str]:
        return [stage["status"] for stage in train(server, object_id, **wish)["stages"]]  # type: ignore[attr-defined]

    assert statuses() == ["succeeded"] * 3
    assert statuses() == ["skipped"] * 3
    assert statuses(from_stage="scale") == ["skipped", "succeeded", "succeeded"]
    put(server, object_id, "b.jpg", photo(2))
    assert statuses()[0] == "succeeded"
    unknown = server.client.post(f"/v1/objects/{object_id}/train", json={"from_stage": "sculpting"})
    assert unknown.status_code == 422
    assert "name one of sfm, scale, surface" in unknown.json()["detail"]


def test_nothing_changes_under_a_running_job(server: Server) -> None:
    object_id, job_id = server.onboard("slow")
    assert put(server, object_id, "late.jpg", photo(9)).status_code == 409
    assert server.client.post(f"/v1/objects/{object_id}/train").status_code == 409
    assert server.client.patch(f"/v1/objects/{object_id}", json={"name": "other"}).status_code == 409
    server.client.post(f"/v1/jobs/{job_id}/cancel")
    server.wait(job_id)
    assert put(server, object_id, "late.jpg", photo(9)).status_code == 201


def test_a_change_counts_only_for_those_who_saw_what_it_changes(server: Server) -> None:
    object_id = draft(server, profile="preview")
    seen = server.client.get(f"/v1/objects/{object_id}").headers["etag"]
    assert server.client.get(f"/v1/objects/{object_id}", headers={"If-None-Match": seen}).status_code == 304
    change = {"name": "cup", "options": {"tags": {"side_m": 0.05}, "profile": None}}
    changed = server.client.patch(f"/v1/objects/{object_id}", json=change, headers={"If-Match": seen})
    assert (changed.status_code, changed.json()["options"]) == (200, {"name": "cup", "tags": {"side_m": 0.05}})
    late = server.client.patch(f"/v1/objects/{object_id}", json={"name": "mug"}, headers={"If-Match": seen})
    assert (late.status_code, late.json()["type"]) == (412, "/problems/changed")
    assert server.client.get(f"/v1/objects/{object_id}", headers={"If-None-Match": seen}).status_code == 200
    wrong = server.client.patch(f"/v1/objects/{object_id}", json={"options": {"tags": {"side_m": -1}}})
    assert (wrong.status_code, wrong.json()["type"]) == (422, "/problems/bad-input")


def test_changes_while_photos_come_are_all_kept(server: Server) -> None:
    object_id = draft(server)
    wishes = {"tags": {"side_m": 0.05}, "profile": "preview", "shared_camera": False, "point": {"photo": "1.jpg", "point": [3.0, 4.0]}}

    def send(k: int) -> int:
        if k % 2:
            return put(server, object_id, f"{k}.jpg", photo(k)).status_code
        name, value = list(wishes.items())[k // 2]
        return server.client.patch(f"/v1/objects/{object_id}", json={"options": {name: value}}).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert answers == 4 * [200, 201]
    found = server.client.get(f"/v1/objects/{object_id}").json()
    assert found["photos"] == 4
    assert set(found["options"]) >= set(wishes)


def test_lists_go_on_after_the_last_one_seen(server: Server) -> None:
    made = [draft(server) for _ in range(3)][::-1]
    first = [found["id"] for found in server.client.get("/v1/objects", params={"limit": 2}).json()]
    rest = [found["id"] for found in server.client.get("/v1/objects", params={"before": first[-1]}).json()]
    assert first + rest[:1] == made


@pytest.mark.parametrize("key", [f"K{number}" for number in range(trials(1, 20))])
def test_the_same_key_many_times_at_once_makes_one_job(server: Server, key: str) -> None:
    def send(_: int) -> httpx.Response:
        files = [("photos", ("a.jpg", photo(4), "image/jpeg"))]
        return httpx.post(
            f"{server.client.base_url}/v1/objects",
            files=files,
            data=options(name=f"once {key}"),
            headers={"Idempotency-Key": key},
            timeout=60,
        )

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(50)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    done = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.json()["job"]["id"] for answer in done}) == 1
    again = send(0)
    assert again.json() == done[0].json()
    assert again.headers["location"] == done[0].headers["location"]
    assert [found["name"] for found in server.client.get("/v1/objects").json()].count(f"once {key}") == 1
    other = server.client.post("/v1/objects", json={"name": "another"}, headers={"Idempotency-Key": key})
    assert other.status_code == 422


def test_a_key_whose_request_failed_may_be_used_again(server: Server) -> None:
    headers = {"Idempotency-Key": "try"}
    assert server.client.post("/v1/objects", json={"name": "x", "profile": "none"}, headers=headers).status_code == 422
    object_id = draft(server)
    assert server.client.post(f"/v1/objects/{object_id}/train", headers=headers).status_code == 422
    put(server, object_id, "a.jpg", photo(1))
    first = server.client.post(f"/v1/objects/{object_id}/train", headers=headers)
    assert first.status_code == 202
    server.wait(first.json()["job"]["id"])
    assert server.client.post(f"/v1/objects/{object_id}/train", headers=headers).json() == first.json()
    assert len(server.client.get("/v1/jobs", params={"object_id": object_id}).json()) == 1


def test_how_long_it_takes_is_said_before_it_is_started(server: Server) -> None:
    object_id = draft(server)
    path = f"/v1/objects/{object_id}/forecast"
    assert server.client.get(path).json()["type"] == "/problems/bad-input"
    put(server, object_id, "a.jpg", photo(1))
    forecasts = server.client.get(path).json()
    assert set(forecasts) == {"preview", "standard", "full"}
    started = server.client.post(f"/v1/objects/{object_id}/train", json={"profile": "preview"}).json()["job"]
    assert started["estimate"] == forecasts["preview"]
    assert forecasts["preview"]["seconds"] > 0
    assert forecasts["full"] is None
    server.wait(started["id"])


def test_a_second_video_is_refused_and_the_first_one_replaced_by_its_name(server: Server) -> None:
    object_id = draft(server)
    video = b"\0\0\0\x18ftypmp42" + bytes(100)
    assert put(server, object_id, "walk.mp4", video, kind="video").status_code == 201
    other = put(server, object_id, "other.mp4", video, kind="video")
    assert (other.status_code, other.json()["what"]) == (413, "the object has a video already")
    assert put(server, object_id, "walk.mp4", video + b"\0", kind="video").status_code == 200
