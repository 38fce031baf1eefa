"""What is shown before the first stage."""

from __future__ import annotations

import time

import pytest

from workers.command.console import Preparing
from workers.pipeline import StageEvent


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its one number is the time."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def shown(clock: list[float], steps: int, each_s: float) -> list[StageEvent]:
    """Of so many steps that take so long each."""
    told: list[StageEvent] = []
    preparing = Preparing(told.append)
    for step in range(1, steps + 1):
        clock[0] += each_s
        preparing(step, steps)
    return told


def test_what_takes_no_second_is_not_shown(clock: list[float]) -> None:
    assert shown(clock, steps=3, each_s=0.3) == []


def test_what_takes_longer_is_shown_once_a_second_and_to_its_end(clock: list[float]) -> None:
    assert [(event.stage, event.kind, event.step) for event in shown(clock, steps=6, each_s=0.6)] == [
        ("photos", "progress", 2),
        ("photos", "progress", 4),
        ("photos", "succeeded", 6),
    ]
