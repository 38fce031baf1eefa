"""The storage that the settings name."""

from __future__ import annotations

from workers.files.storage import FolderStorage, Kind, Storage
from workers.rows.database import Database
from workers.settings import Settings


def open_storage(settings: Settings, database: Database, kind: Kind) -> Storage:
    """As the settings say. `kind`: what this process keeps copies for, each in a folder of its own. Raises StorageError."""
    if not settings.storage_url:
        return FolderStorage(settings)
    from workers.files.bucket_storage import BucketStorage

    return BucketStorage(settings, database, kind)
