"""What the client makes of connections that break and servers that die: nothing is lost, nothing is done twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from proxies import flaky
from served import Server, start_server
from uploads_made import photo

import snap6d
from snap6d import Estimate, Event, Job, Snap6D
from snap6d.events import parse
from snap6d.reading import read
from workers.rows.database import Database
from workers.rows.keys import KeyStore


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.jpg").write_bytes(photo(number))
    return folder


def test_answers_that_are_lost_make_nothing_twice(server: Server, photos: Path) -> None:
    losses = {"POST /v1/objects/": 1, "POST /v1/objects": 2, "PUT": 2, "GET /v1/objects/": 1}  # to train, to make the draft, ...
    with flaky(str(server.client.base_url).rstrip("/"), losses) as proxy, Snap6D(proxy.url, patience=10) as service:
        before = [found.id for found in service.objects.all()]
        cup = service.objects.create(photos, name="cup")
        assert cup.wait().photos == 10
        assert [found.id for found in service.objects.all() if found.id not in before] == [cup.id]
        assert [job.id for job in service.jobs.all(cup.id)] == [cup.job_id]
        assert sum(request.startswith("PUT") for request in proxy.seen) == 12
        assert not any(proxy.losses.values())


@pytest.mark.parametrize(("status", "error"), [(429, snap6d.Busy), (503, snap6d.Busy), (507, snap6d.StorageFull)])
def test_a_busy_or_full_server_is_waited_for_as_long_as_it_says(server: Server, photos: Path, status: int, error: type) -> None:
    url = str(server.client.base_url).rstrip("/")
    with flaky(url, {"PUT": 1}, refused=status) as proxy, Snap6D(proxy.url, patience=5) as service:
        draft, began = service.objects.draft(), time.monotonic()
        assert len(service.objects.upload(draft, photos).sent) == 10
        assert time.monotonic() - began >= 1
        assert sum(request.startswith("PUT") for request in proxy.seen) == 11
    with flaky(url, {"PUT": 100}, refused=status) as proxy, Snap6D(proxy.url, patience=0.5) as service, pytest.raises(error):
        service.objects.upload(service.objects.draft(), photos)


def test_the_same_call_with_the_same_key_goes_on(server: Server, photos: Path) -> None:
    url = str(server.client.base_url).rstrip("/")
    with flaky(url, {"PUT /v1/objects": 1000}) as proxy, Snap6D(proxy.url, patience=0) as cut_off:
        with pytest.raises(snap6d.Unreachable) as broken:
            cut_off.objects.create(photos, name="plate", key="plate of today")
        arrived = sum(request.startswith("PUT") for request in proxy.seen)
    with flaky(url, {}) as proxy, Snap6D(proxy.url) as service:
        plate = service.objects.create(photos, name="plate", key="plate of today")
        assert plate.id in broken.value.__notes__[0]
        assert sum(request.startswith("PUT") for request in proxy.seen) == 10 - arrived < 10
        again = service.objects.create(photos, name="plate", key="plate of today")
        assert (again.id, again.job_id) == (plate.id, plate.job_id)
        assert plate.wait().photos == 10


@dataclass
class Locked:
    """A service of one's own that asks for a key, and may be killed."""

    server: Server
    key: str

    @property
    def url(self) -> str:
        return str(self.server.client.base_url).rstrip("/")

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.wait(10)

    def start_again(self) -> None:
        """On the same data and port."""
        self.server = start_server(self.server.data, "--port", self.url.rpartition(":")[2])


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    data = tmp_path_factory.mktemp("locked")
    _, key = KeyStore(Database(f"sqlite:///{data / 'snap6d.sqlite'}")).make("ours", "")
    locked = Locked(start_server(data, SNAP6D_QUOTA_OBJECTS="1"), key)
    yield locked
    locked.server.stop()


def test_a_key_is_asked_for_and_a_quota_is_told(locked: Locked) -> None:
    with Snap6D(locked.url) as nobody, pytest.raises(snap6d.Unauthorized, match="snap6d keys make"):
        nobody.info()
    with Snap6D(locked.url, api_key=locked.key) as ours:
        assert ours.info().profiles == ("preview", "standard", "full")
        draft = ours.objects.draft()
        with pytest.raises(snap6d.QuotaExceeded):
            ours.objects.draft()
        ours.objects.delete(draft)


def test_an_upload_outlives_the_server(locked: Locked, photos: Path) -> None:
    half = threading.Event()
    with Snap6D(locked.url, api_key=locked.key) as service, ThreadPoolExecutor(1) as pool:
        draft = service.objects.draft(name="object")
        sending = pool.submit(service.objects.upload, draft, photos, progress=lambda done, _: half.set() if done >= 4 else None)
        assert half.wait(20)
        locked.kill()
        locked.start_again()
        assert len(sending.result(60).sent) == 10
        assert service.objects.upload(draft, photos) == snap6d.Sent((), tuple(f"{n}.jpg" for n in range(10)))
        assert service.objects.train(draft).wait().photos == 10


def test_a_job_is_followed_though_answers_are_lost(server: Server, photos: Path) -> None:
    with flaky(str(server.client.base_url).rstrip("/"), {"GET /v1/jobs": 4}) as proxy, Snap6D(proxy.url, patience=20) as service:
        told: list[Job] = []
        service.objects.create(photos).wait(progress=told.append)
        assert told[-1].status == "succeeded"
        assert proxy.losses == {"GET /v1/jobs": 0}


def test_a_download_goes_on_where_it_broke_off(server: Server, ready_object: str, tmp_path: Path) -> None:
    url, target = str(server.client.base_url).rstrip("/"), tmp_path / "mesh.ply"
    whole = server.client.get(f"/v1/objects/{ready_object}/artifacts/mesh.ply").content
    artifact = f"GET /v1/objects/{ready_object}/artifacts"
    with flaky(url, {artifact: 1}, bytes_first=400) as proxy, Snap6D(proxy.url, patience=0) as cut_off:
        with pytest.raises(snap6d.Unreachable):
            cut_off.objects.download(ready_object, "mesh.ply", target)
        assert not target.exists()
        (part,) = tmp_path.glob(".mesh.ply.*.part")
        assert part.read_bytes() == whole[:400]
        cut_off.objects.download(ready_object, "mesh.ply", target)
        assert target.read_bytes() == whole
    part.write_bytes(b"of an earlier mesh")
    part = part.rename(tmp_path / ".mesh.ply.another.part")
    with Snap6D(url) as service:
        assert service.objects.download(ready_object, "mesh.ply", target).read_bytes() == whole
        with pytest.raises(snap6d.NotFound):
            service.objects.download(ready_object, "mesh.stl", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mesh.ply"]


def test_a_newer_and_an_older_server_are_understood(server: Server, ready_object: str) -> None:
    job = server.client.get("/v1/jobs", params={"object_id": ready_object}).json()[0]
    newer = read(Job, {**job, "colour": "red", "stages": [{**stage, "hue": 3} for stage in job["stages"]]})
    assert newer == read(Job, job)
    assert newer.over
    assert read(Job, {name: job[name] for name in ("id", "object_id", "status", "progress")}).warnings == ()
    estimate = {"poses": [], "units": "object", "scale": None, "K": [1] * 9, "K_source": "guessed"}
    assert read(Estimate, estimate).poses == ()
    with pytest.raises(snap6d.ServerError, match="no Estimate"):
        read(Estimate, {"welcome": "to another server"})


def test_events_are_read_as_they_are_sent() -> None:
    first = ': heartbeat\n\nid: 4\nevent: stage.progress\ndata: {"step":\ndata: 3}\n\n'
    text = first + "id: 5\nretry: 10\n\nevent: job.ended\nid: 6\ndata: {}\n\ndata: cut"
    assert list(parse(text.split("\n"))) == [Event("4", "stage.progress", {"step": 3}), Event("6", "job.ended", {})]
