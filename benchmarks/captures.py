"""An object photographed on a rendered table and onboarded from there: what several benchmarks start with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconstruction.capture import Capture, Prompt
from reconstruction.generated import CaptureConfig, GeneratedCapture, render_capture
from reconstruction.scene import Mesh
from reconstruction.workspace import Workspace
from workers.command.onboard import prepare
from workers.pipeline import Recipe, StageEvent
from workers.runner import run_pipeline


def load_or_render(folder: Path, config: CaptureConfig, make_mesh: Callable[[], Mesh]) -> GeneratedCapture:
    """Rendered unless it is there, with depth if it is to have that; the truth's last file comes last."""
    complete = (folder / "truth" / "board_from_obj.json").exists()
    if not complete or (config.depth and not any(folder.glob("*depth/*"))):
        render_capture(folder, config, obj=make_mesh())
    return GeneratedCapture.load(folder)


def onboard(
    folder: Path, capture: GeneratedCapture, recipe: Recipe, on_event: Callable[[StageEvent], None], masks: Path | None = None
) -> Workspace:
    """In FOLDER/object, from one box in one photo, the board's layout and masks, if any are given; goes on where it stopped."""
    middle = capture.photos[len(capture.photos) // 2]
    request = Capture(prompt=Prompt(middle.path.name, box=capture.box(middle)), scale=capture.board())
    workspace = prepare(capture.photo_dir, folder / "object", request, masks=masks, resume=(folder / "object").exists())
    run_pipeline(workspace.root, recipe, on_event)
    return workspace
