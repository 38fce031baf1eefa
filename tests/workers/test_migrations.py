"""A database of an earlier version comes up to date, with everything that was in it; one of a later version is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from real_servers import postgres

from reconstruction.errors import StorageError
from workers.rows import migrations
from workers.rows.database import Database
from workers.rows.jobs import JobStore
from workers.rows.objects import DEFAULT_TENANT, ObjectStore
from workers.rows.tables import METADATA

OBJECT = "INSERT INTO objects VALUES ('obj_1', 'mug', 'ready', 12, 1.0, 2.0)"
JOB = (
    "INSERT INTO jobs (id, object_id, profile, overrides, status, progress, round, token, lease_until, created_at, updated_at)"
    " VALUES ('job_1', 'obj_1', 'standard', '{}', 'succeeded', 1.0, 1, 1, 0.0, 1.0, 2.0)"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'rows.sqlite'}"
    else:
        with postgres() as address:
            yield address


def config(db: sa.Connection) -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(migrations.__file__).parent))
    made.attributes["connection"] = db
    return made


def differences(url: str) -> list[object]:
    with sa.create_engine(url).connect() as db:
        return list(compare_metadata(MigrationContext.configure(db), METADATA))


def test_a_new_database_and_one_brought_up_to_date_are_the_same(url: str) -> None:
    with sa.create_engine(url).begin() as db:
        command.upgrade(config(db), migrations.FIRST)
        db.execute(sa.text("DROP TABLE alembic_version"))  # the first version had none
        db.execute(sa.text(OBJECT))
        db.execute(sa.text(JOB))
    database = Database(url)
    assert ObjectStore(database, DEFAULT_TENANT).get("obj_1").name == "mug"
    assert JobStore(database, (), DEFAULT_TENANT).get("job_1").status == "succeeded"
    assert differences(url) == []
    database.close()
    Database(url).close()


def test_what_is_made_whole_is_what_the_versions_lead_to(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'rows.sqlite'}"
    Database(url).close()
    assert differences(url) == []
    with sa.create_engine(url).connect() as db:
        assert ScriptDirectory.from_config(config(db)).get_current_head() == migrations.HEAD


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'rows.sqlite'}"
    Database(url).close()
    with sa.create_engine(url).begin() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="newer version"):
        Database(url)
