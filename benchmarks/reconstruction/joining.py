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
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.captures import onboard
from benchmarks.reconstruction.subjects import list_subjects
from reconstruction.generated import CaptureConfig, GeneratedCapture, load_or_render
from reconstruction.metrics import compare_surfaces, point_to_surface
from reconstruction.scene import Mesh, RigidTransform, Similarity
from reconstruction.scene.images import write_photo
from reconstruction.scene.transforms import rotation_error_deg
from reconstruction.workspace import Workspace
from workers.command.console import Bars
from workers.command.joining import RECIPE, prepare_join
from workers.demo.pictures import turntable
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
    """Renders, onboards and joins one object in `folder`; errors are against the truth."""
    upright = CaptureConfig(photos=photos, held_out=0)
    lying = CaptureConfig(photos=photos, held_out=0, turned_deg=LYING, setting=1)
    sources = [_onboarded(folder / name, config, make_mesh, profile, console) for name, config in (("first", upright), ("second", lying))]
    joined = prepare_join(sources[0].root, sources[1].root, folder / "joined", resume=True)
    with Bars(console) as bars:
        run_pipeline(joined.root, replace(RECIPE, profile=profile), bars, until="surface")
    with Bars(console) as bars:
        run_pipeline(sources[0].root, Recipe(profile), bars, until="surface")
    truths = [_obj_from_truth(source) for source in sources]
    first_from_second = truths[0] @ truths[1].inverse()
    truth = Mesh.load(folder / "first" / "capture" / "truth" / "mesh.ply")
    made = [Mesh.load(space.mesh).transformed(truths[0].inverse()) for space in (sources[0], joined)]
    pictures = [turntable(mesh, elevation_deg=-35) for mesh in (*made, truth)]
    write_photo(folder / "from_below.png", np.vstack(pictures))
    return {
        "join": _join_error(joined, first_from_second),
        "first_alone": _surface_error(made[0], truth),
        "joined": _surface_error(made[1], truth),
        "seconds": {name: (joined.manifest(name) or {})["seconds"] for name in ("join", "scale", "surface")},
        "held_out": (joined.manifest("surface") or {})["quality"],
    }


def _obj_from_truth(workspace: Workspace) -> RigidTransform:
    """From the truth's frame to that of the onboarded object, through the board."""
    capture = GeneratedCapture.load(workspace.root.parent / "capture")
    return RigidTransform.from_json(json.loads(workspace.board_from_obj.read_text())).inverse() @ capture.board_from_obj


def _join_error(joined: Workspace, truth: RigidTransform) -> dict[str, Any]:
    """translation: of the middle of the object, which is the origin of the second capture's frame."""
    doc = json.loads(joined.joint.read_text())
    found = Similarity.from_json(doc.pop("first_from_second"))
    return {
        "rotation_deg": rotation_error_deg(found.rotation, truth.rotation),
        "translation_mm": 1000 * float(np.linalg.norm(found.translation - truth.translation)),
        "scale": abs(found.scale - 1),
        **doc,
    }


def _surface_error(mesh: Mesh, truth: Mesh) -> dict[str, float]:
    """Of the whole surface, and of the lowest twentieth: how far the truth there is from the mesh, and how alike the colours are."""
    whole = compare_surfaces(mesh, truth)
    points, face = truth.sample(40_000, 2)
    low = points[:, 2] < truth.bounds[0][2] + 0.05 * truth.extents[2]
    distance, nearest = point_to_surface(points[low], mesh)
    assert mesh.colors is not None
    assert truth.colors is not None
    shown, painted = (m.colors[m.faces[f]].mean(1) for m, f in ((mesh, nearest), (truth, face[low])))
    return {
        "chamfer_over_diameter": whole.chamfer_over_diameter,
        "accuracy_over_diameter": whole.accuracy / whole.diameter,
        "completeness_over_diameter": whole.completeness / whole.diameter,
        "f_score_1pct": whole.f_score,
        "bottom_over_diameter": float(distance.mean()) / whole.diameter,
        "bottom_colour_correlation": float(np.corrcoef(shown.ravel(), painted.ravel())[0, 1]),
    }


def _onboarded(folder: Path, config: CaptureConfig, make_mesh: Callable[[], Mesh], profile: str, console: Console) -> Workspace:
    """Renders the capture unless it is there, and onboards it up to the scale."""
    capture = load_or_render(folder / "capture", config, make_obj=make_mesh)
    with Bars(console) as bars:
        return onboard(folder, capture, Recipe(profile), bars, until="scale")


if __name__ == "__main__":
    started = time.monotonic()
    main()
    Console().print(f"{time.monotonic() - started:.0f} s")
