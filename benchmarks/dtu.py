"""The surface alone, on DTU scan 65 with its given cameras and masks: PSNR of photos that were held out, and pictures.

usage: python -m benchmarks.dtu SCAN_FOLDER [--profile standard] [--out runs/dtu]

SCAN_FOLDER holds images/, masks/ and cameras_sphere.npz as prepared for NeuS (cameras for 1600x1200 pixels, the object in the
unit sphere). Every eighth photo is held out. The scan's reference points are not read: this measures no Chamfer.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray
from rich.progress import Progress, TextColumn

from reconstruction.hull import carve_hull
from reconstruction.scene import Camera, RigidTransform, View
from reconstruction.scene.images import read_mask, read_photo
from reconstruction.sdf.evaluate import Renderer, write_preview
from reconstruction.sdf.stage import reconstruct_surface
from workers.profiles import PROFILES

CAMERA_SIZE = (1600, 1200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--profile", default="standard", choices=sorted(PROFILES))
    parser.add_argument("--out", type=Path, default=Path("runs/dtu"))
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    views = load_scan(a.scan)
    box = np.full(3, 1.05)
    # cameras stand on one side only: what none of them sees past stays, and the sphere bounds it
    hull = carve_hull(views, [view.mask() for view in views], -box, box, 160, tolerance=0.05)
    with Progress(*Progress.get_default_columns(), TextColumn("{task.fields[note]}")) as bars:
        task = bars.add_task("surface", total=None, note="")
        surface = reconstruct_surface(
            views,
            hull,
            replace(PROFILES[a.profile].surface, holdout_every=8),
            lambda step, steps, message="": bars.update(task, completed=step, total=steps, note=message),
        )
    surface.mesh.save(a.out / "mesh.ply")
    write_preview(a.out / "preview.png", Renderer(surface.model, surface.mesh), surface.preview)
    report = {"profile": a.profile, "photos": len(views), **surface.quality, "total_seconds": round(time.monotonic() - started)}
    (a.out / "report.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report, indent=1))


def load_scan(folder: Path) -> list[View]:
    """Views in the frame of the unit sphere."""
    photos, masks = sorted((folder / "images").iterdir()), sorted((folder / "masks").iterdir())
    with np.load(folder / "cameras_sphere.npz") as cameras:
        projections = [cameras[f"world_mat_{i}"] @ cameras[f"scale_mat_{i}"] for i in range(len(photos))]
    views = []
    for photo, mask, projection in zip(photos, masks, projections, strict=True):
        camera, pose = split(projection[:3])
        height, width = read_photo(photo).shape[:2]
        assert read_mask(mask).shape == (height, width)
        views.append(View(photo.stem, camera.resized(width, height), pose, photo, mask))
    return views


def split(projection: Float[ndarray, "3 4"]) -> tuple[Camera, RigidTransform]:
    """A 3x4 projection into camera and pose. A pinhole's pixels: what the scan's skew of a few thousandths does is left out."""
    matrix, rotation, centre = cv2.decomposeProjectionMatrix(projection)[:3]
    matrix = matrix / matrix[2, 2]
    centre = (centre[:3] / centre[3]).reshape(3)
    camera = Camera(*CAMERA_SIZE, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
    return camera, RigidTransform(rotation, -rotation @ centre)


if __name__ == "__main__":
    main()
