"""An object photographed on a rendered table, onboarded: what several benchmarks start with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconstruction.capture import Capture, Prompt
from reconstruction.generated import GeneratedCapture
from reconstruction.workspace import Workspace
from workers.command.onboard import prepare
from workers.pipeline import Recipe, StageEvent
from workers.runner import run_pipeline


def onboard(
    folder: Path,
    capture: GeneratedCapture,
    recipe: Recipe,
    on_event: Callable[[StageEvent], None],
    masks: Path | None = None,
    until: str | None = None,
) -> Workspace:
    """In FOLDER/object, from one box in one photo, the board's layout and masks, if any are given; goes on where it stopped.

    until: the last stage to run; all of them unless given.
    """
    middle = capture.photos[len(capture.photos) // 2]
    request = Capture(prompt=Prompt(middle.path.name, box=capture.box(middle)), scale=capture.board())
    workspace = prepare(capture.photo_dir, folder / "object", request, masks=masks, resume=(folder / "object").exists())
    run_pipeline(workspace.root, recipe, on_event, until=until)
    return workspace
