"""A service on stages that write down what they do, and hands that kill its processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from ledger import VARIABLE, Ledger
from served import ROOT, Server, start_server

Say = Callable[[str, int], None]
"""Puts a figure and the number of trials into the report."""

HERE = Path(__file__).parent
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(str(path) for path in (ROOT, HERE, HERE.parent / "workers")),
    "SNAP6D_PIPELINE": "promise_stages:PIPELINE",
    "SNAP6D_MAX_PHOTOS": "120",
    "SNAP6D_MAX_FILE_BYTES": "1000000",
    "SNAP6D_MAX_UPLOAD_BYTES": "64000000",
    "SNAP6D_MAX_PIXELS": "4000000",
}


def until(condition: Callable[[], Any], within_s: float) -> float:
    """Seconds that it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within_s, "it did not come to that"
        time.sleep(0.02)
    return time.monotonic() - started


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class House:
    data: Path
    ledger: Ledger
    server: Server

    @classmethod
    def open(cls, folder: Path) -> House:
        ledger = Ledger(folder / "ledger")
        return cls(folder / "data", ledger, _serve(folder / "data", ledger))

    def restart(self) -> None:
        """So that no process of it has died yet."""
        self.server.stop()
        self.server = _serve(self.data, self.ledger)

    def kill(self) -> None:
        """Every process of the service, at once. It is not started again."""
        family = [self.server.process, *self.family()]
        for process in family:
            with_ignored_absence(process.send_signal, signal.SIGKILL)
        self.server.process.wait()
        until(lambda: not any(lives(process) for process in family[1:] if isinstance(process, psutil.Process)), 15)

    def start(self) -> None:
        self.server.client.close()
        self.server = _serve(self.data, self.ledger)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.server.process.pid).children(recursive=True)

    def find(self, *words: str) -> list[psutil.Process]:
        """Processes of the service whose command has all of these words; not the leashes that lead there."""
        found = []
        for process in self.family():
            try:
                command = process.cmdline()
            except psutil.Error:
                continue
            if "workers.leash" not in command and all(word in command for word in words):
                found.append(process)
        return found

    def one(self, *words: str, within_s: float = 30.0) -> psutil.Process:
        """The one of these words, as soon as there is one."""
        until(lambda: self.find(*words), within_s)
        found = self.find(*words)
        return found[0] if found else self.one(*words, within_s=within_s)

    def ask(self, path: str, within_s: float = 60.0, **parameters: Any) -> Any:
        """As a client that asks again where a connection broke."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                answer = self.server.client.get(path, params=parameters)
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
                continue
            assert answer.status_code == 200, answer.text
            return answer.json()

    def end(self, job_id: str, within_s: float = 90.0) -> dict[str, Any]:
        """The job when it is over."""
        deadline = time.monotonic() + within_s
        while True:
            job: dict[str, Any] = self.ask(f"/v1/jobs/{job_id}", wait=1)
            if job["status"] in ("succeeded", "failed", "canceled"):
                return job
            assert time.monotonic() < deadline, job

    @contextmanager
    def frozen(self, *processes: psutil.Process) -> Iterator[None]:
        """They stand still meanwhile, and not in the middle of a write: SQLite lets nobody in before it is over."""
        try:
            while True:
                for process in processes:
                    process.send_signal(signal.SIGSTOP)
                if self._is_writable():
                    break
                for process in processes:
                    process.send_signal(signal.SIGCONT)
                time.sleep(0.1)
            yield
        finally:
            for process in processes:
                with_ignored_absence(process.send_signal, signal.SIGCONT)

    def _is_writable(self) -> bool:
        with closing(sqlite3.connect(self.data / "snap6d.sqlite", timeout=2.0, isolation_level=None)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            db.execute("ROLLBACK")
            return True

    @contextmanager
    def second_worker(self) -> Iterator[psutil.Popen]:
        """Another one beside the service's own, with the same settings."""
        environment = self.one("workers", "cpu").environ()
        with (self.data / "logs" / "second.log").open("ab") as log:
            worker = psutil.Popen([sys.executable, "-m", "workers", "cpu"], env=environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield worker
        finally:
            worker.terminate()
            worker.wait(30)


def with_ignored_absence(call: Callable[..., Any], *arguments: Any) -> None:
    """Of a process that has ended by itself meanwhile."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        call(*arguments)


def _serve(data: Path, ledger: Ledger) -> Server:
    return start_server(data, **ENVIRONMENT, **{VARIABLE: str(ledger.path)})
