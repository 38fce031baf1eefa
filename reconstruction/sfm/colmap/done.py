"""How far a request's database has come, beside it as JSON: where a process is killed, the next one goes on from there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reconstruction.sfm.colmap.request import Request


@dataclass(frozen=True)
class Done:
    """`of`: what the database is for. `still`: what stands still was looked for, and left out; `turntable`: what was found then.

    `torn`: features were being replaced. Who finds it so begins anew.
    """

    of: str
    still: bool = False
    turntable: dict[str, Any] | None = None
    torn: bool = False

    @classmethod
    def load(cls, request: Request) -> Done | None:
        """None where there is no database to go on with."""
        path = _path(request)
        if not path.exists() or not request.database.exists():
            return None
        found = cls(**json.loads(path.read_text()))
        return found if found.of == request.database_digest and not found.torn else None

    @classmethod
    def begin(cls, request: Request) -> Done:
        return cls(request.database_digest)._save(request)

    def tear(self, request: Request) -> Done:
        return replace(self, torn=True)._save(request)

    def without_still(self, request: Request, turntable: dict[str, Any] | None) -> Done:
        return replace(self, still=True, turntable=turntable, torn=False)._save(request)

    def _save(self, request: Request) -> Done:
        path = _path(request)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(path)
        return self


def _path(request: Request) -> Path:
    return request.database.with_suffix(".json")
