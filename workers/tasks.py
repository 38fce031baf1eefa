"""The Celery worker: `python -m workers.tasks cpu|gpu|estimate`. Threads, never fork: torch does not survive a fork.

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
from itertools import takewhile
from typing import Any

from celery import signals

from reconstruction.errors import PipelineError
from workers import queue
from workers.claims import Claim, ClaimStore, LeaseLost
from workers.estimating import Estimators, answer
from workers.failures import Canceled, StageDefect
from workers.pipeline import Pipeline, load
from workers.runner import run_pipeline
from workers.settings import Settings
from workers.storage import open_storage, sweep_regularly
from workers.tables import Database
from workers.watch import Watch

_log = logging.getLogger("snap6d")


class Worker:
    """Serves one queue, one message at a time."""

    def __init__(self, settings: Settings, queue_name: str) -> None:
        pipeline: Pipeline = load(settings.pipeline)
        self._settings, self._queue_name = settings, queue_name
        self._name = f"{queue_name}@{socket.gethostname()}-{os.getpid()}"
        self._pipeline = pipeline
        database = Database(settings.database)
        self._claims = ClaimStore(database, settings.pipeline, settings.lease_s, settings.max_attempts)
        self._storage = open_storage(settings, database, "estimators" if queue_name == queue.ESTIMATE else "objects")
        self._estimators = Estimators(pipeline.estimator, pipeline.estimator_needs, settings.estimators_kept)
        self._stopping, self._busy = threading.Event(), threading.Event()
        self._app = queue.celery_app(settings.broker_url)
        if queue_name == queue.ESTIMATE:
            load(pipeline.estimator)  # imports torch now, so that the first question need not wait for it
            self._app.task(name=queue.ESTIMATE_TASK)(self.estimate)
        else:
            self._app.task(name=queue.ONBOARD_TASK)(self.onboard)

    def run(self) -> None:
        """Until a TERM: a running stage is stopped and its job given back, an estimate is finished."""
        signals.worker_shutting_down.connect(self._stop, weak=False)
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        sweep_regularly(self._storage, self._stopping)
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
        names = [f"--queues={self._queue_name}", f"--hostname={self._name}"]
        self._app.worker_main(["worker", "--pool=threads", "--concurrency=1", *names, *quiet])

    def onboard(self, job_id: str) -> None:
        """Claims the job and runs what is left of its pipeline. Does nothing where someone else has it."""
        claim = None if self._stopping.is_set() else self._claims.claim(job_id, self._name, self._queue_name)
        if claim is None:
            return
        self._busy.set()
        try:
            self._work_on(claim)
        except LeaseLost as error:
            _log.warning("%s", error)
        finally:
            self._busy.clear()

    def estimate(self, envelope: dict[str, Any]) -> None:
        """Answers one question, unless nobody waits for the answer any more."""
        if time.time() > envelope["deadline"]:
            return
        try:
            document = answer(self._estimators, self._storage, envelope["question"])
        except Exception as error:
            _log.exception("estimate")
            what = f"the estimate stopped with {type(error).__name__}: {error}"
            document = {"error": {"code": "internal-error", "what": what, "try_next": "see the worker's log"}}
        queue.reply(self._app, envelope, document)

    def _work_on(self, claim: Claim) -> None:
        """Ends with the job succeeded, failed, canceled, or given back: for another queue, or because this worker is leaving."""
        watch = Watch(self._claims, self._storage, claim, self._stopping, self._settings.lease_s)
        try:
            next_queue = self._run_mine(claim, watch)
        except LeaseLost:
            raise
        except Canceled as error:
            if watch.canceling:
                self._claims.finish(claim, "canceled", error)
            else:
                watch.keep_unfinished()
                self._claims.release(claim)
        except PipelineError as error:
            self._claims.finish(claim, "failed", error)
        except Exception as error:
            _log.exception("job %s", claim.job_id)
            self._claims.finish(claim, "failed", StageDefect(f"the onboarding stopped with {type(error).__name__}: {error}"))
        else:
            if next_queue is None:
                self._claims.finish(claim, "succeeded")
            else:
                self._claims.release(claim, next_queue)
                queue.wake(self._app, claim.job_id, next_queue)

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

    def _beat(self) -> None:
        while not self._stopping.is_set():
            try:
                self._claims.worker_beat(self._name, self._queue_name)
                if self._queue_name != queue.ESTIMATE and not self._busy.is_set():
                    for job_id in self._claims.due(self._queue_name)[:1]:
                        queue.wake(self._app, job_id, self._queue_name)
            except Exception:  # the next beat may find the database again
                _log.exception("beat")
            self._stopping.wait(self._settings.beat_s)

    def _stop(self, **_: Any) -> None:
        self._stopping.set()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    Worker(Settings(), sys.argv[1]).run()
