"""Between a running pipeline and its rows: the lease, cancellation, progress, and the files that each stage leaves."""

from __future__ import annotations

import logging
import threading
import time

from reconstruction.errors import StorageError
from workers.failures import Canceled
from workers.files.space import check_space
from workers.files.storage import Storage
from workers.logs import bind
from workers.pipeline import StageEvent
from workers.rows.claims import Claim, ClaimStore
from workers.rows.parts import Parts, scratch_of
from workers.settings import Settings

NOTES = ("logs", "attempt", "live")
"""Parts that are worth a look while a stage runs, and after it has failed."""
NOTES_EVERY_S = 20.0
_log = logging.getLogger("snap6d")


class Watch:
    """Keeps the lease, asks for cancellation, writes progress at most once a second, stores what a stage made before it counts."""

    def __init__(self, claims: ClaimStore, storage: Storage, claim: Claim, stopping: threading.Event, settings: Settings) -> None:
        self._claims, self._storage, self._claim, self._stopping, self._settings = claims, storage, claim, stopping, settings
        self._every_s = min(1.0, settings.lease_s / 5)
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
            _log.info("%d of %d files moved", done, total)
            self._told = now

    def record(self, event: StageEvent) -> None:
        """What happened to a stage; with its success its files. Raises LeaseLost, Canceled, and StorageError, for want of space too."""
        now, self._stage = time.monotonic(), event.stage
        if event.kind == "started":
            check_space(self._settings.data, self._settings.min_free_bytes)
        if event.kind == "progress" and now - self._written <= self._every_s:
            return
        bind(stage=event.stage, attempt=self._claims.record(self._claim, event, self._files(event)))
        self._written = now
        if event.kind != "progress":
            _log.info("stage %s %s", event.stage, event.kind)

    def keep_results(self) -> None:
        """What was published counts; what earlier runs have left and no longer counts is removed."""
        self._claims.record_parts(self._claim, self._keep("published", *NOTES))
        try:
            self._storage.clean(self._claim.object_id, self._claim.label)
        except StorageError:
            _log.exception("what no longer counts is left in the storage")

    def keep_unfinished(self) -> None:
        """For whoever goes on, maybe on another machine: the checkpoints of the stage that was interrupted. Raises LeaseLost."""
        if self._stage:
            parts = (scratch_of(self._stage), *NOTES)
            try:
                kept = self._storage.keep(self._claim.object_id, parts, self._claim.label, lambda done, total: self._beat())
                self._claims.record_parts(self._claim, kept)
            except StorageError:
                _log.exception("stage %s starts anew on another machine", self._stage)

    def _files(self, event: StageEvent) -> Parts:
        """To be recorded with the event."""
        if event.kind in ("succeeded", "skipped"):
            return self._keep(event.stage, scratch_of(event.stage), *NOTES)
        notes_due = event.kind == "failed" or time.monotonic() - self._noted > NOTES_EVERY_S
        return self._keep_notes() if notes_due else {}

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
            _log.exception("the logs were not stored")
            return {}
