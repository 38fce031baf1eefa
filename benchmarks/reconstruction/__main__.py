"""Reconstructs captures with exact truth and measures every stage.

usage: python -m benchmarks.reconstruction [--scans FOLDER] [--only NAME ...] [--photos 60] [--from-above 0] [--out runs/bench]

Each object is rendered on a textured table with a tag board, through a lens, with noise, blur and changing exposure, then onboarded from
one box in one photo and the board's layout, up to the surface. Writes OUT/reconstruction.json and, for each object, its pictures.
Runs again from the first stage that changed. The seed is 7.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.captures import onboard
from benchmarks.memory import peak_memory
from benchmarks.reconstruction.scales import scale_errors
from benchmarks.reconstruction.subjects import list_subjects
from reconstruction.generated import CaptureConfig, load_or_render
from reconstruction.generated.truth import Reconstructed, camera_errors, mask_ious, surface_distance
from reconstruction.scene import Mesh
from reconstruction.scene.images import write_photo
from reconstruction.workspace import Workspace
from workers.command.console import Bars
from workers.demo.pictures import mask_sheet, turntable
from workers.pipeline import Recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=Path, help="folder of scanned objects, each with mesh.npz and texture.jpg")
    parser.add_argument("--only", nargs="*", help="names of objects")
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--from-above", type=int, default=0, help="how many of the photos look down steeply, into hollows")
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    a = parser.parse_args()
    console = Console()
    rows = {}
    for name, make_mesh in list_subjects(a.scans).items():
        if a.only and name not in a.only:
            continue
        console.rule(name)
        config = CaptureConfig(photos=a.photos, from_above=a.from_above, held_out=0, width=960, height=720, depth=True)
        folder = a.out / f"reconstruction-{a.photos}-{a.from_above}" / name
        rows[name] = measure(folder, config, make_mesh, a.profile, console)
        console.print_json(json.dumps(rows[name]))
    report = {"profile": a.profile, "photos": a.photos, "from_above": a.from_above, "objects": rows}
    (a.out / "reconstruction.json").write_text(json.dumps(report, indent=1))


def measure(folder: Path, config: CaptureConfig, make_mesh: Callable[[], Mesh], profile: str, console: Console) -> dict[str, Any]:
    """Renders and reconstructs one object in `folder`; errors are of the finished object against the truth."""
    capture = load_or_render(folder / "capture", config, make_obj=make_mesh)
    with Bars(console) as bars, peak_memory() as peak:
        workspace = onboard(folder, capture, Recipe(profile, pipeline="benchmarks.reconstruction.stages:UP_TO_SURFACE"), bars)
    made = Reconstructed.load(workspace)
    surface, cameras = surface_distance(capture, made), camera_errors(capture, made.metric_views)
    ious = mask_ious(capture, made)
    write_photo(folder / "mesh.png", np.vstack([turntable(made.mesh), turntable(capture.mesh)]))
    write_photo(folder / "masks.jpg", mask_sheet(made.masked_views))
    return {
        "registered": made.registered,
        "camera_centre_mm": cameras.centre_mm,
        "camera_rotation_deg": cameras.rotation_deg,
        "mask_iou_mean": float(np.mean(list(ious.values()))),
        "mask_iou_min_unflagged": min(ious.values()),
        "masks_flagged": made.registered - len(ious),
        "scale_error": cameras.scale,
        **scale_errors(capture, workspace),
        "chamfer_over_diameter": surface.chamfer_over_diameter,
        "accuracy_over_diameter": surface.accuracy / surface.diameter,
        "completeness_over_diameter": surface.completeness / surface.diameter,
        "f_score_1pct": surface.f_score,
        "normal_error_deg": surface.normal_deg,
        **_held_out_quality(workspace),
        "seconds": _seconds(workspace),
        "peak_gib": peak(),
    }


def _held_out_quality(workspace: Workspace) -> dict[str, float]:
    quality = (workspace.manifest("surface") or {})["quality"]
    return {key: quality[key] for key in ("psnr_heldout", "psnr_heldout_exposed", "iou_heldout")}


def _seconds(workspace: Workspace) -> dict[str, float]:
    seconds = {name: (workspace.manifest(name) or {})["seconds"] for name in ("sfm", "locate", "masks", "scale", "surface")}
    return {**seconds, "total": round(sum(seconds.values()), 1)}


if __name__ == "__main__":
    started = time.monotonic()
    main()
    Console().print(f"{time.monotonic() - started:.0f} s")
