"""Health check of a worker's container: exit status 0 when a worker of this machine has beaten lately."""

from __future__ import annotations

import socket
import sys

from workers.rows.beats import Beats
from workers.rows.database import Database
from workers.settings import Settings


def alive() -> bool:
    """Whether a worker of this host name, a container's own, gave a sign of life in the last five beats."""
    settings = Settings()
    names = Beats(Database(settings.database)).live(settings.live_within_s)
    return any(name.partition("@")[2].startswith(f"{socket.gethostname()}-") for name in names)


if __name__ == "__main__":
    sys.exit(0 if alive() else 1)
