"""The jobs of a service, of a running one by its address or of any by its data folder, as the API's JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from reconstruction.errors import InputError
from workers.jobs import JobStore
from workers.pipeline import load
from workers.settings import Settings
from workers.tables import Database


def jobs_at(url: str) -> list[dict[str, Any]]:
    """Newest first. Raises InputError where nothing answers."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/v1/jobs", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise InputError(f"{url} does not answer ({error})", try_next="check the address, or start it with snap6d serve") from error
    jobs: list[dict[str, Any]] = answer.json()
    return jobs


def jobs_in(data: Path | None) -> list[dict[str, Any]]:
    """Newest first; None: the folder of the settings. Raises InputError where there are no data of a service."""
    settings = Settings() if data is None else Settings(data=data)
    if not settings.database_url and not (settings.data / "snap6d.sqlite").exists():
        raise InputError(f"{settings.data} holds no service data", try_next="name the folder by --data, or the service by --url")
    store = JobStore(Database(settings.database), load(settings.pipeline).names, None, settings.live_within_s)
    return [asdict(job) for job in store.all()]
