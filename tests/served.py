"""The real service, whole, on stand-in stages: `snap6d serve` with its own Redis and workers, and processes that share no folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import real_servers
from uploads_made import options, photo

from workers.files.bucket import Bucket
from workers.files.opening import open_storage
from workers.files.storage import Storage
from workers.rows.database import Database
from workers.rows.parts import change_part
from workers.settings import Settings

ROOT = Path(__file__).parents[1]
STAND_INS = {
    "PYTHONPATH": str(ROOT / "tests" / "workers"),
    "SNAP6D_PIPELINE": "stand_in:PIPELINE",
    "SNAP6D_BEAT_S": "0.4",
    "SNAP6D_LEASE_S": "2",
    "SNAP6D_RETRY_STORAGE_S": "1",
    "SNAP6D_MAX_FILE_BYTES": "200000",
    "SNAP6D_MAX_VIDEO_BYTES": "400000",
    "SNAP6D_MAX_UPLOAD_BYTES": "1000000",
    "SNAP6D_MAX_PHOTOS": "12",
    "SNAP6D_MAX_PIXELS": "1000000",
    "SNAP6D_MAX_ESTIMATES_WAITING": "5",
    "SNAP6D_MAX_ESTIMATES_PER_CALLER": "4",
    "SNAP6D_MAX_ESTIMATE_UPLOAD_S": "3",
    "SNAP6D_GPU_WORKERS": "0",
}


@dataclass
class Server:
    process: subprocess.Popen[str]
    data: Path
    settings: Settings
    client: httpx.Client
    api_data: Path
    """The data folder of the API's processes."""
    estimator_objects: Path
    """Where the estimate worker has objects."""
    known: dict[str, str] = field(default_factory=dict)

    @cached_property
    def storage(self) -> Storage:
        """As a worker on a machine of its own has it."""
        return open_storage(self.settings, self.database, "objects")

    @cached_property
    def database(self) -> Database:
        return Database(self.settings.database)

    def object_dir(self, object_id: str) -> Path:
        """With the object's files as they count now. Only to be read."""
        return self.storage.restore(object_id)

    def worker(self, queue: str) -> psutil.Process:
        """The one that serves this queue, not the leash that it is on."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return next(p for p in family if p.cmdline()[-2:] == ["workers", queue] and "workers.leash" not in p.cmdline())

    def rename(self, object_id: str, name: str) -> None:
        """What stand-in stages do depends on what the capture is called."""
        capture = json.loads((self.object_dir(object_id) / "capture" / "capture.json").read_text())
        changed = self.data / f"changed-{object_id}.json"
        changed.write_text(json.dumps({**capture, "name": name}))
        with self.database.write() as db:
            change_part(db, object_id, "capture", self.storage.admit_file(object_id, "capture/capture.json", changed))

    def lent(self) -> list[str]:
        """What of images to look at is anywhere."""
        if not self.settings.storage_url:
            return [str(path) for path in self.data.glob("incoming/*")]
        every_process = self.api_data.parent
        return Bucket(self.settings.storage_url).keys("incoming") + [str(path) for path in every_process.glob("**/incoming/*")]

    def left_behind(self, object_id: str) -> list[str]:
        """Of a deleted object."""
        if self.settings.storage_url:
            return Bucket(self.settings.storage_url).keys(f"objects/{object_id}")
        return [str(path) for path in (self.data / "objects").glob(f"{object_id}*")]

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
    command = [sys.executable, "-m", "workers.command.cli", "serve", "--data", str(data), "--port", "0", *arguments]
    return start(command, Settings(data=data), environment, data, data / "objects")


def start(command: list[str], settings: Settings, environment: dict[str, str], api_data: Path, estimator_objects: Path) -> Server:
    everything = {**os.environ, **settings.environment(), **STAND_INS, **environment}
    process = subprocess.Popen(command, cwd=ROOT, env=everything, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found, process.stdout.read()
    client = httpx.Client(base_url=found.group(), timeout=30)
    server = Server(process, settings.data, settings, client, api_data, estimator_objects)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if server.client.get("/readyz").status_code == 200:
            return server
        time.sleep(0.1)
    raise AssertionError(server.client.get("/readyz").text)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """SQLite and one data folder."""
    server = start_server(tmp_path_factory.mktemp("served"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def scaled(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Server]:
    """PostgreSQL, Redis (SNAP6D_TEST_BROKER: rabbitmq), a bucket, and a data folder of its own for every process."""
    data, broker = tmp_path_factory.mktemp("scaled"), real_servers.BROKERS[os.environ.get("SNAP6D_TEST_BROKER", "redis")]
    with broker() as broker_url, real_servers.s3() as found, pytest.MonkeyPatch.context() as patched:
        for name, value in found.items():
            patched.setenv(name, value)
        settings = Settings(data=data / "test", database_url=postgres_url, broker_url=broker_url, storage_url="s3://snap6d/some/prefix")
        command = [sys.executable, str(Path(__file__).with_name("scaled.py")), str(data)]
        path = {"PYTHONPATH": f"{ROOT}:{STAND_INS['PYTHONPATH']}"}
        server = start(command, settings, path, data / "api", data / "estimate" / "estimators")
        yield server
        server.stop()


@pytest.fixture(params=["embedded", "scaled"])
def server(request: pytest.FixtureRequest) -> Server:
    """Either: what is asked and answered is the same."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def ready(server: Server) -> Callable[[str], str]:
    """Gives the id of a ready object with a name that stand-ins know; the same one for the same name."""

    def make(name: str) -> str:
        if name not in server.known:
            server.known[name], job_id = server.onboard(name)
            assert server.wait(job_id)["status"] == "succeeded"
        return server.known[name]

    return make


@pytest.fixture
def ready_object(ready: Callable[[str], str]) -> str:
    return ready("object")
