"""Progress, shown only where it is asked for: by bars where rich is installed, else a line for each step."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from snap6d.results import Job

Count = Callable[[int, int], object]
"""Called with how many are done, of how many."""
OnJob = Callable[[Job], object]
"""Called with the job, now and whenever it has changed."""


@contextmanager
def counting(progress: bool | Count, what: str) -> Iterator[Count]:
    """`progress`: True shows it, False does not, a function is called."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda done, total: None
    else:
        with _bar(what) as show:
            yield lambda done, total: show(done / max(total, 1), f"{done}/{total}")


@contextmanager
def following(progress: bool | OnJob) -> Iterator[OnJob]:
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda job: None
    else:
        with _bar("onboarding") as show:
            yield lambda job: show(job.progress, job.stage.name if job.stage else job.status)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[float, str], object]]:
    try:
        bars: Any = importlib.import_module("rich.progress")
    except ImportError:
        said: list[str] = []

        def say(fraction: float, note: str) -> None:
            if said[-1:] != [note]:
                said.append(note)
                print(f"{what}: {fraction:.0%} {note}", file=sys.stderr)

        yield say
        return
    columns = (bars.TextColumn(what), bars.BarColumn(), bars.TextColumn("{task.description}"), bars.TimeElapsedColumn())
    with bars.Progress(*columns) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda fraction, note: bar.update(task, completed=fraction, description=note)
