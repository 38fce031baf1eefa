"""The twelve promises of the service, and the tests that hold each: the one table of them."""

from __future__ import annotations

from dataclasses import dataclass

SERVICE, WORKERS, HERE = "tests/service", "tests/workers", "tests/promises/test_promises.py"


@dataclass(frozen=True)
class Promise:
    """`tests`: what pytest is given. `benchmark`: a module that is run besides, with a file that tells how many requests failed."""

    text: str
    tests: tuple[str, ...]
    benchmark: str = ""


PROMISES = {
    1: Promise(
        "kill -9 of API, supervisor or stage child at random moments: nothing lost, nothing committed twice, at most 60 s of work again",
        (
            f"{HERE}::test_01_kills_lose_nothing",
            f"{SERVICE}/test_service_jobs.py::test_a_killed_worker_loses_nothing",
            f"{SERVICE}/test_service_jobs.py::test_a_stopped_service_goes_on_where_it_was",
            f"{WORKERS}/test_pipeline_engine.py::test_a_killed_supervisor_leaves_no_orphans_and_the_next_goes_on",
            f"{WORKERS}/test_webhook_delivery.py::test_a_process_killed_after_the_end_of_a_job_has_lost_nothing",
        ),
    ),
    2: Promise(
        "after 201 or 202, killed at once: every acknowledged byte is there, hash equal",
        (
            f"{HERE}::test_02_what_was_acknowledged_is_there_after_a_kill",
            f"{SERVICE}/test_drafts.py::test_photos_come_one_by_one_and_every_byte_is_there",
        ),
    ),
    3: Promise(
        "the same Idempotency-Key 50 times in parallel: one job",
        (f"{SERVICE}/test_drafts.py::test_the_same_key_many_times_at_once_makes_one_job",),
    ),
    4: Promise(
        "SIGSTOP past the lease, then SIGCONT: the stale writer is refused",
        (
            f"{HERE}::test_04_a_worker_that_slept_is_refused",
            f"{WORKERS}/test_job_rows.py::test_a_worker_that_slept_is_refused",
            f"{WORKERS}/test_event_rows.py::test_what_is_refused_leaves_no_event",
        ),
    ),
    5: Promise(
        "32 clients x 100 photos at once: no 5xx, hashes equal, API memory < 300 MB, GET of a job p99 < 100 ms",
        (f"{HERE}::test_05_many_clients_at_once",),
    ),
    6: Promise(
        "Schemathesis over the OpenAPI document, mutated images, hostile archives: no 5xx, no dead worker, bounded time and memory",
        (
            f"{SERVICE}/test_contract.py",
            f"{SERVICE}/test_hostile_files.py",
            f"{SERVICE}/test_hostile_requests.py",
        ),
    ),
    7: Promise(
        "estimates under load: bounded queue, early 429 and 503, one bad image or a gone client harms no neighbour",
        (f"{SERVICE}/test_service_load.py",),
        benchmark="benchmarks.service.estimates",
    ),
    8: Promise(
        "cancel frees memory within 15 s",
        (
            f"{HERE}::test_08_cancelling_frees_memory_and_leaves_no_process",
            f"{WORKERS}/test_pipeline_engine.py::test_canceling_ends_the_stage_and_what_it_started",
            f"{SERVICE}/test_service_jobs.py::test_a_running_job_is_canceled_within_seconds",
        ),
    ),
    9: Promise("full disk: 507, the job pauses, then resumes", (f"{SERVICE}/test_full_disk.py",)),
    10: Promise("two tenants x every endpoint: no leak", (f"{SERVICE}/test_tenants.py",)),
    11: Promise(
        "a long soak: no growth in descriptors or memory",
        (
            f"{HERE}::test_11_nothing_grows",
            f"{SERVICE}/test_service_events.py::test_a_hundred_listeners_cost_no_thread_each_and_all_hear_the_end",
        ),
    ),
    12: Promise(
        "the same suite passes on SQLite + files and on PostgreSQL + Redis + S3",
        (SERVICE, "-k", "scaled"),
    ),
}
