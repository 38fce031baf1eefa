"""`snap6d serve`: when its children are started again, and a port that is not free yet."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers import embedded
from workers.embedded import LASTING_S, Child, ServerError, _sole_server, listening


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


def test_the_port_of_a_killed_server_is_waited_for_and_any_other_is_not(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dying:
        port = dying.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port}"), listening("127.0.0.1", port):
            pass
        threading.Timer(0.3, dying.close).start()
        with listening("127.0.0.1", port, patience_s=20) as listener:
            assert listener.getsockname()[1] == port


def test_a_server_knows_whether_the_last_one_was_killed(tmp_path: Path) -> None:
    killed_at_once = """
import os, pathlib, sys, workers.embedded
serving = workers.embedded._sole_server(pathlib.Path(sys.argv[1]))
serving.__enter__()
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", killed_at_once, tmp_path], cwd=Path(__file__).parents[2]).returncode == 9
    with _sole_server(tmp_path) as killed:
        assert killed
        with pytest.raises(ServerError, match="served already"), _sole_server(tmp_path):
            pass
    with _sole_server(tmp_path) as killed:
        assert not killed
