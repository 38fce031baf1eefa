"""Settings of the service's processes: environment variables SNAP6D_*, each with a default that needs nothing installed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic_settings import BaseSettings, SettingsConfigDict

from workers.logs import Format


class Settings(BaseSettings):
    """What every process needs to know. Imports no torch, and stays that way."""

    model_config = SettingsConfigDict(env_prefix="SNAP6D_", extra="ignore")

    data: Path = Path("snap6d-data")
    """Folder of everything that lasts: objects, uploads, the default database."""

    database_url: str = ""
    """SQLAlchemy URL of the jobs; empty: a SQLite file in `data`."""

    broker_url: str = ""
    """Celery broker URL; empty: `snap6d serve` starts a Redis of its own on a unix socket."""

    storage_url: str = ""
    """Of the objects' files, such as s3://bucket/prefix, with keys and endpoint as AWS_* variables; empty: folders in `data`."""

    cache_bytes: int = 20 << 30
    """With `storage_url`: room for local copies, of each kind of process; those unused for longest are given up first."""

    gpu_workers: int | None = None
    """How many `snap6d serve` starts for the queue "gpu"; by default one for each GPU that nvidia-smi lists."""

    pipeline: str = "workers.pipeline:PIPELINE"
    """`module:attribute` of the Pipeline to run. Another one replaces the stages: engine tests do, a user rarely wants to."""

    beat_s: float = 2.0
    """Seconds between a worker's signs of life, and between its looks for jobs that nobody works on."""

    lease_s: float = 30.0
    """A job whose worker has not beaten for this long is given to another."""

    max_attempts: int = 3
    """How often a crashed stage is tried before its job fails."""

    min_free_bytes: int = 256 << 20
    """With less than this on the disk of `data` no stage is started and no upload taken: jobs wait, callers are told."""

    retry_storage_s: float = 60.0
    """A job that found the disk full is tried again after so long."""

    estimators_kept: int = 4
    """Objects that an estimate worker keeps in memory."""

    allow_private_webhooks: bool = False
    """Webhooks may be plain http and lead to any address: only where everybody who may make one may reach the whole network."""

    webhook_timeout_s: float = 15.0
    """For one attempt at a delivery, from the connection to the answer."""

    webhook_retry_s: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000)
    """Waits between the attempts at a delivery; after the last one it is given up."""

    estimators_mib: int = 1024
    """About how much memory these may take together, besides the 400 MiB or so of the worker itself."""
    log_format: Format | Literal[""] = ""
    """json or text; empty: text on a terminal, else json."""

    @classmethod
    def of(cls, data: Path | None) -> Self:
        """As the environment has them, but for the folder where one is given."""
        return cls() if data is None else cls(data=data)

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data.resolve() / 'snap6d.sqlite'}"

    @property
    def live_within_s(self) -> float:
        """A worker lives that has not missed five beats."""
        return max(10.0, 5 * self.beat_s)

    @property
    def objects(self) -> Path:
        return self.data / "objects"

    @property
    def incoming(self) -> Path:
        """Uploads on their way in. In `data`, so that accepting one is a rename."""
        return self.data / "incoming"

    def environment(self) -> dict[str, str]:
        """The variables that give a child process these very settings."""
        values = {**self.model_dump(mode="json", exclude_none=True), "data": str(self.data.resolve())}
        return {f"SNAP6D_{name.upper()}": str(value) for name, value in values.items()}
