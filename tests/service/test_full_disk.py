"""A disk that is really full: callers are told, jobs wait, and go on by themselves once there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from served import Server, start_server
from uploads_made import options, photo

MIB = 1 << 20
SMALL = {
    "SNAP6D_MIN_FREE_BYTES": "65536",
    "SNAP6D_RETRY_STORAGE_S": "0.5",
    "SNAP6D_MAX_FILE_BYTES": str(50 * MIB),
    "SNAP6D_MAX_UPLOAD_BYTES": str(50 * MIB),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service whose data folder is a file system of 12 MiB."""
    folder = tmp_path_factory.mktemp("disk")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("no file system may be mounted here")
    try:
        server = start_server(folder, **SMALL)
        yield server
        server.stop()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(data: Path, leave: int = 0) -> Path:
    """Takes what is left of the disk, but for so many bytes."""
    path = data / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(64 * 1024)):
                pass
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))
    return path


def noise(size: int) -> bytes:
    return np.random.default_rng(0).bytes(size)


def test_an_upload_that_does_not_fit_is_refused_and_leaves_nothing(small: Server) -> None:
    for content in ({"files": {"photos": ("a.jpg", noise(20 * MIB))}}, {"content": in_chunks(20 * MIB), "headers": FORM}):
        answer = small.client.post("/objects", **content)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["type"]) == (507, "/problems/storage-failed"), answer.text
        assert not list((small.data / "incoming").iterdir())
    _, job_id = small.onboard()
    assert small.wait(job_id)["status"] == "succeeded"


FORM = {"content-type": "multipart/form-data; boundary=x"}


def in_chunks(size: int) -> Iterator[bytes]:
    """A form of a length that its sender does not tell."""
    yield b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'
    for _ in range(size // MIB):
        yield noise(MIB)
    yield b"\r\n--x--\r\n"


def test_with_no_byte_left_callers_are_told_and_can_still_read(small: Server) -> None:
    object_id, job_id = small.onboard()
    small.wait(job_id)
    filler = fill(small.data)
    try:
        answer = small.client.post("/objects", files={"photos": ("a.jpg", photo())}, data=options(name="late"))
        assert (answer.status_code, answer.json()["type"]) == (507, "/problems/storage-failed"), answer.text
        assert "free some space" in answer.json()["detail"]
        assert small.client.delete(f"/objects/{object_id}").status_code in (204, 507)
        assert small.client.get(f"/jobs/{job_id}").status_code in (200, 404)
    finally:
        filler.unlink()
    assert small.client.post("/objects", files={"photos": ("a.jpg", photo())}, data=options(name="late")).status_code == 202


@pytest.mark.parametrize("name", ["writes-much", "writes-much-unsaid"])
def test_a_job_waits_for_space_and_goes_on_by_itself(small: Server, name: str) -> None:
    filler = fill(small.data, leave=3 * MIB)
    object_id, job_id = small.onboard(name)
    for _ in range(200):
        job = small.client.get(f"/jobs/{job_id}").json()
        if job["error"]:
            break
        small.client.get(f"/jobs/{job_id}", params={"wait": 0.1})
    assert job["status"] == "queued"
    assert job["error"]["code"] == "storage-failed"
    assert "waits for it" in job["error"]["try_next"]
    assert small.client.get(f"/objects/{object_id}").json()["state"] == "onboarding"
    tried = 0
    while tried < 4:  # more often than a stage has attempts
        job = small.client.get(f"/jobs/{job_id}", params={"wait": 1}).json()
        assert job["status"] in ("queued", "running"), job
        tried = job["stages"][0]["attempts"]
    filler.unlink()
    done = small.wait(job_id)
    assert (done["status"], done["error"]) == ("succeeded", None)
    assert small.client.delete(f"/objects/{object_id}").status_code == 204
