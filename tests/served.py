"""The real service, whole: `snap6d serve` with its own Redis and workers, on stand-in stages."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from uploads_made import options, photo

ROOT = Path(__file__).parents[1]
STAND_INS = {
    "PYTHONPATH": str(ROOT / "tests" / "workers"),
    "SNAP6D_PIPELINE": "stand_in:PIPELINE",
    "SNAP6D_BEAT_S": "0.2",
    "SNAP6D_LEASE_S": "2",
    "SNAP6D_MAX_FILE_BYTES": "200000",
    "SNAP6D_MAX_VIDEO_BYTES": "400000",
    "SNAP6D_MAX_UPLOAD_BYTES": "1000000",
    "SNAP6D_MAX_PHOTOS": "12",
    "SNAP6D_MAX_PIXELS": "1000000",
    "SNAP6D_MAX_ESTIMATES_WAITING": "5",
    "SNAP6D_MAX_ESTIMATES_PER_CALLER": "4",
    "SNAP6D_MAX_ESTIMATE_UPLOAD_S": "3",
}


@dataclass
class Server:
    process: subprocess.Popen[str]
    data: Path
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))

    def onboard(self, name: str = "object", count: int = 3, **more: Any) -> tuple[str, str]:
        """Ids of the object and of its job."""
        files = [("photos", (f"{n:02}.jpg", photo(n), "image/jpeg")) for n in range(count)]
        answer = self.client.post("/objects", files=files, data=options(name=name, **more))
        assert answer.status_code == 202, answer.text
        return answer.json()["id"], answer.json()["job"]["id"]

    def wait(self, job_id: str, *statuses: str, timeout_s: float = 20.0) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while True:
            job: dict[str, Any] = self.client.get(f"/jobs/{job_id}", params={"wait": 1}).json()
            if job["status"] in (statuses or ("succeeded", "failed", "canceled")):
                return job
            assert time.monotonic() < deadline, job

    def stop(self) -> int:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def start_server(data: Path, *arguments: str, **environment: str) -> Server:
    command = [sys.executable, "-m", "workers.cli", "serve", "--data", str(data), "--port", "0", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **STAND_INS, **environment}, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found, process.stdout.read()
    server = Server(process, data, httpx.Client(base_url=found.group(), timeout=30))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if server.client.get("/readyz").status_code == 200:
            return server
        time.sleep(0.1)
    raise AssertionError(server.client.get("/readyz").text)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("served"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def ready(server: Server) -> Callable[[str], str]:
    """Gives the id of a ready object with a name that stand-ins know; the same one for the same name."""
    known: dict[str, str] = {}

    def make(name: str) -> str:
        if name not in known:
            known[name], job_id = server.onboard(name)
            assert server.wait(job_id)["status"] == "succeeded"
        return known[name]

    return make


@pytest.fixture(scope="session")
def ready_object(server: Server) -> str:
    object_id, job_id = server.onboard()
    assert server.wait(job_id)["status"] == "succeeded"
    return object_id
