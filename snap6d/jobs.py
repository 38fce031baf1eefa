"""Jobs: looked at, followed, canceled, resumed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from snap6d.errors import Busy, JobCanceled, JobFailed, NotFound, Unreachable
from snap6d.events import listen
from snap6d.pages import pages
from snap6d.progress import OnJob, following
from snap6d.reading import read
from snap6d.results import Event, Job, Log
from snap6d.transport import Transport, new_key

LOOK_EVERY_S = 0.3
"""At what runs: progress may be told more often than anybody wants to look."""
POLL_S = 1.0


class Jobs:
    """`service.jobs`. Every method raises Snap6DError and its like, NotFound for a job that there is not."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, job_id: str, wait_s: float = 0) -> Job:
        """The job as it is; with `wait_s`, once its status or stage has changed, or after that many seconds."""
        timeout_s = self._transport.timeout_s + wait_s
        return read(Job, self._transport.json("GET", f"/v1/jobs/{job_id}", params={"wait": wait_s}, timeout=timeout_s))

    def all(self, object_id: str | None = None) -> Iterator[Job]:
        """Newest first, read page by page."""
        return (read(Job, row) for row in pages(self._transport, "/v1/jobs", object_id=object_id))

    def cancel(self, job_id: str) -> Job:
        """What is finished is kept. Raises Conflict where it is over already."""
        return self._post(job_id, "cancel")

    def resume(self, job_id: str) -> Job:
        """Goes on with a failed or canceled job after its last finished stage. Raises Conflict for any other."""
        return self._post(job_id, "resume")

    def wait(self, job_id: str, progress: bool | OnJob = False) -> Job:
        """The job once it has succeeded. Broken connections and restarts of the server are waited out.

        Raises JobFailed, JobCanceled.
        """
        with following(progress) as show:
            for job in self.follow(job_id):
                show(job)
        if job.status != "succeeded":
            raise (JobCanceled if job.status == "canceled" else JobFailed)(job)
        return job

    def follow(self, job_id: str) -> Iterator[Job]:
        """The job as it is, and again whenever it has changed, until it is over."""
        job = self.get(job_id)
        yield job
        while not job.over:
            try:
                for _ in self._news(job_id):
                    job = self.get(job_id)
                    yield job
                    if job.over:
                        return
            except (NotFound, Busy, Unreachable):  # no events there, or none now: then by asking
                pass
            job = self.get(job_id, wait_s=POLL_S)
            yield job

    def events(self, job_id: str, after: str | None = None) -> Iterator[Event]:
        """Everything that happens to the job until it is over, from its start, or after the event with this id."""
        return listen(self._transport, job_id, after, self._transport.patience_s)

    def logs(self, job_id: str, stage: str | None = None, offset: int = 0) -> Log:
        """What a stage wrote, by default the one that runs or ran last, from a byte on to its end."""
        text = b""
        while True:
            asked: dict[str, Any] = {"offset": offset, **({"stage": stage} if stage else {})}
            answer = self._transport.send("GET", f"/v1/jobs/{job_id}/logs", params=asked)
            stage, offset, text = answer.headers.get("snap6d-stage", stage or ""), offset + len(answer.content), text + answer.content
            if not answer.content or offset >= int(answer.headers.get("snap6d-log-size", 0)):
                return Log(stage, text.decode(errors="replace"), offset)

    def _news(self, job_id: str) -> Iterator[Event]:
        """Events that are worth a look."""
        looked = 0.0
        for event in listen(self._transport, job_id, after=None, patience_s=POLL_S):
            if event.kind.startswith("job.") or time.monotonic() - looked > LOOK_EVERY_S:
                yield event
                looked = time.monotonic()

    def _post(self, job_id: str, action: str) -> Job:
        return read(Job, self._transport.json("POST", f"/v1/jobs/{job_id}/{action}", key=new_key()))
