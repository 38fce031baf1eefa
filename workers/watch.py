"""Between a running pipeline and its rows: the lease, cancellation, progress, and the files that each stage leaves."""

from __future__ import annotations

import logging
import threading
import time

from reconstruction.errors import StorageError
from workers.claims import Claim, ClaimStore
from workers.failures import Canceled
from workers.parts import Parts, scratch_of
from workers.pipeline import StageEvent
from workers.storage import Storage

NOTES = ("logs", "attempt")
"""Parts that are worth a look while a stage runs, and after it has failed."""
NOTES_EVERY_S = 20.0
_log = logging.getLogger("snap6d")


class Watch:
    """Keeps the lease, asks for cancellation, writes progress at most once a second, stores what a stage made before it counts."""

    def __init__(self, claims: ClaimStore, storage: Storage, claim: Claim, stopping: threading.Event, lease_s: float) -> None:
        self._claims, self._storage, self._claim, self._stopping = claims, storage, claim, stopping
        self._every_s = min(1.0, lease_s / 5)
        self._beaten = self._written = self._told = 0.0
        self._noted = time.monotonic()
        self._stage = ""
        self.canceling = False

    def should_cancel(self) -> bool:
        """Raises LeaseLost."""
        self._beat()
        return self.canceling or self._stopping.is_set()

    def check(self) -> None:
        """Raises LeaseLost, and Canceled where the job is to stop."""
        if self.should_cancel():
            raise Canceled("the onboarding was stopped", try_next="resume it: finished stages are kept")

    def tell(self, done: int, total: int) -> None:
        """Of files on their way."""
        self.check()
        now = time.monotonic()
        if total and now - self._told > 2:
            _log.info("job %s: %d of %d files moved", self._claim.job_id, done, total)
            self._told = now

    def record(self, event: StageEvent) -> None:
        """What happened to a stage; with its success its files. Raises LeaseLost, Canceled, StorageError."""
        now, self._stage = time.monotonic(), event.stage
        if event.kind in ("succeeded", "skipped"):
            self._claims.record(self._claim, event, self._keep(event.stage, scratch_of(event.stage), *NOTES))
        elif event.kind == "failed":
            self._claims.record(self._claim, event, self._keep_notes())
        elif event.kind != "progress" or now - self._written > self._every_s:
            notes_due = now - self._noted > NOTES_EVERY_S
            self._claims.record(self._claim, event, self._keep_notes() if notes_due else None)
            self._written = now

    def keep_results(self) -> None:
        """What was published counts; what earlier runs have left and no longer counts is removed."""
        self._claims.record_parts(self._claim, self._keep("published", *NOTES))
        try:
            self._storage.clean(self._claim.object_id, self._claim.label)
        except StorageError:
            _log.exception("job %s: what no longer counts is left in the storage", self._claim.job_id)

    def keep_unfinished(self) -> None:
        """For whoever goes on, maybe on another machine: the checkpoints of the stage that was interrupted. Raises LeaseLost."""
        if self._stage:
            parts = (scratch_of(self._stage), *NOTES)
            try:
                kept = self._storage.keep(self._claim.object_id, parts, self._claim.label, lambda done, total: self._beat())
                self._claims.record_parts(self._claim, kept)
            except StorageError:
                _log.exception("job %s: stage %s starts anew on another machine", self._claim.job_id, self._stage)

    def _keep(self, *parts: str) -> Parts:
        return self._storage.keep(self._claim.object_id, parts, self._claim.label, self.tell)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten > self._every_s:
            self.canceling = self._claims.beat(self._claim)
            self._beaten = now

    def _keep_notes(self) -> Parts:
        """Not worth an onboarding, nor hiding why a stage failed."""
        self._noted = time.monotonic()
        try:
            return self._keep(*NOTES)
        except StorageError:
            _log.exception("job %s: its logs were not stored", self._claim.job_id)
            return {}
