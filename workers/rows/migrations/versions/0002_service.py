"""Tenants, drafts and their images, keys, answers, usage, events, webhooks, files in a bucket, queues, forecasts."""

from importlib import import_module

import sqlalchemy as sa
from alembic import op

from workers.rows.migrations import TABLES
from workers.rows.tables import METADATA

revision = "0002"
down_revision = "0001"

NEW = ("images", "keys", "answers", "usage", "events", "webhooks", "deliveries", "parts")


def upgrade() -> None:
    """What there is belongs to the default tenant. Its photos are known to its folder only: to be trained again they are sent again."""
    # No table is made anew: SQLite would delete the jobs of the objects that it moves.
    op.add_column("objects", sa.Column("tenant", sa.String, nullable=False, server_default="default"))
    op.add_column("objects", sa.Column("options", sa.JSON, nullable=False, server_default="{}"))
    op.drop_column("objects", "photos")
    op.create_index("objects_by_tenant", "objects", ["tenant", "created_at"])
    op.add_column("jobs", sa.Column("tenant", sa.String, nullable=False, server_default="default"))
    op.add_column("jobs", sa.Column("queue", sa.String, nullable=False, server_default="cpu"))
    op.add_column("jobs", sa.Column("estimate", sa.JSON))
    op.add_column("jobs", sa.Column("not_before", sa.Float))
    op.create_index("jobs_by_tenant", "jobs", ["tenant", "created_at"])
    for module in TABLES:
        import_module(module)
    METADATA.create_all(op.get_bind(), tables=[METADATA.tables[name] for name in NEW])
