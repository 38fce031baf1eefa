"""The jobs of a service, of a running one by its address or of any by its data folder, as the API's JSON."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from reconstruction.errors import InputError
from snap6d import Snap6D
from workers.command.remote import taught_by_the_service
from workers.pipeline import load
from workers.rows.database import Database
from workers.rows.jobs import JobStore
from workers.settings import Settings

MOST = 200


def jobs_at(url: str, api_key: str | None = None) -> list[dict[str, Any]]:
    """The newest ones, newest first. Raises PipelineError where nothing answers, or a key is asked for."""
    with taught_by_the_service(), Snap6D(url, api_key, timeout=10) as service:
        return [asdict(job) for job in islice(service.jobs.all(), MOST)]


def jobs_in(data: Path | None) -> list[dict[str, Any]]:
    """Newest first; None: the folder of the settings. Raises InputError where there are no data of a service."""
    settings = Settings.of(data)
    if not settings.database_url and not (settings.data / "snap6d.sqlite").exists():
        raise InputError(f"{settings.data} holds no service data", try_next="name the folder by --data, or the service by --url")
    store = JobStore(Database(settings.database), load(settings.pipeline).names, None, settings.live_within_s)
    return [asdict(job) for job in store.all()]
