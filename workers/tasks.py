"""The Celery worker: `python -m workers.tasks cpu|estimate`. Threads, never fork: torch does not survive a fork.

A beating thread in each worker says that it is alive and, in an idle onboarding worker, looks for jobs that nobody works on:
so a lost message loses nothing, and a doubled one changes nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from typing import Any

from celery import signals
from sqlalchemy.exc import DBAPIError

from reconstruction.errors import PipelineError, StorageError
from workers import queue
from workers.beats import Beats
from workers.claims import Claim, ClaimStore, LeaseLost
from workers.estimate_process import EstimateCrashed, EstimateProcess
from workers.failures import Canceled, StageDefect, error_to_json
from workers.logs import FIELDS, bind, configure
from workers.pipeline import Pipeline, StageEvent, load
from workers.runner import run_pipeline
from workers.settings import Settings
from workers.space import check_space, is_full, waiting_for_space
from workers.tables import Database
from workers.webhooks.courier import Courier

_log = logging.getLogger("snap6d")


class Worker:
    """Serves one queue, one message at a time."""

    def __init__(self, settings: Settings, queue_name: str) -> None:
        pipeline: Pipeline = load(settings.pipeline)
        self._settings, self._queue_name = settings, queue_name
        self._name = f"{queue_name}@{socket.gethostname()}-{os.getpid()}"
        self._database = database = Database(settings.database)
        self._claims = ClaimStore(database, settings.pipeline, settings.lease_s, settings.max_attempts)
        self._beats = Beats(database)
        self._estimates = EstimateProcess(settings, pipeline.estimator)
        self._stopping, self._busy = threading.Event(), threading.Event()
        self._app = queue.celery_app(settings.broker_url)
        if queue_name == queue.ESTIMATE:
            self._estimates.start()
            self._app.task(name=queue.ESTIMATE_TASK)(self.estimate)
        else:
            self._app.task(name=queue.ONBOARD_TASK)(self.onboard)

    def run(self) -> None:
        """Until a TERM: a running stage is stopped and its job given back, an estimate is finished."""
        signals.worker_shutting_down.connect(self._stop, weak=False)
        signals.setup_logging.connect(lambda **_: None, weak=False)  # ours stands
        signals.task_prerun.connect(_bind_request, weak=False)
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        if self._queue_name == queue.CPU:
            courier = Courier(self._database, self._settings)
            threading.Thread(target=courier.run, args=(self._stopping,), name="courier", daemon=True).start()
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
        names = [f"--queues={self._queue_name}", f"--hostname={self._name}"]
        try:
            self._app.worker_main(["--quiet", "worker", "--pool=threads", "--concurrency=1", *names, *quiet])
        finally:
            self._estimates.stop()

    def onboard(self, job_id: str) -> None:
        """Claims the job and runs what is left of its pipeline. Does nothing where someone else has it."""
        claim = None if self._stopping.is_set() else self._claims.claim(job_id, self._name)
        if claim is None:
            return
        self._busy.set()
        bind(job=job_id, request_id=claim.request_id)
        try:
            self._work_on(claim)
        except LeaseLost as error:
            _log.warning("%s", error)
        finally:
            self._busy.clear()

    def estimate(self, envelope: dict[str, Any]) -> None:
        """Answers one question, unless nobody waits for the answer any more."""
        if not queue.is_awaited(self._settings.data, envelope["question"], envelope["deadline"]):
            return
        try:
            document = self._estimates.ask(envelope["question"], envelope["deadline"])
            _log.info("estimate answered")
        except EstimateCrashed as error:
            _log.exception("estimate")
            document = {"error": error_to_json(error)}
        queue.reply(self._app, envelope, document)
        self._estimates.start()  # after a crash: now, rather than when the next question comes

    def _work_on(self, claim: Claim) -> None:
        """Ends with the job succeeded, failed, canceled, or given back: this worker is leaving, or the disk is full."""
        watch = _Watch(self._claims, claim, self._stopping, self._settings.lease_s)
        object_dir = self._settings.objects / claim.object_id

        def record(event: StageEvent) -> None:
            if event.kind == "started":
                check_space(self._settings.data, self._settings.min_free_bytes)
            watch.record(event)

        try:
            run_pipeline(object_dir, claim.recipe, record, watch.should_cancel, self._settings.max_attempts)
        except LeaseLost:
            raise
        except Canceled as error:
            if watch.canceling:
                self._end(claim, "canceled", error)
            else:
                self._claims.release(claim)
                _log.info("job given back")
        except PipelineError as error:
            if error.code == StorageError.code:
                self._wait_for_space(claim, error)
            else:
                self._end(claim, "failed", error)
        except Exception as error:
            if is_full(error):
                return self._wait_for_space(claim, error)
            _log.exception("onboarding")
            self._end(claim, "failed", StageDefect(f"the onboarding stopped with {type(error).__name__}: {error}"))
        else:
            self._end(claim, "succeeded")

    def _end(self, claim: Claim, status: str, error: PipelineError | None = None) -> None:
        self._claims.finish(claim, status, error)
        bind(stage=None, attempt=None)
        _log.info("job %s%s", status, f": {error}" if error else "")

    def _wait_for_space(self, claim: Claim, error: Exception) -> None:
        """Gives the job back for later. On a full disk even its row may not be writable: tried until it is."""
        while True:
            try:
                _log.warning("job waits for space: %s", error)
                return self._claims.pause(claim, waiting_for_space(error), self._settings.retry_storage_s)
            except DBAPIError as refused:
                if not is_full(refused) or self._stopping.wait(self._settings.beat_s):
                    raise

    def _beat(self) -> None:
        while not self._stopping.is_set():
            try:
                self._beats.beat(self._name, self._queue_name)
                if self._queue_name == queue.CPU and not self._busy.is_set():
                    for job_id in self._claims.due()[:1]:
                        queue.wake(self._app, job_id)
            except Exception:  # the next beat may find the database again
                _log.exception("beat")
            self._stopping.wait(self._settings.beat_s)

    def _stop(self, **_: Any) -> None:
        self._stopping.set()


def _bind_request(task: Any, **_: Any) -> None:
    """The lines of this thread tell of the message's request from here on, and no more of the last one's."""
    bind(**{**dict.fromkeys(FIELDS), "request_id": task.request.get(queue.REQUEST_ID)})


class _Watch:
    """Between a running pipeline and its row: keeps the lease, asks for cancellation, writes progress at most once a second."""

    def __init__(self, claims: ClaimStore, claim: Claim, stopping: threading.Event, lease_s: float) -> None:
        self._claims, self._claim, self._stopping = claims, claim, stopping
        self._every_s = min(1.0, lease_s / 5)
        self._beaten = self._written = 0.0
        self.canceling = False

    def should_cancel(self) -> bool:
        now = time.monotonic()
        if now - self._beaten > self._every_s:
            self.canceling = self._claims.beat(self._claim)
            self._beaten = now
        return self.canceling or self._stopping.is_set()

    def record(self, event: StageEvent) -> None:
        now = time.monotonic()
        if event.kind != "progress" or now - self._written > self._every_s:
            bind(stage=event.stage, attempt=self._claims.record(self._claim, event))
            self._written = now
        if event.kind != "progress":
            _log.info("stage %s %s", event.stage, event.kind)


if __name__ == "__main__":
    process_settings = Settings()
    configure(process_settings.log_format)
    Worker(process_settings, sys.argv[1]).run()
