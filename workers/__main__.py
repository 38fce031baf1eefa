"""`python -m workers cpu|gpu|estimate`: a worker. Apart from tasks.py, which the processes that it spawns would import again."""

from __future__ import annotations

from workers.tasks import main

if __name__ == "__main__":
    main()
