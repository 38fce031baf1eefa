"""No orphans: a process that ends together with the one that started it, however that one ended.

The parent keeps the write end of the child's standard input open; when the parent is gone, killed or not, the child reads
the end of the file. `python -m workers.leash COMMAND...` puts any program on such a leash.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

GRACE_S = 10.0


def follow_parent(at_end: Callable[[], None]) -> None:
    """Calls `at_end` from a thread once standard input ends. The parent must have opened it as a pipe."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        at_end()

    threading.Thread(target=watch, name="leash", daemon=True).start()


def kill_own_group() -> None:
    """Ends this process and whatever it started, at once. For the leader of a process group only."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def stop_group(process: subprocess.Popen, grace_s: float = GRACE_S) -> None:
    """TERM to the process and its group, KILL to whatever is left after `grace_s`. The process must lead its group."""
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline and _group_lives(process):
            time.sleep(0.02)
    process.wait()


def _group_lives(process: subprocess.Popen) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def hold(command: list[str]) -> int:
    """Runs `command` in this process group until it ends, this process gets a TERM, or the parent is gone."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)

    def stop() -> None:
        child.terminate()
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            kill_own_group()

    # The TERM to the whole group has reached the command too: only wait for it here.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    follow_parent(stop)
    return child.wait()


if __name__ == "__main__":
    sys.exit(hold(sys.argv[1:]))
