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


def test_what_takes_no_second_is_not_shown(clock: list[float]) -> None:
    told: list[StageEvent] = []
    preparing = Preparing(told.append)
    for step in range(1, 4):
        clock[0] += 0.3
        preparing(step, 3)
    assert told == []


def test_what_takes_longer_is_shown_once_a_second_and_to_its_end(clock: list[float]) -> None:
    told: list[StageEvent] = []
    preparing = Preparing(told.append)
    for step in range(1, 7):
        clock[0] += 0.6
        preparing(step, 6)
    assert [(event.stage, event.kind, event.step) for event in told] == [
        ("photos", "progress", 2),
        ("photos", "progress", 4),
        ("photos", "succeeded", 6),
    ]
