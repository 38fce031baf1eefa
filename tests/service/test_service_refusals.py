"""Hostile and broken input: a problem that says what to do, nothing left behind, nobody else harmed."""

from __future__ import annotations

import http.client
import io
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from served import Server
from uploads_made import options, photo, zipped


@pytest.fixture
def server(embedded: Server) -> Server:
    """What is refused is refused before the storage is asked: one deployment speaks for all."""
    return embedded


def post(server: Server, *files: tuple[str, bytes], field: str = "photos", **values: Any) -> httpx.Response:
    return server.client.post("/objects", files=[(field, (name, content)) for name, content in files], data=options(**values))


def bomb() -> bytes:
    """A few kilobytes that decode to 100 million pixels."""
    out = io.BytesIO()
    Image.fromarray(np.zeros((10000, 10000), bool)).save(out, "PNG")
    return out.getvalue()


def nested() -> bytes:
    return zipped({"a.zip": zipped({"b.jpg": photo()})})


def encrypted() -> bytes:
    content = bytearray(zipped({"a.jpg": photo()}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    return bytes(content)


VIDEO = b"\0\0\0\x18ftypmp42" + bytes(12)
CASES: dict[str, tuple[Callable[[Server], httpx.Response], int, str]] = {
    "no photos": (lambda s: post(s, ("x.jpg", photo()), field="masks"), 422, "bad-input"),
    "garbage": (lambda s: post(s, ("x.jpg", b"not an image")), 415, "unsupported-media-type"),
    "empty file": (lambda s: post(s, ("x.jpg", b"")), 415, "unsupported-media-type"),
    "truncated": (lambda s: post(s, ("x.jpg", photo(1, 200, 200)[:3000])), 422, "bad-image"),
    "svg": (lambda s: post(s, ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")), 415, "unsupported-media-type"),
    "too many pixels": (lambda s: post(s, ("x.png", bomb())), 413, "too-large"),
    "a large file": (lambda s: post(s, ("x.jpg", bytes(300_000))), 413, "too-large"),
    "too much": (lambda s: post(s, *[(f"{n}.jpg", bytes(199_000)) for n in range(9)]), 413, "too-large"),
    "too many": (lambda s: post(s, *[(f"{n}.jpg", photo(n)) for n in range(13)]), 413, "too-large"),
    "two videos": (lambda s: post(s, ("a.mp4", VIDEO), ("b.mov", VIDEO)), 422, "bad-input"),
    "a large video": (lambda s: post(s, ("a.mp4", VIDEO + bytes(500_000))), 413, "too-large"),
    "box on no frame": (lambda s: post(s, ("a.mp4", VIDEO), box={"photo": "a_12s", "box": [1, 2, 3, 4]}), 422, "bad-input"),
    "two of a name": (lambda s: post(s, ("a/x.jpg", photo()), ("b/x.png", photo(kind="PNG"))), 422, "bad-image"),
    "box on no photo": (lambda s: post(s, ("x.jpg", photo()), box={"photo": "y", "box": [1, 2, 3, 4]}), 422, "bad-input"),
    "box and point": (
        lambda s: post(s, ("x.jpg", photo()), box={"photo": "x", "box": [1, 2, 3, 4]}, point={"photo": "x", "point": [1, 2]}),
        422,
        "bad-input",
    ),
    "unknown profile": (lambda s: post(s, ("x.jpg", photo()), profile="best"), 422, "bad-input"),
    "a board without tags": (lambda s: post(s, ("x.jpg", photo()), board={}), 422, "bad-input"),
    "unknown option": (lambda s: post(s, ("x.jpg", photo()), colour="red"), 422, "bad-input"),
    "stray mask": (
        lambda s: s.client.post("/objects", files=[("photos", ("x.jpg", photo())), ("masks", ("y.png", photo(kind="PNG")))]),
        422,
        "bad-input",
    ),
    "options no JSON": (lambda s: s.client.post("/objects", files={"photos": ("x.jpg", photo())}, data={"options": "{"}), 422, "bad-input"),
    "long options": (
        lambda s: s.client.post("/objects", files={"photos": ("x.jpg", photo())}, data={"options": "x" * 990_000 * 2}),
        413,
        "too-large",
    ),
    "not a form": (lambda s: s.client.post("/objects", content=b"{}"), 415, "unsupported-media-type"),
    "broken form": (
        lambda s: s.client.post("/objects", content=b"--x\r\nnonsense", headers={"content-type": "multipart/form-data; boundary=x"}),
        422,
        "bad-input",
    ),
    "form cut short": (
        lambda s: s.client.post(
            "/objects",
            content=b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\nabc',
            headers={"content-type": "multipart/form-data; boundary=x"},
        ),
        422,
        "bad-input",
    ),
    "zip with a link": (lambda s: post(s, ("x.zip", zipped({"a.jpg": photo()}, link="b.jpg"))), 422, "bad-input"),
    "zip in a zip": (lambda s: post(s, ("x.zip", nested())), 422, "bad-input"),
    "zip bomb": (lambda s: post(s, ("x.zip", zipped({"a.jpg": bytes(900_000)}))), 422, "bad-input"),
    "zip with a password": (lambda s: post(s, ("x.zip", encrypted())), 422, "bad-input"),
    "zip cut short": (lambda s: post(s, ("x.zip", zipped({"a.jpg": photo()})[:200])), 422, "bad-input"),
    "zip of texts": (lambda s: post(s, ("x.zip", zipped({"a.txt": b"hello"}))), 415, "unsupported-media-type"),
    "empty zip": (lambda s: post(s, ("x.zip", zipped({}))), 415, "unsupported-media-type"),
    "no such object": (lambda s: s.client.get("/objects/obj_x"), 404, "not-found"),
    "no such job": (lambda s: s.client.get("/v1/jobs/job_x"), 404, "not-found"),
    "no such page": (lambda s: s.client.get("/nowhere"), 404, "not-found"),
    "wrong method": (lambda s: s.client.put("/objects"), 405, "method-not-allowed"),
    "bad wait": (lambda s: s.client.get("/jobs/job_x", params={"wait": "soon"}), 422, "bad-input"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_problem_says_what_to_do(server: Server, case: str) -> None:
    send, status, kind = CASES[case]
    answer = send(server)
    assert (answer.status_code, answer.json().get("type")) == (status, f"/problems/{kind}"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"title", "status", "detail"} <= set(answer.json())
    assert ":" in answer.json()["detail"]


def test_refused_uploads_leave_nothing_behind(embedded: Server) -> None:
    before = {path.name for path in (embedded.data / "objects").iterdir()}
    for name in ("garbage", "too much", "form cut short", "zip bomb", "two of a name"):
        CASES[name][0](embedded)
    assert {path.name for path in (embedded.data / "objects").iterdir()} == before
    assert not list((embedded.data / "incoming").iterdir())


@pytest.mark.parametrize(
    "name", ["../capture/capture.json", "..%2F..%2Fsnap6d.sqlite", "capture/capture.json", "/etc/passwd", "logs/../mesh.ply"]
)
def test_artifacts_are_those_listed_and_no_others(server: Server, ready_object: str, name: str) -> None:
    connection = http.client.HTTPConnection(server.client.base_url.host, server.client.base_url.port, timeout=10)
    connection.request("GET", f"/v1/objects/{ready_object}/artifacts/{name}")  # as written: httpx would tidy the path
    assert connection.getresponse().status == 404


def test_names_from_a_zip_stay_inside(server: Server) -> None:
    answer = post(server, ("x.zip", zipped({"../../evil.jpg": photo(1), "C:\\temp\\b.jpg": photo(2), "фото 1.jpg": photo(3)})))
    assert answer.status_code == 202, answer.text
    photos = server.object_dir(answer.json()["id"]) / "capture" / "photos"
    assert sorted(path.name for path in photos.iterdir()) == ["b.jpg", "evil.jpg", "фото_1.jpg"]
    server.wait(answer.json()["job"]["id"])


def test_health_info_and_document(server: Server) -> None:
    assert server.client.get("/healthz").json() == {"status": "ok"}
    assert all(server.client.get("/readyz").json()["checks"].values())
    info = server.client.get("/info").json()
    assert info["stages"] == ["sfm", "scale", "surface"]
    assert info["answers_after"] == ["scale"]
    assert info["limits"]["max_photos"] == 12
    document = server.client.get("/openapi.json").json()
    expected = {"/v1/objects", "/v1/objects/{object_id}", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/cancel", "/v1/estimate", "/readyz"}
    assert expected <= set(document["paths"])
    assert "/objects" not in document["paths"]
    responses = document["paths"]["/v1/estimate"]["post"]["responses"]
    assert responses["default"]["content"].keys() == {"application/problem+json"}
    json.dumps(document)


def test_a_database_that_another_holds_is_said_and_over_one_day(server: Server) -> None:
    _, at_work = server.onboard("slow")
    server.wait(at_work, "running")
    with server.database.write():
        refused = post(server, ("a.jpg", photo()))
        time.sleep(3)  # the job's worker has given up by then, too
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/storage-unreachable"), refused.text
    assert refused.headers["Retry-After"] == "5"
    assert post(server, ("a.jpg", photo())).status_code == 202
    done = server.wait(at_work, timeout_s=60)
    assert (done["status"], done["error"]) == ("succeeded", None)
    assert {stage["status"] for stage in done["stages"]} <= {"succeeded", "skipped"}
