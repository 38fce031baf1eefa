"""(a) Captures with exact truth: onboarded as `benchmarks.reconstruction` does, then asked about images on other tables in other light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks import captures
from benchmarks.pose.testset import SHARES, TestImage, TestSet
from reconstruction.generated import CaptureConfig, GeneratedCapture, load_or_render
from reconstruction.generated.truth import Reconstructed, obj_from_truth
from reconstruction.scene import Mesh
from reconstruction.workspace import Workspace
from surfemb.bop.scenes import BopObject
from surfemb.judging.find_symmetry import find_symmetry
from workers.pipeline import Recipe, StageEvent

PHOTO = CaptureConfig(width=960, height=720, depth=True)
PHOTOS = 60
FROM_ABOVE = {"mug": 8}  # photos that look into what is hollow


def onboard(
    folder: Path,
    name: str,
    make_mesh: Callable[[], Mesh],
    recipe: Recipe,
    on_event: Callable[[StageEvent], None],
    photos: int = PHOTOS,
    true_masks: bool = False,
) -> Workspace:
    """Takes `photos` of the object and onboards it in `folder`."""
    config = replace(PHOTO, photos=photos, held_out=0, from_above=FROM_ABOVE.get(name, 0))
    capture = load_or_render(folder / "capture", config, make_obj=make_mesh)
    return captures.onboard(folder, capture, recipe, on_event, capture.photos[0].mask_path.parent if true_masks else None)


def make_tests(folder: Path, name: str, make_mesh: Callable[[], Mesh], count: int, workspace: Workspace) -> TestSet:
    """`count` images, a third with 40-60 % of the object visible, a third with 60-93 %, a third with all of it."""
    capture = GeneratedCapture.load(folder / "capture")
    config = replace(PHOTO, photos=0, held_out=count, visible=tuple(SHARES.values()))
    shown = load_or_render(folder / f"tests-{count}", config, make_obj=make_mesh)
    images = [
        TestImage(p.name, p.path, shown.camera, p.cam_from_obj, shown.lens, p.visible, shown.held_out_depth_dir / f"{p.name}.png")
        for p in shown.held_out
    ]
    obj = BopObject(0, capture.mesh, capture.mesh.diameter, find_symmetry(capture.mesh).exact)
    return TestSet("generated", name, obj, images, obj_from_truth(Reconstructed.load(workspace), capture))
