"""An object on its way from photos to poses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snap6d.photos import PathLikeStr
from snap6d.progress import OnJob
from snap6d.results import Artifact, Image, Job, Object

if TYPE_CHECKING:
    from snap6d.jobs import Jobs
    from snap6d.objects import Objects


class Onboarding:
    """An object and the job that makes it. `id` is the object's, and may be given wherever an object is asked for."""

    def __init__(self, objects: Objects, jobs: Jobs, object_id: str, job_id: str) -> None:
        self.id, self.job_id = object_id, job_id
        self._objects, self._jobs = objects, jobs

    def __repr__(self) -> str:
        return f"Onboarding({self.id!r}, {self.job_id!r})"

    def job(self) -> Job:
        return self._jobs.get(self.job_id)

    def wait(self, progress: bool | OnJob = False) -> Object:
        """The object once it is ready. `progress`: True shows a bar, a function is called with the Job whenever it has changed.

        Raises JobFailed, with the failed stage's `type`, `what` and `try_next`; JobCanceled.
        """
        self._jobs.wait(self.job_id, progress)
        return self._objects.get(self.id)

    def cancel(self) -> Job:
        return self._jobs.cancel(self.job_id)

    def resume(self) -> Job:
        return self._jobs.resume(self.job_id)

    def images(self) -> Sequence[Image]:
        return self._objects.images(self.id)

    def artifacts(self) -> Sequence[Artifact]:
        return self._objects.artifacts(self.id)

    def download(self, name: str, path: PathLikeStr) -> Path:
        return self._objects.download(self.id, name, path)
