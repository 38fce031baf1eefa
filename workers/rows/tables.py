"""The tables. Times are seconds since 1970 (UTC)."""

from __future__ import annotations

import secrets

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

from workers.pipeline import CPU

METADATA = MetaData()

ENDED = ("succeeded", "failed", "canceled")
HELD = ("running", "canceling")
"""Statuses of jobs that are over, and of those that a worker has."""

OBJECTS = Table(
    "objects",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),  # draft, onboarding, ready, failed
    Column("options", JSON, nullable=False),  # as the caller gave them: what the next onboarding goes by
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("objects_by_tenant", "tenant", "created_at"),
)

IMAGES = Table(
    "images",
    METADATA,
    Column("object_id", String, ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String, primary_key=True),  # photos, masks, depth, video
    Column("name", String, primary_key=True),  # without its ending
    Column("file", String, nullable=False),  # as it is kept
    Column("bytes", BigInteger, nullable=False),  # as it is kept
    Column("sha256", String, nullable=False),  # as it is kept
    Column("sent_sha256", String, nullable=False),  # as it came: places are removed from what is kept
    Column("created_at", Float, nullable=False),
)

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String, primary_key=True),
    Column("object_id", String, ForeignKey("objects.id", ondelete="CASCADE"), nullable=False),
    Column("tenant", String, nullable=False),
    Column("profile", String, nullable=False),
    Column("overrides", JSON, nullable=False),
    Column("status", String, nullable=False),  # queued, running, canceling, succeeded, failed, canceled
    Column("queue", String, nullable=False, default=CPU, server_default=CPU),  # of its next stage: cpu, gpu
    Column("progress", Float, nullable=False, default=0.0),
    Column("stage", JSON),  # the running stage: name, index, count, step, steps, message, eta_s
    Column("estimate", JSON),  # seconds that it was expected to take when it was made: workers.rows.forecast.Forecast
    Column("error", JSON),
    Column("round", Integer, nullable=False, default=1),  # counts resumes: each gives a stage its attempts anew
    Column("token", Integer, nullable=False, default=0),  # counts claims: a writer with an older one is refused
    Column("worker", String),
    Column("lease_until", Float, nullable=False, default=0.0),
    Column("not_before", Float),  # of a queued job that waits for space on the disk
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("updated_at", Float, nullable=False),
    Index("jobs_by_status", "status", "lease_until"),
    Index("jobs_by_object", "object_id"),
    Index("jobs_by_tenant", "tenant", "created_at"),
)

ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("status", String, nullable=False),  # running, succeeded, skipped, failed, abandoned (worker died), interrupted (worker left)
    Column("seconds", Float),
    Column("quality", JSON),
    Column("error", JSON),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
)

USAGE = Table(
    "usage",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("tenant", String, nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", Float, nullable=False),
)
"""Computing that was done for a tenant: it stays when jobs and objects are deleted."""

KEYS = Table(
    "keys",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("sha256", String, nullable=False, unique=True),  # of a random secret, which a plain hash hides well enough
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

ANSWERS = Table(
    "answers",
    METADATA,
    Column("tenant", String, primary_key=True),
    Column("key", String, primary_key=True),  # the caller's Idempotency-Key
    Column("request", String, nullable=False),  # digest of method, path and body
    Column("document", JSON),  # what was answered; null while it is being worked out
    Column("until", Float, nullable=False),  # a process that works on it longer than this has died
)

WORKERS = Table(
    "workers",
    METADATA,
    Column("id", String, primary_key=True),
    Column("queue", String, nullable=False),
    Column("seen_at", Float, nullable=False),
)


def new_id(kind: str) -> str:
    """`obj_...`, `job_...`: random, so that knowing one tells nothing about others."""
    return f"{kind}_{secrets.token_hex(8)}"
