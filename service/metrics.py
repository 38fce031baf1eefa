"""/metrics, for Prometheus: what this process answered, and what the rows say of the whole deployment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconstruction.errors import PipelineError
from workers.rows.census import Census, take_census
from workers.rows.database import Database

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


@dataclass
class Outcome:
    """Of an estimate, by one word: found, none, or the code of the error."""

    word: str = "internal-error"


class Metrics:
    """Labels are bounded: routes as they are declared, never a path, an object or a tenant."""

    def __init__(self, database: Database, live_within_s: float) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "snap6d_request_seconds",
            "Requests answered by this process, and how long they took, waiting and streaming included",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._received = Counter(
            "snap6d_received_bytes", "Bytes of request bodies, uploads above all", ("method", "route"), registry=self.registry
        )
        self._estimates = Histogram(
            "snap6d_estimate_seconds",
            "Estimates asked of this process by outcome: found, none, or an error's code",
            ("outcome",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Rows(database, live_within_s))

    def answered(self, method: str, route: str, status: int, seconds: float, received: int) -> None:
        method = method if method in METHODS else "other"
        self._requests.labels(method, route, status).observe(seconds)
        if received:
            self._received.labels(method, route).inc(received)

    @contextmanager
    def estimate(self) -> Iterator[Outcome]:
        """Counts what is asked within the block, by the outcome that is written into what it gives."""
        outcome, started = Outcome(), time.perf_counter()
        try:
            yield outcome
        except PipelineError as error:
            outcome.word = error.code
            raise
        finally:
            self._estimates.labels(outcome.word).observe(time.perf_counter() - started)


class _Rows(Collector):
    """Reads the rows each time it is asked."""

    def __init__(self, database: Database, live_within_s: float) -> None:
        self._database, self._live_within_s = database, live_within_s

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering asks no database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        return families(take_census(self._database, self._live_within_s))


def families(census: Census) -> Iterator[Metric]:
    """Gauges, not counters: what is deleted takes its rows along, and they go down."""
    jobs = GaugeMetricFamily("snap6d_jobs", "Jobs by status", labels=["status"])
    for status, count in census.jobs.items():
        jobs.add_metric([status], count)
    waiting = GaugeMetricFamily("snap6d_queue_jobs", "Jobs that wait for a worker", labels=["queue"])
    oldest = GaugeMetricFamily("snap6d_queue_oldest_seconds", "How long the job has waited that waits longest", labels=["queue"])
    workers = GaugeMetricFamily("snap6d_workers", "Workers that gave a sign of life lately", labels=["queue"])
    for name, queue in census.queues.items():
        waiting.add_metric([name], queue.waiting)
        oldest.add_metric([name], queue.oldest_s)
        workers.add_metric([name], queue.workers)
    attempts = GaugeMetricFamily("snap6d_stage_attempts", "Attempts at stages, of all objects there are", labels=["stage", "outcome"])
    seconds = GaugeMetricFamily("snap6d_stage_seconds", "Seconds that these attempts took", labels=["stage", "outcome"])
    for (stage, outcome), (count, took) in census.stages.items():
        attempts.add_metric([stage, outcome], count)
        seconds.add_metric([stage, outcome], took)
    yield from (jobs, waiting, oldest, workers, attempts, seconds)
