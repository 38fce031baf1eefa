"""Onboards one object of a real photographed tag-board scene and scores the poses of photos it never saw.

usage: python -m benchmarks.board SCENE OBJECT --scorer SCORE_BOARD_PY --out DIR [--profile standard] [--boxes truth]
       python -m benchmarks.board SCENE OBJECT --until surface --out DIR [--photos 100] [--px 4608]

SCENE holds images/, frames.json (calibrated cameras, truth), board_mm.json and prompts.json (a box in one photo). Every fifth photo
is held out (24 of 119); the others are onboarded with the box and the board, as a user would. The held-out photos are estimated without
a box, or (`--boxes truth`) with a box from the projected true position. The scorer compares with `board_from_obj.json`.
With `--until surface` the object's size, the seconds and the memory are all that is measured. `--px` enlarges photos to the width that
phones take and holds none out: `--photos` of the scene's are onboarded.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import trimesh

from benchmarks.memory import peak_memory
from reconstruction.scene import Camera, Mesh, RigidTransform

HELD_OUT_EVERY = 5


def run_snap6d(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "workers.command.cli", *arguments], check=True)


def split_scene(scene: Path, out: Path) -> tuple[list[Path], dict]:
    """Links the onboarding photos into OUT/photos; returns the held-out photos and a frames document of those only."""
    doc = json.loads((scene / "frames.json").read_text())
    names = sorted(doc["frames"])
    held_out = names[::HELD_OUT_EVERY]
    photos = out / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    for name in sorted(set(names) - set(held_out)):
        link = photos / f"{name}.jpg"
        if not link.exists():
            link.symlink_to(os.path.relpath((scene / "images" / link.name).resolve(), photos.resolve()))
    doc["frames"] = {name: doc["frames"][name] for name in held_out}
    (out / "frames_heldout.json").write_text(json.dumps(doc))
    return [scene / "images" / f"{name}.jpg" for name in held_out], doc


def enlarge_scene(scene: Path, out: Path, count: int, px: int, keep: str) -> float:
    """Writes `count` of the scene's photos into OUT/photos, `px` wide, the photo `keep` among them; returns by how much they grew."""
    photos = sorted((scene / "images").glob("*.jpg"))
    chosen = {photos[i] for i in np.linspace(0, len(photos) - 1, count).round().astype(int)} - {scene / "images" / keep}
    (out / "photos").mkdir(parents=True, exist_ok=True)
    for path in [scene / "images" / keep, *sorted(chosen)[: count - 1]]:
        photo = cv2.imread(str(path))
        grown = px / photo.shape[1]
        if not (out / "photos" / path.name).exists():
            large = cv2.resize(photo, None, fx=grown, fy=grown, interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(out / "photos" / path.name), large)
    return float(grown)


def onboard(photos: Path, object_dir: Path, profile: str, box: list[float], prompts: dict, scene: Path, until: str) -> dict:
    """Seconds by stage, peak memory, and the mesh's size beside the known one."""
    corners = ",".join(f"{v:.1f}" for v in box)
    with peak_memory() as peak:
        run_snap6d(
            *("onboard", str(photos), "--out", str(object_dir), "--profile", profile),
            *("--box", f"{prompts['photo']}:{corners}", "--board", str(scene / "board_mm.json")),
            *(["--until", until] if until else []),
            *(["--resume"] if object_dir.exists() else []),
        )
    return {
        "photos": len(list(photos.iterdir())),
        "seconds": json.loads((object_dir / "report.json").read_text())["seconds"],
        "peak_gib": peak(),
        "tight_box_m": tight_box(Mesh.load(object_dir / "mesh.ply")).round(4).tolist(),
    }


def tight_box(mesh: Mesh) -> np.ndarray:
    """Sides of the smallest box around the mesh, shortest first, metres: the object's frame need not lie along its sides."""
    hull = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    return np.sort(trimesh.bounds.oriented_bounds(hull)[1])


def cam_from_board(frame: dict) -> RigidTransform:
    """A photo's true pose, metres."""
    return RigidTransform(np.reshape(frame["R"], (3, 3)), np.array(frame["t_mm"]) / 1000)


def true_boxes(doc: dict, object_dir: Path) -> dict[str, list[float]]:
    """Boxes of the mesh's vertices at the true poses: a rough position, as a detector would give."""
    board_from_obj = RigidTransform.from_json(json.loads((object_dir / "board_from_obj.json").read_text()))
    vertices = board_from_obj.apply(Mesh.load(object_dir / "mesh.ply").vertices)
    camera = Camera.from_matrix(np.reshape(doc["K"], (3, 3)), doc["width"], doc["height"])
    boxes = {}
    for name, frame in doc["frames"].items():
        pixels = camera.project(cam_from_board(frame).apply(vertices))
        if camera.contains(pixels).mean() > 0.3:
            low = np.nanmin(pixels, 0).clip(0, [camera.width - 1, camera.height - 1])
            high = np.nanmax(pixels, 0).clip(0, [camera.width - 1, camera.height - 1])
            boxes[name] = [*map(float, low), *map(float, high)]
    return boxes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("object")
    parser.add_argument("--scorer", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--boxes", choices=["none", "truth"], default="none")
    parser.add_argument("--until", default="", choices=["", "surface"])
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--px", type=int, default=0)
    a = parser.parse_args()
    if not a.until and (a.px or not a.scorer):
        parser.error("poses are scored with --scorer, on photos as they are; else give --until surface")

    prompts = json.loads((a.scene / "prompts.json").read_text())
    held_out, doc = split_scene(a.scene, a.out) if not a.px else ([], {})
    grown = enlarge_scene(a.scene, a.out, a.photos, a.px, prompts["photo"]) if a.px else 1.0
    object_dir, box = a.out / "object", [grown * v for v in prompts["boxes_xyxy_px"][a.object]]
    report = {"object": a.object, "known_size_m": prompts["known_sizes_m"][a.object]}
    report |= onboard(a.out / "photos", object_dir, a.profile, box, prompts, a.scene, a.until)
    if not a.until:
        report |= {"boxes": a.boxes, "score": estimate(a, held_out, doc, object_dir, prompts)}
    (a.out / "report.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report, indent=1))


def estimate(a: argparse.Namespace, held_out: list[Path], doc: dict, object_dir: Path, prompts: dict) -> dict:
    """The scorer's report on the poses of the held-out photos."""
    k, poses, boxes = doc["K"], a.out / "poses.jsonl", a.out / "boxes.json"
    with_boxes = []
    if a.boxes == "truth":
        boxes.write_text(json.dumps(true_boxes(doc, object_dir)))
        with_boxes = ["--boxes", str(boxes)]
    run_snap6d(
        *("estimate", str(object_dir), *map(str, held_out), "--K", f"{k[0]},{k[4]},{k[2]},{k[5]}"),
        *("--dist", ",".join(str(v) for v in doc["dist_k1k2p1p2k3"]), *with_boxes),
        *("--out", str(poses), "--draw", str(a.out / "overlays")),
    )
    scored = subprocess.run(
        [sys.executable, str(a.scorer), str(a.out / "frames_heldout.json"), str(poses)]
        + ["--diameter-m", str(prompts["diameters_m"][a.object])]
        + ["--board-from-obj", str(object_dir / "board_from_obj.json"), "--out", str(a.out / "score.json")],
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(scored.stdout))


if __name__ == "__main__":
    main()
