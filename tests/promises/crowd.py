"""Many clients at once, and one beside them that asks for a job again and again."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acknowledged import Sent, wrong_images
from house import House

ASK_EVERY_S = 0.02


@dataclass(frozen=True)
class Seen:
    """`errors`: statuses of refusals; `api_mib`: the API's largest resident memory; `p99_ms`: of GET of a job meanwhile."""

    errors: list[int]
    acknowledged: int
    api_mib: float
    p50_ms: float
    p99_ms: float
    figure: str


class Crowd:
    def __init__(self, house: House, job_id: str, clients: int, photos: int) -> None:
        self._house, self._job_id, self._clients, self._photos = house, job_id, clients, photos
        self._told: dict[str, Any] = {}

    def let_in(self) -> Seen:
        url = str(self._house.server.client.base_url)
        command = [sys.executable, str(Path(__file__).with_name("uploaders.py")), url, str(self._clients), str(self._photos)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as uploaders:
            took = self._ask_meanwhile(uploaders)
            assert uploaders.stdout
            self._told = json.loads(uploaders.stdout.read())
        return self._seen(took)

    def missing(self) -> list[str]:
        """Of all clients: images that are not there, or not as they were sent."""
        hashes = [(str(k), sha256) for k, sha256 in enumerate(self._told["sha256"])]
        return wrong_images(self._house, [Sent(c["object"], *named) for c in self._told["clients"] for named in hashes])

    def _ask_meanwhile(self, uploaders: subprocess.Popen[str]) -> list[float]:
        """Milliseconds that each answer took."""
        took = []
        while uploaders.poll() is None:
            started = time.perf_counter()
            self._house.server.client.get(f"/v1/jobs/{self._job_id}").raise_for_status()
            took.append((time.perf_counter() - started) * 1000)
            time.sleep(ASK_EVERY_S)
        return took

    def _seen(self, took: list[float]) -> Seen:
        clients = self._told["clients"]
        errors = [status for client in clients for status in client["statuses"] if status not in (201, 202)]
        acknowledged = sum(client["acknowledged"] for client in clients) if not errors else 0
        api = self._house.one("service.app:from_environment")
        peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{api.pid}/status").read_text())
        api_mib = int(peak.group(1)) / 1024 if peak else float("inf")
        cuts = statistics.quantiles(took, n=100, method="inclusive")
        sizes, seconds = self._told["bytes"], self._told["seconds"]
        figure = (
            f"{self._clients} clients x {self._photos} photos of {min(sizes) // 1000} to {max(sizes) // 1000} kB in {seconds:.0f} s: "
            f"{len(errors)} refused, API at most {api_mib:.0f} MiB, GET of a job p50 {cuts[49]:.0f} ms, "
            f"p99 {cuts[98]:.0f} ms of {len(took)}"
        )
        return Seen(errors, acknowledged, api_mib, cuts[49], cuts[98], figure)
