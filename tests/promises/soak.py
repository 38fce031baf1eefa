"""Everything that clients do, for a long time; what the processes hold is counted in the pauses."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
from effort import trials
from house import House, until
from uploads_made import options, photo

CLIENTS = 3
MEASURES = trials(2, 12)
PAUSE_S = 0.5
MORE_DESCRIPTORS, MORE_THREADS = trials(12, 6), 6
MORE_MIB, MORE_SHARE = trials(100, 12), 0.10
"""How much more a process may hold at the end than at first: what is larger counts as growth. A short soak warms nothing up."""

# Each with what it starts: decoders, the process that answers estimates.
PROCESSES = {
    "api": ("service.app:from_environment",),
    "worker-cpu": ("workers", "cpu"),
    "worker-estimate": ("workers", "estimate"),
}


@dataclass(frozen=True)
class Held:
    descriptors: int
    threads: int
    mib: float


class Soak:
    def __init__(self, house: House) -> None:
        self.requests, self.errors = 0, list[str]()
        self.measured: dict[str, list[Held]] = defaultdict(list)
        self._house, self._going, self._over = house, threading.Event(), threading.Event()
        self._idle = threading.Semaphore(0)
        self._seconds = 0.0
        self._ready = self._onboard(house.server.client)

    def run(self, seconds: float) -> None:
        """A quarter of the time to warm up, then measure by measure."""
        threads = [threading.Thread(target=self._ask_on, args=(random.Random(seed),)) for seed in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            self._let_go(seconds / 4)
            for _ in range(MEASURES):
                self._measure()
                self._let_go(seconds * 3 / 4 / MEASURES)
            self._measure()
        finally:
            self._over.set()
            self._going.set()
            for thread in threads:
                thread.join()
        self._seconds = seconds

    def grown(self) -> list[str]:
        """Processes that hold more than the margin at the end."""
        wrong = []
        for name, measured in self.measured.items():
            first, last = _ends(measured)
            most_mib = first.mib + max(MORE_MIB, MORE_SHARE * first.mib)
            most = Held(first.descriptors + MORE_DESCRIPTORS, first.threads + MORE_THREADS, most_mib)
            if last.descriptors > most.descriptors or last.threads > most.threads or last.mib > most.mib:
                wrong.append(f"{name}: {first} -> {last}")
        return wrong

    @property
    def figure(self) -> str:
        parts = []
        for name, measured in self.measured.items():
            a, b = _ends(measured)
            parts.append(
                f"{name} {a.descriptors}->{b.descriptors} descriptors, {a.threads}->{b.threads} threads, {a.mib:.0f}->{b.mib:.0f} MiB"
            )
        return f"{self.requests} requests in {self._seconds / 60:.1f} min: {'; '.join(parts)}"

    def _let_go(self, seconds: float) -> None:
        self._going.set()
        time.sleep(seconds)

    def _measure(self) -> None:
        """Once every client has closed its connections and the last job is over."""
        self._going.clear()
        for _ in range(CLIENTS):
            assert self._idle.acquire(timeout=60), "a client hangs"
        client = self._house.server.client
        until(lambda: all(job["finished_at"] for job in client.get("/v1/jobs", params={"limit": 20}).raise_for_status().json()), 120)
        time.sleep(PAUSE_S)
        for name, words in PROCESSES.items():
            process = self._house.one(*words)
            family = [process, *process.children(recursive=True)]
            counted = ((p.num_fds(), p.num_threads(), p.memory_info().rss / 2**20) for p in family)
            self.measured[name].append(Held(*(sum(numbers) for numbers in zip(*counted, strict=True))))

    def _ask_on(self, rng: random.Random) -> None:
        while self._going.wait() and not self._over.is_set():
            with httpx.Client(base_url=self._house.server.client.base_url, timeout=60) as client:
                while self._going.is_set() and not self._over.is_set():
                    try:
                        rng.choice((self._object, self._draft, self._poses, self._poses, self._reading, self._breaking_off, self._wrong))(
                            client
                        )
                    except (httpx.HTTPError, AssertionError) as error:
                        self.errors.append(repr(error))
            self._idle.release()

    def _keep(self, answer: httpx.Response, *statuses: int) -> Any:
        self.requests += 1
        assert answer.status_code in statuses, f"{answer.request.method} {answer.url}: {answer.text}"
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.content

    def _onboard(self, client: httpx.Client) -> str:
        sent = client.post("/v1/objects", files={"photos": ("a.jpg", photo(1))}, data=options(profile="preview"))
        accepted = self._keep(sent, 202)
        while True:
            job = self._keep(client.get(f"/v1/jobs/{accepted['job']['id']}", params={"wait": 5}), 200)
            if job["status"] == "succeeded":
                return str(accepted["id"])
            assert job["status"] in ("queued", "running"), job

    def _object(self, client: httpx.Client) -> None:
        self._keep(client.delete(f"/v1/objects/{self._onboard(client)}"), 204)

    def _draft(self, client: httpx.Client) -> None:
        object_id = self._keep(client.post("/v1/objects", json={}, headers={"Idempotency-Key": str(random.random())}), 201)["id"]
        for number in range(4):
            self._keep(client.put(f"/v1/objects/{object_id}/images/{number}.jpg", content=photo(number)), 201)
        self._keep(client.delete(f"/v1/objects/{object_id}"), 204)

    def _poses(self, client: httpx.Client) -> None:
        asked = options(object_ids=[self._ready], K=[60, 60, 32, 24])
        self._keep(client.post("/v1/estimate", files={"image": ("x.jpg", photo(2))}, data=asked), 200, 429, 503)

    def _reading(self, client: httpx.Client) -> None:
        for path in (
            "objects",
            "jobs",
            f"objects/{self._ready}",
            f"objects/{self._ready}/artifacts",
            f"objects/{self._ready}/images",
            "info",
        ):
            self._keep(client.get(f"/v1/{path}"), 200)
        job_id = client.get(f"/v1/objects/{self._ready}").json()["job_id"]
        self._keep(client.get(f"/v1/jobs/{job_id}/events"), 200)
        self._keep(client.get("/metrics"), 200)

    def _breaking_off(self, client: httpx.Client) -> None:
        """A client that goes away in the middle of its upload."""

        def half() -> Any:
            yield b"a" * 1000
            raise httpx.WriteError("gone")

        self.requests += 1
        with suppress(httpx.WriteError):
            client.put(f"/v1/objects/{self._ready}/images/b.jpg", content=half(), headers={"Content-Length": "5000"})

    def _wrong(self, client: httpx.Client) -> None:
        self._keep(client.get("/v1/objects/obj_0"), 404)
        self._keep(client.put(f"/v1/objects/{self._ready}/images/c.jpg", content=b"no image"), 415)


def _ends(measured: list[Held]) -> tuple[Held, Held]:
    """What is typical of the first third and of the last one."""
    third = max(1, len(measured) // 3)
    return _typical(measured[:third]), _typical(measured[-third:])


def _typical(measured: list[Held]) -> Held:
    """Each number's median."""
    middle = len(measured) // 2
    return Held(*(sorted(getattr(held, name) for held in measured)[middle] for name in ("descriptors", "threads", "mib")))  # type: ignore[arg-type]
