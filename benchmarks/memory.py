"""How much memory a benchmark's child processes took."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def peak_memory(every_s: float = 0.5) -> Iterator[Callable[[], float]]:
    """Gives a function that tells the most memory (GiB) that the processes under this one held at a time."""
    most, over = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(every_s):
            most = max(most, sum(_resident(child) for child in psutil.Process().children(recursive=True)))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: round(most / 2**30, 2)
    finally:
        over.set()
        thread.join()


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
