"""The process that decodes uploaded images, one at a time: `python -m service.decoder CPU_S MEMORY_BYTES`, its standard input a socket.

Each packet that comes is a question {"path", "name", "max_pixels"}, to be answered by {"ending"}, or {"path", "name", "px", "out"}, by {};
{"error"} answers either. It ends when the other side closes, and is killed by the kernel where an image costs more than it may.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from reconstruction.errors import PipelineError
from service.cleaning import clean_image
from service.shrinking import shrink_image
from workers.failures import error_to_json

MAX_PACKET = 1 << 16
_MAX_FILE_BYTES, _MAX_OPEN_FILES = 512 << 20, 64


def serve(peer: socket.socket, cpu_s: int) -> None:
    """Answers until the other side is gone."""
    peer.send(b"{}")  # ready
    while packet := peer.recv(MAX_PACKET):
        spent = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + 1 + cpu_s, resource.RLIM_INFINITY))
        peer.send(json.dumps(answer(json.loads(packet))).encode())


def answer(question: dict[str, Any]) -> dict[str, Any]:
    try:
        if "px" in question:
            shrink_image(Path(question["path"]), question["name"], question["px"], Path(question["out"]))
            return {}
        return {"ending": clean_image(Path(question["path"]), question["name"], question["max_pixels"])}
    except PipelineError as error:
        return {"error": error_to_json(error)}


def limit(memory_bytes: int) -> None:
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    os.nice(5)  # the API answers first


if __name__ == "__main__":
    Image.init()  # all plugins now: an image must not be refused because a module could not be loaded any more
    limit(int(sys.argv[2]))
    serve(socket.socket(fileno=0), int(sys.argv[1]))
