"""The Python client against the running service: from photos to poses, and what it says where something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from served import Server
from uploads_made import photo

import snap6d
from reconstruction.capture import Capture, KnownLength, Prompt, SingleTag
from snap6d import Job, Snap6D


@pytest.fixture(scope="module")
def service(server: Server) -> Iterator[Snap6D]:
    with Snap6D(str(server.client.base_url)) as client:
        yield client


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        (folder / f"IMG {number}.jpg").write_bytes(photo(number))
    return folder


def test_photos_become_an_object_that_is_found_in_an_image(service: Snap6D, photos: Path, tmp_path: Path) -> None:
    counted: list[tuple[int, int]] = []
    told: list[Job] = []
    mug = service.objects.create(
        photos,
        name="mug",
        profile="preview",
        box=("IMG_1", (1, 2, 30, 40)),
        tags=("tag36h11", 0.05),
        progress=lambda *now: counted.append(now),
    )
    assert (counted[0], counted[-1]) == ((0, 4), (4, 4))
    ready = mug.wait(progress=told.append)
    assert (ready.state, ready.name, ready.photos, ready.job_id) == ("ready", "mug", 4, mug.job_id)
    assert ready.options["box"] == {"photo": "IMG_1", "box": [1, 2, 30, 40]}
    assert told[-1].status == "succeeded"
    assert [stage.status for stage in told[-1].stages] == ["succeeded"] * 3
    assert {image.photo for image in mug.images()} == {f"IMG_{number}" for number in range(4)}
    listed = {artifact.name: artifact.bytes for artifact in mug.artifacts()}
    assert mug.download("mesh.ply", tmp_path) == tmp_path / "mesh.ply"
    assert (tmp_path / "mesh.ply").stat().st_size == listed["mesh.ply"] == 1004

    found = service.estimate(photos / "IMG 1.jpg", mug, K=np.array([[60, 0, 32], [0, 60, 24], [0, 0, 1]]), boxes=[(5, 6, 40, 30)])
    (pose,) = found.poses
    assert (found.units, found.K_source, found.scale and found.scale.source, pose.object_id) == ("m", "given", "board", mug.id)
    cam_from_obj = np.array(pose.cam_from_obj)
    assert cam_from_obj == pytest.approx(np.array([[0, -1, 0, 0.1], [1, 0, 0, 0.2], [0, 0, 1, 0.5], [0, 0, 0, 1]]))
    assert pose.bbox_xywh == (5, 6, 35, 24)
    assert service.estimate(photo(1), [ready], K=(60, 60, 32, 24)).poses[0].score == pytest.approx(0.9)


def test_what_is_said_of_the_capture_reaches_the_stages(service: Snap6D, server: Server, photos: Path, tmp_path: Path) -> None:
    for kind in ("masks", "depth"):
        (tmp_path / kind).mkdir()
        for number in (1, 2, 7):  # the last belongs to no photo
            (tmp_path / kind / f"IMG {number}.png").write_bytes(photo(number, kind="PNG"))
    length = ("IMG_2", (3.0, 4.0), (5.0, 6.0), 0.2)
    cup = service.objects.create(photos, masks=tmp_path / "masks", depth=tmp_path / "depth", point=("IMG_0", (3, 4)), known_length=length)
    cup.wait()
    folder = server.object_dir(cup.id) / "capture"
    capture = Capture.load(folder / "capture.json")
    assert capture.prompt == Prompt("IMG_0.jpg", point=(3, 4))
    assert capture.scale == KnownLength(0.2, "IMG_2.jpg", (3, 4), (5, 6))
    assert sorted(path.name for path in (folder / "masks").iterdir()) == ["IMG_1.png", "IMG_2.png"]
    assert sorted(path.name for path in (folder / "depth").iterdir()) == ["IMG_1.png", "IMG_2.png"]

    seen = service.objects.get(cup)
    changed = service.objects.change(seen, name="other", known_length=None, tags=("tag25h9", 0.03))
    assert (changed.name, changed.options["tags"]) == ("other", {"family": "tag25h9", "side_m": 0.03})
    with pytest.raises(snap6d.Changed):
        service.objects.change(seen, name="late")
    again = service.objects.train(changed, from_stage="scale")
    again.wait()
    assert [stage.status for stage in again.job().stages][1:] == ["succeeded", "succeeded"]
    assert Capture.load(folder / "capture.json").scale == SingleTag("tag25h9", 0.03)
    assert [job.id for job in service.jobs.all(cup.id)] == [again.job_id, cup.job_id]
    assert not service.objects.upload(cup, photos, masks=tmp_path / "masks", depth=tmp_path / "depth").sent
    service.objects.delete(cup)
    with pytest.raises(snap6d.NotFound):
        service.objects.get(cup)


def test_a_video_is_sent_once(service: Snap6D, server: Server, tmp_path: Path) -> None:
    walk = tmp_path / "My walk.mov"
    walk.write_bytes(b"\0\0\0\x18ftypqt  " + bytes(250_000))
    film = service.objects.create(walk, name="film")
    film.wait()
    assert service.objects.upload(film, walk) == snap6d.Sent((), ("My walk.mov",))
    assert [path.name for path in (server.object_dir(film.id) / "capture" / "video").iterdir()] == ["My_walk.mp4"]


def test_a_failure_says_what_to_do(service: Snap6D, photos: Path) -> None:
    bad = service.objects.create(photos, name="fail")
    with pytest.raises(snap6d.JobFailed, match="12 of 98 photos registered") as failed:
        bad.wait()
    assert (failed.value.type, failed.value.job.id) == ("capture-failed", bad.job_id)
    assert "overlap" in failed.value.try_next
    with pytest.raises(snap6d.JobFailed):
        service.jobs.wait(bad.resume().id)


def test_a_job_is_canceled(service: Snap6D, photos: Path) -> None:
    slow = service.objects.create(photos, name="slow")
    with pytest.raises(snap6d.NotReady) as early:
        service.estimate(photo(1), slow)
    assert slow.job_id in early.value.try_next
    with pytest.raises(snap6d.Conflict):
        service.objects.delete(slow)
    slow.cancel()
    with pytest.raises(snap6d.JobCanceled):
        slow.wait()


def test_what_is_refused_is_told_apart(service: Snap6D, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(snap6d.NotFound) as nothing:
        service.objects.get("obj_none")
    assert (nothing.value.type, nothing.value.status, nothing.value.what) == ("not-found", 404, "there is no object 'obj_none'")
    assert nothing.value.try_next
    with pytest.raises(snap6d.BadInput, match="IMG_9"):
        service.objects.create(photos, box=("IMG_9", (1, 2, 3, 4)))
    with pytest.raises(snap6d.BadInput, match="4 numbers"):
        service.objects.create(photos, box=("IMG_1", (1, 2, 3)))
    with pytest.raises(snap6d.BadInput, match="4 or 9 numbers"):
        service.estimate(photo(1), service.objects.create(photos, name="any").wait(), K=(1, 2, 3))
    (photos / "large.jpg").write_bytes(bytes(300_000))
    with pytest.raises(snap6d.TooLarge) as large:
        service.objects.create(photos)
    assert "objects.upload" in large.value.__notes__[0]
    (photos / "large.jpg").rename(photos / "IMG_0.png")
    with pytest.raises(snap6d.BadInput, match="two photos are called IMG_0"):
        service.objects.create(photos)
    with pytest.raises(snap6d.BadInput, match="no photos"):
        service.objects.create(tmp_path)


def test_nobody_is_there() -> None:
    with pytest.raises(snap6d.Unreachable, match="snap6d serve"):
        Snap6D("http://127.0.0.1:9").info()


def test_lists_are_read_page_by_page_while_they_are_emptied(service: Snap6D) -> None:
    made = [service.objects.draft(name=f"leaf {number}").id for number in range(5)]
    listed = []
    for found in service.objects.all(page=2):
        if found.id in made:
            listed.append(found.id)
            service.objects.delete(found)
    assert listed == made[::-1]
