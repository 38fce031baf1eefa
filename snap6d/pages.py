"""Lists that are longer than an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from snap6d.transport import Transport

PAGE = 100


def pages(transport: Transport, path: str, page: int = PAGE, **filters: Any) -> Iterator[dict[str, Any]]:
    """Every row, newest first. A page is read before the one in front of it is given out: the caller may delete what it gets."""
    asked = {name: value for name, value in filters.items() if value is not None}
    rows = transport.json("GET", path, params={**asked, "limit": page})
    while rows:
        full = len(rows) >= page
        following = transport.json("GET", path, params={**asked, "limit": page, "before": rows[-1]["id"]}) if full else []
        yield from rows
        rows = following
