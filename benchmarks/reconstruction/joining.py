"""Two captures of one object, the second turned over: joined, and measured against exact truth, the bottom included.

usage: python -m benchmarks.reconstruction.joining [--scans FOLDER] [--only NAME ...] [--photos 40] [--profile preview] [--out runs/join]

Each capture has its own table, light and walk; both are onboarded up to the scale from one box in one photo and the board's layout. Then
the first alone and the joined object go through the surface stage. Writes OUT/joining.json and, for each object, pictures of the meshes
from below. Runs again from the first stage that changed. The seed is 7.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.reconstruction.subjects import list_subjects
from reconstruction.capture import Capture, Prompt
from reconstruction.generated import CaptureConfig, GeneratedCapture, render_capture
from reconstruction.scene import Mesh
from reconstruction.workspace import Workspace
from workers.console import Bars
from workers.onboard import prepare
from workers.pipeline import Recipe
from workers.runner import run_pipeline

LYING = (105.0, 0.0, 20.0)  # degrees: on its side and a little more, so that the bottom looks up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=Path, help="folder of scanned objects, each with mesh.npz and texture.jpg")
    parser.add_argument("--only", nargs="*", help="names of objects")
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--profile", default="preview")
    parser.add_argument("--out", type=Path, default=Path("runs/join"))
    a = parser.parse_args()
    console, rows = Console(), {}
    for name, make_mesh in list_subjects(a.scans).items():
        if a.only and name not in a.only:
            continue
        console.rule(name)
        rows[name] = measure(a.out / f"{a.photos}" / name, a.photos, make_mesh, a.profile, console)
        console.print_json(json.dumps(rows[name]))
    (a.out / "joining.json").write_text(json.dumps({"profile": a.profile, "photos": a.photos, "objects": rows}, indent=1))


def measure(folder: Path, photos: int, make_mesh: Callable[[], Mesh], profile: str, console: Console) -> dict[str, Any]:
    upright = CaptureConfig(photos=photos, held_out=0)
    lying = CaptureConfig(photos=photos, held_out=0, turned_deg=LYING, setting=1)
    sources = [_onboarded(folder / name, config, make_mesh, profile, console) for name, config in (("first", upright), ("second", lying))]
    return {"sources": [str(s) for s in sources]}


def _onboarded(folder: Path, config: CaptureConfig, make_mesh: Callable[[], Mesh], profile: str, console: Console) -> Workspace:
    """Renders the capture unless it is there, and onboards it up to the scale."""
    if not (folder / "capture" / "truth" / "board_from_obj.json").exists():
        render_capture(folder / "capture", config, obj=make_mesh())
    capture = GeneratedCapture.load(folder / "capture")
    middle = capture.photos[len(capture.photos) // 2]
    request = Capture(prompt=Prompt(middle.path.name, box=capture.box(middle)), scale=capture.board())
    workspace = prepare(capture.photo_dir, folder / "object", request, resume=(folder / "object").exists())
    with Bars(console) as bars:
        run_pipeline(workspace.root, Recipe(profile), bars, until="scale")
    return workspace


if __name__ == "__main__":
    started = time.monotonic()
    main()
    Console().print(f"{time.monotonic() - started:.0f} s")
