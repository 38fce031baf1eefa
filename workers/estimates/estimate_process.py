"""Questions are answered in a process of their own: one that crashes it, or never ends, costs its neighbours a second, not their answers.

The worker keeps this process, with the models that it has loaded, from question to question, and starts it anew after a crash.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from reconstruction.errors import PipelineError
from workers.files.opening import open_storage
from workers.logs import about, bound, configure
from workers.pipeline import Pipeline, load
from workers.rows.database import Database
from workers.settings import Settings

STUCK_S = 60.0  # past its deadline: far longer than any one box of a question takes
START_S = 300.0  # torch from a cold, busy disk


class EstimateCrashed(PipelineError):
    """The process ended without an answer, in native code or for want of memory, or had to be ended."""

    code = "estimate-crashed"


class EstimateProcess:
    """One question at a time, to the pipeline's estimator."""

    def __init__(self, settings: Settings, pipeline: Pipeline) -> None:
        self._settings, self._pipeline = settings, pipeline
        self._pipe: Connection | None = None
        self._process: SpawnProcess | None = None

    def start(self) -> None:
        """Returns once it can answer. Does nothing where it runs already. Raises EstimateCrashed."""
        if self._process is not None and self._process.is_alive():
            return
        self.stop()  # what is left of one that died
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        arguments = (theirs, self._settings, self._pipeline)
        self._process = spawn.Process(target=_answer_questions, args=arguments, name="estimates", daemon=True)
        self._process.start()
        theirs.close()
        self._exchange(None, START_S)

    def ask(self, question: dict[str, Any], deadline: float) -> dict[str, Any]:
        """What `workers.estimates.estimating.answer` says. deadline: seconds since 1970. Raises EstimateCrashed."""
        self.start()
        return self._exchange((question, deadline, about()), max(0.0, deadline - time.time()) + STUCK_S)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()

    def _exchange(self, message: tuple[dict[str, Any], float, dict[str, str | int]] | None, within_s: float) -> dict[str, Any]:
        assert self._pipe is not None
        assert self._process is not None
        try:
            if message is not None:
                self._pipe.send(message)
            if self._pipe.poll(within_s):
                return dict(self._pipe.recv())
            how = "was stuck"
        except (EOFError, OSError):
            self._process.join(5)
            status = self._process.exitcode or 0
            how = f"died ({signal.Signals(-status).name if status < 0 else f'exit status {status}'})"
        self.stop()
        raise EstimateCrashed(
            f"the process that works on this question {how}", try_next="send another image; the log of the estimate worker may say why"
        )


def _answer_questions(questions: Connection, settings: Settings, pipeline: Pipeline) -> None:
    """The process: until the worker is gone. A TERM is for the worker, which lets the question at hand be answered."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    configure(settings.log_format)
    threading.Thread(target=_follow_parent, name="leash", daemon=True).start()
    from workers.estimates.estimating import Estimators, answer

    load(pipeline.estimator)  # imports torch now, so that the first question need not wait for it
    estimators = Estimators(
        pipeline.estimator, pipeline.estimator_needs, settings.estimators_kept, settings.estimators_mib, pipeline.early_needs
    )
    storage = open_storage(settings, Database(settings.database), "estimators")
    questions.send({"ready": True})
    while True:
        try:
            question, deadline, asked = questions.recv()
        except EOFError:
            return
        with bound(**asked):
            questions.send(answer(estimators, storage, question, deadline))


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
