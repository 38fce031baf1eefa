"""The Celery worker: `python -m workers cpu|gpu|estimate`. Threads, never fork: torch does not survive a fork.

A beating thread in each worker says that it is alive and, in an idle onboarding worker, looks for jobs that nobody works on:
so a lost message loses nothing, and a doubled one changes nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from itertools import takewhile
from typing import Any

from celery import signals
from sqlalchemy.exc import DBAPIError

from reconstruction.errors import PipelineError
from workers import queue
from workers.estimates.estimate_process import EstimateCrashed, EstimateProcess
from workers.failures import Canceled, StageDefect, StorageUnreachable, error_to_json
from workers.files.opening import open_storage
from workers.files.space import waiting, waits
from workers.files.storage import sweep_regularly
from workers.logs import FIELDS, bind, configure
from workers.pipeline import Pipeline, load
from workers.rows.beats import Beats
from workers.rows.claims import Claim, ClaimStore, LeaseLost
from workers.rows.database import Database
from workers.runner import run_pipeline
from workers.settings import Settings
from workers.watch import Watch
from workers.webhooks.courier import Courier

_log = logging.getLogger("snap6d")


class Worker:
    """Serves one queue, one message at a time."""

    def __init__(self, settings: Settings, queue_name: str) -> None:
        pipeline: Pipeline = load(settings.pipeline)
        self._settings, self._queue_name, self._pipeline = settings, queue_name, pipeline
        self._name = f"{queue_name}@{socket.gethostname()}-{os.getpid()}"
        self._database = database = Database(settings.database)
        self._claims = ClaimStore(database, settings.pipeline, settings.lease_s, settings.max_attempts)
        self._beats = Beats(database)
        self._storage = open_storage(settings, database, "estimators" if queue_name == queue.ESTIMATE else "objects")
        self._estimates = EstimateProcess(settings, pipeline)
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
        sweep_regularly(self._storage, self._stopping)
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
        claim = None if self._stopping.is_set() else self._claims.claim(job_id, self._name, self._queue_name)
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
        try:
            if not queue.is_awaited(self._storage, envelope["question"], envelope["deadline"]):
                return
            document = self._estimates.ask(envelope["question"], envelope["deadline"])
            _log.info("estimate answered")
        except (EstimateCrashed, StorageUnreachable) as error:
            _log.exception("estimate")
            document = {"error": error_to_json(error)}
        queue.reply(self._app, envelope, document)
        self._estimates.start()  # after a crash: now, rather than when the next question comes

    def _work_on(self, claim: Claim) -> None:
        """Ends with the job succeeded, failed, canceled, or given back: for another queue, by a worker that leaves, for want of storage."""
        watch = Watch(self._claims, self._storage, claim, self._stopping, self._settings)
        try:
            next_queue = self._run_mine(claim, watch)
        except LeaseLost:
            raise
        except Canceled as error:
            if watch.canceling:
                self._end(claim, "canceled", error)
            else:
                watch.keep_unfinished()
                self._claims.release(claim)
                _log.info("job given back")
        except Exception as error:
            self._end_or_wait(claim, error)
        else:
            if next_queue is None:
                return self._end(claim, "succeeded")
            self._claims.release(claim, next_queue)
            queue.wake(self._app, claim.job_id, next_queue)
            _log.info("job handed to the queue %s", next_queue)

    def _run_mine(self, claim: Claim, watch: Watch) -> str | None:
        """Runs the next stages as long as they are of this worker's queue. The queue of the one after them; None where all are done."""
        watch.check()
        left = [step for step in self._pipeline.stages if step.name not in claim.done]
        mine = list(takewhile(lambda step: step.queue(claim.recipe.profile) == self._queue_name, left))
        if mine or not left:
            names = [step.name for step in mine]
            object_dir = self._storage.restore(claim.object_id, tell=watch.tell)
            run_pipeline(object_dir, claim.recipe, watch.record, watch.should_cancel, self._settings.max_attempts, only=names)
            watch.keep_results()
        return None if len(mine) == len(left) else left[len(mine)].queue(claim.recipe.profile)

    def _end_or_wait(self, claim: Claim, error: Exception) -> None:
        if waits(error):
            self._wait(claim, error)
        elif isinstance(error, PipelineError):
            self._end(claim, "failed", error)
        else:
            _log.error("onboarding", exc_info=error)
            self._end(claim, "failed", StageDefect(f"the onboarding stopped with {type(error).__name__}: {error}"))

    def _end(self, claim: Claim, status: str, error: PipelineError | None = None) -> None:
        self._claims.finish(claim, status, error)
        bind(stage=None, attempt=None)
        _log.info("job %s%s", status, f": {error}" if error else "")

    def _wait(self, claim: Claim, error: Exception) -> None:
        """Gives the job back for later. Its row may not be writable either, on a full disk or without the database: tried until it is."""
        while True:
            try:
                _log.warning("job waits for storage: %s", error)
                return self._claims.pause(claim, waiting(error), self._settings.retry_storage_s)
            except DBAPIError as refused:
                if not waits(refused) or self._stopping.wait(self._settings.beat_s):
                    raise

    def _beat(self) -> None:
        while not self._stopping.is_set():
            try:
                self._beats.beat(self._name, self._queue_name)
                if self._queue_name != queue.ESTIMATE and not self._busy.is_set():
                    for job_id in self._claims.due(self._queue_name)[:1]:
                        queue.wake(self._app, job_id, self._queue_name)
            except Exception:  # the next beat may find the database again
                _log.exception("beat")
            self._stopping.wait(self._settings.beat_s)

    def _stop(self, **_: Any) -> None:
        self._stopping.set()


def _bind_request(task: Any, **_: Any) -> None:
    """The lines of this thread tell of the message's request from here on, and no more of the last one's."""
    bind(**{**dict.fromkeys(FIELDS), "request_id": task.request.get(queue.REQUEST_ID)})


def main() -> None:
    settings = Settings()
    configure(settings.log_format)
    Worker(settings, sys.argv[1]).run()
