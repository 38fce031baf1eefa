"""The API's side of image decoding: a few processes with limits, so that no uploaded byte meets a decoder in the API itself.

A process that dies or hangs over an image is replaced, and the image refused by name.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reconstruction.errors import ImageError, PipelineError, StorageError
from service.errors import DecoderMissing, TooLarge, UnsupportedMedia
from service.settings import ServiceSettings
from workers.failures import error_from_json

START_S = 60.0
TRIES = 2  # a process may die of something else than its image
_MAX_PACKET = 1 << 16
_PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")  # no addresses or keys of ours


@dataclass(frozen=True)
class Limits:
    """Of one image in one process."""

    pixels: int
    cpu_s: int
    wall_s: float
    memory_bytes: int


class _Died(Exception):
    """The process is gone."""


class _Costly(Exception):
    """The process had to go: the image took more than it may."""


class Decoders:
    """So many processes at most, started when they are first needed, each for one image at a time. For any number of threads."""

    def __init__(self, count: int, limits: Limits) -> None:
        self._limits = limits
        self._free: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(count):
            self._free.put(None)

    def clean(self, path: Path, name: str) -> str:
        """See service.cleaning.clean_image, which runs over there. Waits for a free process.

        Raises what it raises, ImageError for an image that its decoder did not survive, DecoderMissing.
        """
        return str(self._answer({"path": str(path.resolve()), "name": name[:300], "max_pixels": self._limits.pixels})["ending"])

    def shrink(self, path: Path, px: int, out: Path) -> None:
        """See service.shrinking.shrink_image. Waits and raises as `clean` does."""
        self._answer({"path": str(path.resolve()), "name": path.name, "px": px, "out": str(out.resolve())})

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        name = question["name"]
        for _ in range(TRIES):
            try:
                answer = self._ask(question)
            except _Died:
                continue
            except _Costly as error:
                raise ImageError(f"{name} takes too long to decode", try_next="save it again as a plain JPEG") from error
            if "error" in answer:
                raise _revived(answer["error"])
            return answer
        raise ImageError(f"{name} is damaged (its decoder dies)", try_next="save it again as JPEG or PNG, and send it again")

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        process = self._free.get()
        try:
            if process is None or not process.lives():
                process = _Process(self._limits)
            return process.ask(question)
        except (_Died, _Costly):
            process = None
            raise
        finally:
            self._free.put(process)


class _Process:
    """Raises DecoderMissing where it can't be started."""

    def __init__(self, limits: Limits) -> None:
        self._wall_s = limits.wall_s
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service.decoder", str(limits.cpu_s), str(limits.memory_bytes)],
                stdin=theirs.fileno(),
                cwd=Path(__file__).parents[1],
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            )
        try:
            self._receive(START_S)
        except (_Died, _Costly) as error:
            advice = "send it again; the API's log says what is missing"
            raise DecoderMissing("images can't be decoded just now", try_next=advice) from error

    def lives(self) -> bool:
        return self._process.poll() is None

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Raises _Died, _Costly; the process is gone then."""
        try:
            self._socket.send(json.dumps(question).encode())
        except OSError as error:
            self._kill()
            raise _Died from error
        return self._receive(self._wall_s)

    def _receive(self, within_s: float) -> dict[str, Any]:
        self._socket.settimeout(within_s)
        try:
            packet = self._socket.recv(_MAX_PACKET)
        except TimeoutError as error:
            self._kill()
            raise _Costly from error
        except OSError:
            packet = b""
        if packet:
            document: dict[str, Any] = json.loads(packet)
            return document
        if self._kill() == -signal.SIGXCPU:
            raise _Costly
        raise _Died

    def _kill(self) -> int:
        """Gives the status with which it ended, its own where it was dead already."""
        self._socket.close()
        try:
            return self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _revived(document: dict[str, Any]) -> PipelineError:
    """The error as an instance of the class that was raised over there, so that callers can tell them apart."""
    for kind in (TooLarge, UnsupportedMedia, ImageError, StorageError):
        if kind.code == document["code"]:
            return kind(document["what"], try_next=document["try_next"])
    return error_from_json(document)


def decoders(settings: ServiceSettings) -> Decoders:
    """Those of this process, shared by all requests."""
    limits = Limits(settings.max_pixels, settings.max_decode_cpu_s, settings.max_decode_s, settings.max_decode_bytes)
    return _decoders(settings.decoders, limits)


_decoders = cache(Decoders)
