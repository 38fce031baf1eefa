"""The children of `snap6d serve`: when they are started again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers import embedded
from workers.embedded import LASTING_S, Child


class Clock:
    """Time that passes when a test says so."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(embedded.time, "monotonic", lambda: found.now)  # type: ignore[attr-defined]
    return found


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    """It ends as soon as it has begun."""
    found = Child("short-lived", [sys.executable, "-c", ""], tmp_path / "log", {})
    yield found
    found.stop()


def pause_after(child: Child, clock: Clock, lived_s: float) -> float:
    """Seconds until it is started again, after it was started, lived so long and died."""
    assert child.process is not None
    child.process.wait(20)
    clock.now += lived_s
    died = clock.now
    child.keep_alive(lambda _: None)
    while child.process is None:
        clock.now += 0.25
        child.keep_alive(lambda _: None)
    return clock.now - died


def test_a_child_that_dies_soon_waits_longer_each_time_and_one_that_lasted_begins_anew(child: Child, clock: Clock) -> None:
    child.keep_alive(lambda _: None)
    assert [pause_after(child, clock, 1.0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert pause_after(child, clock, LASTING_S + 1) == 1
    assert pause_after(child, clock, 1.0) == 2
