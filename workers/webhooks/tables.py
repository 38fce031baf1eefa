"""Webhooks, and the messages that are to be delivered to them. Times are seconds since 1970 (UTC)."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from workers.rows.tables import METADATA

EVENTS = ("job.succeeded", "job.failed", "job.canceled")

WEBHOOKS = Table(
    "webhooks",
    METADATA,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False, index=True),
    Column("url", String, nullable=False),
    Column("secret", String, nullable=False),  # as it is: a hash of it could not sign
    Column("events", JSON, nullable=False),
    Column("gone_at", Float),  # when the receiver answered 410: it gets nothing more
    Column("created_at", Float, nullable=False),
)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", String, primary_key=True),  # the webhook-id that the receiver sees, the same at every attempt
    Column("webhook_id", String, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("type", String, nullable=False),
    Column("payload", Text, nullable=False),  # the very text that is signed and sent
    Column("status", String, nullable=False),  # due, delivered, given up
    Column("attempts", Integer, nullable=False, default=0),  # counts claims: a courier with an older one is not heard
    Column("next_at", Float, nullable=False),  # of a due one; later than now while a courier is on its way
    Column("answer", String),  # what came of the last attempt
    Column("created_at", Float, nullable=False),
    Index("deliveries_by_status", "status", "next_at"),
    Index("deliveries_by_webhook", "webhook_id", "status", "next_at"),
)
