"""API keys: nobody in without one, and nobody sees what is another tenant's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from bare_client import send_head, status, until
from served import ROOT, Server, start_server
from uploads_made import options, photo


def snap6d(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "workers.command.cli", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


def make_key(data: Path, tenant: str) -> str:
    return snap6d("keys", "make", "--tenant", tenant, "--data", str(data)).stdout.strip()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("locked")
    (data / "ours").write_text(make_key(data, "ours"))
    (data / "theirs").write_text(make_key(data, "theirs"))
    server = start_server(data, SNAP6D_QUOTA_OBJECTS="3", SNAP6D_QUOTA_BYTES="60000")
    server.client.headers["Authorization"] = f"Bearer {(data / 'ours').read_text()}"
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stranger(locked: Server) -> Iterator[httpx.Client]:
    key = (locked.data / "theirs").read_text()
    with httpx.Client(base_url=locked.client.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        yield client


def _ready(server: Server) -> str:
    object_id, job_id = server.onboard()
    assert server.wait(job_id)["status"] == "succeeded"
    return object_id


def test_without_a_key_nothing_is_answered_but_health(locked: Server) -> None:
    with httpx.Client(base_url=locked.client.base_url, timeout=30) as nobody:
        for path, operations in locked.client.get("/openapi.json").json()["paths"].items():
            for method in operations:
                answer = nobody.request(method, path, json={})
                if path in ("/healthz", "/readyz", "/metrics"):
                    assert answer.status_code == 200
                else:
                    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), (method, path)
        wrong = nobody.get("/v1/objects", headers={"Authorization": "Bearer s6d_guess"})
        assert (wrong.status_code, wrong.json()["type"]) == (401, "/problems/unauthorized")


def test_a_foreign_id_is_not_there_whatever_is_asked(locked: Server, stranger: httpx.Client) -> None:
    """Every endpoint with an id in it, as the OpenAPI document lists them: a new one is asked too."""
    object_id, job_id = locked.onboard()
    locked.wait(job_id)
    hook = locked.client.post("/v1/webhooks", json={"url": "https://1.1.1.1/hook"}).json()
    ids = {"object_id": object_id, "job_id": job_id, "webhook_id": hook["id"], "name": "mesh.ply"}
    asked = 0
    for path, operations in locked.client.get("/openapi.json").json()["paths"].items():
        if "{" not in path:
            continue
        for method in operations:
            body = {"content": photo()} if method == "put" else {"json": {}}
            answer = stranger.request(method, path.format(**ids), **body)
            assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found"), (method, path, answer.text)
            asked += 1
    assert asked >= 13
    assert stranger.get("/v1/objects").json() == stranger.get("/v1/jobs").json() == stranger.get("/v1/webhooks").json() == []
    assert stranger.get("/v1/jobs", params={"object_id": object_id}).json() == []
    estimate = stranger.post("/v1/estimate", files={"image": photo()}, data=options(object_ids=[object_id]))
    assert estimate.status_code == 404
    assert locked.client.get(f"/v1/objects/{object_id}").json()["state"] == "ready"


def test_one_tenants_key_of_idempotence_is_not_anothers(locked: Server, stranger: httpx.Client) -> None:
    headers = {"Idempotency-Key": "same"}
    theirs = stranger.post("/v1/objects", json={"name": "theirs"}, headers=headers).json()
    ours = locked.client.post("/v1/objects", json={"name": "ours"}, headers=headers).json()
    assert (theirs["name"], ours["name"]) == ("theirs", "ours")
    assert stranger.delete(f"/v1/objects/{theirs['id']}").status_code == 204
    assert locked.client.delete(f"/v1/objects/{ours['id']}").status_code == 204


def test_a_quota_is_each_tenants_own(locked: Server, stranger: httpx.Client) -> None:
    made = [stranger.post("/v1/objects", json={}).json()["id"] for _ in range(3)]
    third = stranger.post("/v1/objects", json={})
    assert (third.status_code, third.json()["type"]) == (403, "/problems/quota-exceeded")
    large = photo(1, 200, 150)
    assert stranger.put(f"/v1/objects/{made[0]}/images/a.jpg", content=large).status_code == 201
    too_much = [stranger.put(f"/v1/objects/{made[0]}/images/{n}.jpg", content=large).status_code for n in range(5)]
    assert too_much[-1] == 403
    assert stranger.put(f"/v1/objects/{made[0]}/images/a.jpg", content=large).status_code == 200, "nothing is added"
    for object_id in made:
        stranger.delete(f"/v1/objects/{object_id}")
    assert stranger.post("/v1/objects", json={}).status_code == 201


def test_a_full_house_refuses_before_it_reads_and_a_gone_client_frees_its_place(locked: Server, stranger: httpx.Client) -> None:
    ours, theirs = ((locked.data / name).read_text() for name in ("ours", "theirs"))
    url, image, object_id = locked.client.base_url, {"image": ("x.jpg", bytes(5_000_000))}, _ready(locked)
    inside = [send_head(url, theirs) for _ in range(4)]
    assert [status(connection) for connection in inside] == [100] * 4
    with closing(send_head(url, theirs)) as connection:
        assert status(connection) == 429
    too_many = stranger.post("/v1/estimate", files=image)
    assert (too_many.status_code, too_many.json()["type"]) == (429, "/problems/too-many-requests")
    assert int(too_many.headers["retry-after"]) > 0
    inside.append(send_head(url, ours))
    assert status(inside[-1]) == 100, "another caller still finds a place"
    full = locked.client.post("/v1/estimate", files=image)
    assert (full.status_code, full.json()["type"]) == (503, "/problems/busy")
    assert int(full.headers["retry-after"]) > 0
    for connection in inside:
        connection.close()
    question = {"files": {"image": ("x.jpg", photo(1))}, "data": options(object_ids=[object_id], K=[60, 60, 32, 24])}
    until(lambda: locked.client.post("/v1/estimate", **question).status_code == 200, within_s=2.5)  # sooner than a slow upload is given up


def test_a_revoked_key_opens_nothing(locked: Server) -> None:
    key = make_key(locked.data, "guests")
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=locked.client.base_url, headers=headers) as guest:
        assert guest.get("/v1/objects").status_code == 200
        key_id = snap6d("keys", "list", "--data", str(locked.data)).stdout.split()[0]
        assert snap6d("keys", "revoke", key_id, "--data", str(locked.data)).returncode == 0
        assert guest.get("/v1/objects").status_code == 401
    assert snap6d("keys", "revoke", key_id, "--data", str(locked.data)).returncode == 2
    assert key not in "".join(path.read_text(errors="ignore") for path in locked.data.glob("snap6d.sqlite*"))


def test_other_machines_are_let_in_only_with_keys(tmp_path: Path) -> None:
    refused = snap6d("serve", "--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path))
    assert refused.returncode == 2
    assert "snap6d keys make" in refused.stderr
