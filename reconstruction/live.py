"""What a running stage shows to people who watch: small files in live/STAGE/, each replaced whole; and the curve of a training.

Looking changes nothing: what is shown is made of what is there, takes a small share of the time, and may fail.
"""

from __future__ import annotations

import json
import math
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, SupportsFloat

SHARE = 0.01
"""Of a stage's time, for each file that it shows."""
MOST_ROWS = 500
CURVE = "curve.json"
CURVE_EVERY_S = 5.0


class Live:
    """The folder of one stage; with none nobody watches."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._shown = folder, dict[str, tuple[float, float]]()

    def show(self, name: str, make: Callable[[], bytes], every_s: float) -> None:
        """Shows what `make` gives under this name, unless that was done less than `every_s` ago (0: now). Failures are only logged."""
        started = time.monotonic()
        ended, took = self._shown.get(name, (-math.inf, 0.0))
        if self._folder is None or (every_s and started < ended + max(every_s, took / SHARE)):
            return
        try:
            self._replace(name, make())
        except Exception:  # a full disk, a surface that is none yet: no reason to stop what is only looked at
            traceback.print_exc()
        ended = time.monotonic()
        self._shown[name] = ended, ended - started

    def _replace(self, name: str, content: bytes) -> None:
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{name}.partial"
        partial.write_bytes(content)
        partial.replace(self._folder / name)


class Curve:
    """A training's numbers at every so many of its steps, at most 500 times: the same rows wherever the same training runs."""

    def __init__(self, steps: int) -> None:
        self._steps, self._every = steps, math.ceil(steps / (MOST_ROWS - 1))
        self._rows: list[dict[str, float | None]] = []
        self._noted: list[tuple[int, Mapping[str, SupportsFloat]]] = []

    def note(self, step: int, **numbers: SupportsFloat) -> None:
        """What is on an accelerator stays there until somebody asks for the rows."""
        if step % self._every == 0 or step == self._steps:
            self._noted.append((step, numbers))

    @property
    def rows(self) -> list[dict[str, float | None]]:
        self._rows += [{"step": step, **{name: _short(float(value)) for name, value in row.items()}} for step, row in self._noted]
        self._noted = []
        return self._rows

    def go_on(self, rows: list[dict[str, Any]]) -> None:
        """With the rows of a training that was stopped."""
        self._rows, self._noted = list(rows), []

    def encoded(self) -> bytes:
        return json.dumps({"rows": self.rows, "steps": self._steps}).encode()


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
