"""Milliseconds by step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._steps: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._steps[step] = self._steps.get(step, 0.0) + 1e3 * (time.perf_counter() - started)

    def finish(self) -> dict[str, float]:
        return {k: round(v, 2) for k, v in {**self._steps, "total": 1e3 * (time.perf_counter() - self._started)}.items()}
