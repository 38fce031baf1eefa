"""Objects, jobs, attempts, workers: as the first version made them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "objects",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("photos", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("object_id", sa.String, sa.ForeignKey("objects.id", ondelete="CASCADE"), nullable=False),
        sa.Column("profile", sa.String, nullable=False),
        sa.Column("overrides", sa.JSON, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("stage", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("worker", sa.String),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("finished_at", sa.Float),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.Index("jobs_by_status", "status", "lease_until"),
        sa.Index("jobs_by_object", "object_id"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("job_id", sa.String, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("quality", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("queue", sa.String, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
    )
