"""What stages really did, whatever the rows say: one line an event, in a file that the service knows nothing of."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = "SNAP6D_TEST_LEDGER"


def note(object_id: str, stage: str, event: str, step: int = 0) -> None:
    """Appended by one write, so that a kill leaves a whole line or none."""
    line = {"at": time.time(), "pid": os.getpid(), "object": object_id, "stage": stage, "event": event, "step": step}
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{json.dumps(line)}\n".encode())
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Ledger:
    path: Path

    def lines(self, *objects: str) -> list[dict[str, Any]]:
        """Those of these objects, in the order in which they were written."""
        found = [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []
        return [line for line in found if line["object"] in objects]

    def now(self, *objects: str) -> tuple[str, str] | None:
        """The object and the stage that is at work; None between two stages."""
        lines = self.lines(*objects)
        return (lines[-1]["object"], lines[-1]["stage"]) if lines and lines[-1]["event"] != "committed" else None

    def committed(self, *objects: str) -> Counter[tuple[str, str]]:
        """Object and stage -> how often its output was put in its place."""
        return Counter((line["object"], line["stage"]) for line in self.lines(*objects) if line["event"] == "committed")

    def repeated(self, *objects: str) -> Counter[tuple[str, str]]:
        """Object and stage -> steps that were done again."""
        done = Counter((line["object"], line["stage"], line["step"]) for line in self.lines(*objects) if line["event"] == "step")
        again: Counter[tuple[str, str]] = Counter()
        for (object_id, stage, _), times in done.items():
            again[object_id, stage] += times - 1
        return again
