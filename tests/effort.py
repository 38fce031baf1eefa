"""How hard the tests try: `make test` shows that a promise is kept, `make chaos` (it sets SNAP6D_CHAOS) tries to break it."""

from __future__ import annotations

import os

CHAOS = bool(os.environ.get("SNAP6D_CHAOS"))


def trials(short: int, long: int) -> int:
    """How many, of whatever a test does over and over: rounds, clients, seconds."""
    return long if CHAOS else short
