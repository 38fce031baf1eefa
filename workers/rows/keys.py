"""API keys: made by whoever has the data folder, kept as hashes, each of one tenant."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import func, insert, select, update

from reconstruction.errors import InputError
from workers.failures import NotFound
from workers.rows.database import Database
from workers.rows.tables import KEYS, new_id

PREFIX = "s6d_"


@dataclass(frozen=True)
class KeyRow:
    id: str
    tenant: str
    name: str
    created_at: float
    revoked_at: float | None


class KeyStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def make(self, tenant: str, name: str) -> tuple[KeyRow, str]:
        """The key's row, and the key itself, which nobody can read again. Raises InputError for a tenant without a name."""
        if not tenant.strip():
            raise InputError("a tenant needs a name", try_next="such as --tenant lab")
        secret = PREFIX + secrets.token_urlsafe(32)
        values = {"id": new_id("key"), "tenant": tenant, "name": name, "created_at": time.time()}
        with self._db.write() as db:
            db.execute(insert(KEYS).values(**values, sha256=_digest(secret)))
        return KeyRow(**values, revoked_at=None), secret  # type: ignore[arg-type]

    def all(self) -> list[KeyRow]:
        """Newest first; revoked ones too."""
        columns = [KEYS.c[name] for name in KeyRow.__dataclass_fields__]
        with self._db.read() as db:
            return [KeyRow(**row._mapping) for row in db.execute(select(*columns).order_by(KEYS.c.created_at.desc()))]

    def revoke(self, key_id: str) -> None:
        """From now on it opens nothing. Raises NotFound."""
        with self._db.write() as db:
            if not db.execute(update(KEYS).where(KEYS.c.id == key_id, KEYS.c.revoked_at.is_(None)).values(revoked_at=time.time())).rowcount:
                raise NotFound(f"there is no key {key_id!r} that still opens anything", try_next="snap6d keys list shows them")

    def tenant_of(self, secret: str) -> str | None:
        """None for a key that is unknown or revoked. Looked up by its hash: what a comparison's time tells is of no use."""
        with self._db.read() as db:
            return db.execute(select(KEYS.c.tenant).where(KEYS.c.sha256 == _digest(secret), KEYS.c.revoked_at.is_(None))).scalar()

    def any(self) -> bool:
        """Whether a key was ever made: from then on nobody comes in without one, though all be revoked."""
        with self._db.read() as db:
            return bool(db.execute(select(func.count()).select_from(KEYS)).scalar_one())


def _digest(secret: str) -> str:
    """Plain SHA-256: the secret is 256 random bits, nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()
