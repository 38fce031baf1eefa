"""Threads apart from the common ones: for those who wait for a decoder, so that callers who only ask never wait behind them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

Answer = TypeVar("Answer")

IMAGES = 3
"""Single images at a time: they keep two decoders busy. Each more takes the interpreter from the event loop oftener: see BENCHMARKS.md."""
IMAGES_AFAR = 6
"""The same where images go to a bucket: they wait for the network meanwhile."""
FORMS = 40
"""Forms with many images, and videos: a small one should not wait until large ones are done."""


class Threads:
    """So many at a time; the next one waits without a thread."""

    def __init__(self, count: int) -> None:
        self._limiter = CapacityLimiter(count)

    async def run(self, function: Callable[..., Answer], *arguments: object) -> Answer:
        return await to_thread.run_sync(partial(function, *arguments), limiter=self._limiter)
