"""The database's versions: a new one is made whole, an older one is brought up to date before anything else is asked of it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select, text

from reconstruction.errors import StorageError
from workers.rows.tables import METADATA

HEAD = "0002"
FIRST = "0001"
"""The version that had no table to say so."""
TABLES = ("workers.rows.events", "workers.rows.parts", "workers.webhooks.tables")
"""Modules whose tables are in METADATA once they are loaded."""
_ONE_AT_A_TIME = 0x536E6170  # of the processes that start at once


def bring_up_to_date(db: Connection) -> None:
    """Within the caller's transaction, so that it happens whole or not at all. Raises StorageError for a database of a newer version."""
    if db.dialect.name == "postgresql":
        db.execute(select(func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))
    tables = inspect(db).get_table_names()
    if "objects" not in tables:
        for module in TABLES:
            import_module(module)
        METADATA.create_all(db)
        db.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        db.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
        return
    version = db.execute(text("SELECT version_num FROM alembic_version")).scalar() if "alembic_version" in tables else None
    if version != HEAD:
        _upgrade(db, version)


def _upgrade(db: Connection, version: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = db
    if version is not None and version not in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}:
        advice = "install the version of Snap6D that made it, or restore a backup from before"
        raise StorageError(f"the database is of a newer version ({version}; this one knows {HEAD})", try_next=advice)
    if version is None:
        command.stamp(config, FIRST)
    command.upgrade(config, "head")
