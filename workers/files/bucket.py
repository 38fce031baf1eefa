"""An S3-compatible bucket. What goes wrong with it is a StorageError; keys are relative to the prefix in the URL. No torch here.

Keys, region, endpoint and plain HTTP come from the environment as everywhere: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
AWS_ENDPOINT_URL, AWS_ALLOW_HTTP.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from workers.failures import FilesLost, StorageUnreachable


class Bucket:
    """Every method raises StorageUnreachable, once `patience_s` of trying again are over; `get` also FilesLost."""

    def __init__(self, url: str, patience_s: float = 10.0) -> None:
        plain_http = os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"  # options given here replace those of the environment
        with _reached():
            self._store: Any = S3Store.from_url(
                url,
                client_options={"connect_timeout": "5s", "timeout": "120s", "allow_http": plain_http},
                retry_config={"max_retries": 20, "retry_timeout": timedelta(seconds=patience_s)},
            )

    def put(self, key: str, path: Path) -> None:
        with _reached():
            obstore.put(self._store, key, path)

    def get(self, key: str, path: Path, sha256: str = "") -> None:
        """The file appears whole, and as it was stored where its `sha256` is given. Raises FileNotFoundError where there is no such key."""
        partial, hasher = path.with_name(f".{path.name}.{uuid.uuid4().hex}"), hashlib.sha256()
        try:
            with _reached(), partial.open("wb") as file:
                for chunk in obstore.get(self._store, key):
                    file.write(chunk)
                    hasher.update(chunk)
            if sha256 not in ("", hasher.hexdigest()):
                advice = "try again; if it stays so, the object storage has lost what was stored"
                raise FilesLost(f"{key} came back from the object storage changed", try_next=advice)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def has(self, key: str) -> bool:
        try:
            with _reached():
                obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        return True

    def keys(self, prefix: str, older_than_s: float = 0.0) -> list[str]:
        """All below the prefix; none where the newest of them is younger than `older_than_s`."""
        with _reached():
            rows = [row for rows in obstore.list(self._store, prefix, chunk_size=1000) for row in rows]
        newest = max((row["last_modified"].timestamp() for row in rows), default=0.0)
        return [row["path"] for row in rows] if newest <= time.time() - older_than_s else []

    def folders(self, prefix: str) -> list[str]:
        """Names right below the prefix that have keys below them."""
        with _reached():
            return [path.rpartition("/")[2] for path in obstore.list_with_delimiter(self._store, prefix)["common_prefixes"]]

    def remove(self, keys: Sequence[str]) -> None:
        with _reached():
            obstore.delete(self._store, list(keys))

    def is_ready(self) -> bool:
        try:
            next(iter(obstore.list(self._store, "objects", chunk_size=1)), None)
        except BaseError:
            return False
        return True


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except (BaseError, ValueError, PermissionError) as error:
        advice = "check SNAP6D_STORAGE_URL (s3://BUCKET/PREFIX) and the AWS_* variables, and whether the bucket can be reached"
        reason = str(error).partition("\n")[0]  # what follows are the library's own structures
        raise StorageUnreachable(f"the object storage failed ({reason})", try_next=advice) from error
