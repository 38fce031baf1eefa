"""What the command line shows: progress bars for people, JSON lines for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from reconstruction.capture_warnings import CaptureWarning, collect_warnings
from workers.failures import error_to_json
from workers.pipeline import StageEvent

MARKS = {"succeeded": "[green]✓[/]", "skipped": "[green]✓[/]", "failed": "[red]✗[/]"}


class Reporter(Protocol):
    """Shows the events of a run."""

    def __call__(self, event: StageEvent) -> None: ...

    def __enter__(self) -> Reporter: ...

    def __exit__(self, *_: object) -> None: ...


class JsonLines:
    """One line an event on standard output."""

    def __call__(self, event: StageEvent) -> None:
        document = {k: v for k, v in event.__dict__.items() if v not in (None, "", {}) and k != "error"}
        if event.error:
            document["error"] = error_to_json(event.error)
        print(json.dumps(document), flush=True)

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _NoteColumn(ProgressColumn):
    """What gives way on a narrow terminal: the only column that may shrink, and it is cut rather than wrapped."""

    def render(self, task: Task) -> Text:
        note = Text.from_markup(task.fields["note"], overflow="ellipsis")
        note.no_wrap = True
        return note


class Bars:
    """A bar a stage: name, step, time spent, time left."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.fields[mark]} {task.description}", table_column=Column(min_width=16, no_wrap=True)),
            BarColumn(bar_width=20, table_column=Column(min_width=20, no_wrap=True)),
            TextColumn("{task.fields[count]:>9}", table_column=Column(min_width=9, no_wrap=True)),
            TimeElapsedColumn(table_column=Column(min_width=7, no_wrap=True)),
            _NoteColumn(),
        )
        self._progress = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tasks:
            self._progress.stop()

    def __call__(self, event: StageEvent) -> None:
        if event.stage not in self._tasks:
            self._progress.start()  # with the first bar, since even an empty display would print a line
            self._tasks[event.stage] = self._progress.add_task(event.stage, total=None, mark="[yellow]·[/]", count="", note="")
        task = self._tasks[event.stage]
        if event.kind == "progress" and event.steps:
            left = f"[cyan]{_duration(event.eta_s)} left[/]  " if event.eta_s is not None else ""
            count = f"{event.step}/{event.steps}"
            self._progress.update(task, total=event.steps, completed=event.step, count=count, note=f"{left}[dim]{event.message}[/]")
        elif event.kind in MARKS:
            note = {"skipped": "[dim]done before[/]", "failed": "[red]failed[/]"}.get(event.kind, f"[dim]{summary(event.quality)}[/]")
            if event.kind == "failed":
                self._progress.update(task, mark=MARKS["failed"], note=note)
            else:
                self._progress.update(task, mark=MARKS[event.kind], total=1, completed=1, count="", note=note)
            self._progress.stop_task(task)


def with_warnings(report: Reporter, told: list[CaptureWarning]) -> Callable[[StageEvent], None]:
    """The reporter, with the warnings of the stages kept in `told`."""

    def on_event(event: StageEvent) -> None:
        told[:] = collect_warnings([{"warnings": told}, event.quality])
        report(event)

    return on_event


def print_warnings(console: Console, warnings: Iterable[CaptureWarning], prefix: str = "") -> None:
    """A line each."""
    for warning in warnings:
        console.print(f"[yellow]![/] {escape(prefix + warning['message'])}", highlight=False, soft_wrap=True)


class Preparing:
    """A Progress for what comes before the stages, shown like one of them; what takes no second is not shown at all."""

    def __init__(self, report: Callable[[StageEvent], None], name: str = "photos") -> None:
        self._report, self._name = report, name
        self._told_at, self._shown = time.monotonic(), False

    def __call__(self, step: int, steps: int, message: str = "") -> None:
        done, now = step >= steps, time.monotonic()
        if (done and self._shown) or now - self._told_at > 1.0:
            self._told_at, self._shown = now, True
            self._report(StageEvent(self._name, 0, 1, "succeeded" if done else "progress", step, steps, message))


def summary(quality: dict[str, Any], most: int = 4) -> str:
    """The first few numbers of a stage's quality, in short."""
    plain = [(k, v) for k, v in quality.items() if isinstance(v, int | float | str) and not isinstance(v, bool)]
    return "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in plain[:most])


def jobs_table(jobs: list[dict[str, Any]]) -> Table:
    """Jobs as the API's JSON, newest first."""
    table = Table("job", "object", "status", "progress", "stage", box=None, header_style="bold")
    for job in jobs:
        stage = job["stage"] or {}
        left = f", {_duration(stage['eta_s'])} left" if stage.get("eta_s") is not None else ""
        where = f"{stage['name']} {stage['index'] + 1}/{stage['count']}{left}" if stage else ""
        waits = f"waits for {job['waiting_for']}" if job["waiting_for"] else ""
        note = job["error"]["what"] if job["error"] else waits or where
        table.add_row(job["id"], job["object_id"], job["status"], f"{job['progress']:.0%}", note)
    return table


def _duration(seconds: float | None) -> str:
    minutes, rest = divmod(round(seconds or 0), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
