"""Images of an object as rows, and which files count because of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.failures import Conflict, FilesLost, StorageUnreachable
from workers.files.space import waiting, waits
from workers.rows.database import Database
from workers.rows.jobs import JobStore
from workers.rows.objects import ImageRow, ObjectStore
from workers.rows.parts import read_parts


class Lab:
    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'rows.sqlite'}")
        self.objects, self.jobs = ObjectStore(self.database, "lab"), JobStore(self.database, ("sfm",), "lab")
        self.object_id = self.objects.draft("mug", {}).id

    def put(self, name: str, sha256: str, seen_job: str | None = None) -> bool:
        image = ImageRow("photos", name, f"{name}.jpg", 1, sha256, sha256)
        return self.objects.put_image(self.object_id, image, {f"images/{image.kept}": (sha256, 1, "label")}, seen_job)

    def counted(self) -> set[str]:
        with self.database.read() as db:
            return set(read_parts(db, self.object_id)["images"][0])


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_an_image_counts_as_long_as_a_row_names_it(lab: Lab) -> None:
    assert [lab.put("a", "1"), lab.put("b", "1"), lab.put("a", "2")] == [True, True, False]
    assert lab.counted() == {"images/1.jpg", "images/2.jpg"}, "b is still the first one"
    lab.put("b", "2")
    assert lab.counted() == {"images/2.jpg"}


def test_an_image_that_a_training_overtook_is_asked_for_again(lab: Lab) -> None:
    """Its file may have been removed by that training, as one that no row names."""
    lab.put("a", "1")
    job_id = lab.jobs.train(lab.object_id, "standard", lambda db: None).id
    lab.jobs.cancel(job_id)
    with pytest.raises(Conflict, match="send it again"):
        lab.put("b", "2", seen_job=None)
    assert lab.counted() == {"images/1.jpg"}
    assert lab.put("b", "2", seen_job=job_id)


def test_a_job_waits_for_a_bucket_that_is_gone_but_not_for_files_that_are() -> None:
    gone = StorageUnreachable("no answer", try_next="look at the network")
    assert waits(gone)
    assert waiting(gone).code == "storage-unreachable"
    assert waiting(gone).try_next.startswith("look at the network: the job waits")
    assert not waits(FilesLost("photos are missing", try_next="train again"))
