"""(b) A real photographed tag-board scene: every fifth photo is held out, the tags in it give the truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.board import cam_from_board, onboard, split_scene
from benchmarks.pose.testset import TestImage, TestSet
from reconstruction.scene import Camera, Lens, Mesh, RigidTransform
from reconstruction.workspace import Workspace
from surfemb.bop.scenes import BopObject
from surfemb.judging.find_symmetry import find_symmetry

HALF = 0.5  # of the object's surface points lie inside the image, at least


def onboard_from_scene(scene: Path, name: str, folder: Path, profile: str) -> Workspace:
    """From the photos that are not held out, with a box in one of them and the board's layout."""
    prompts = json.loads((scene / "prompts.json").read_text())
    split_scene(scene, folder)
    onboard(folder / "photos", folder / "object", profile, prompts["boxes_xyxy_px"][name], prompts, scene, "")
    return Workspace(folder / "object")


def make_tests(scene: Path, name: str, folder: Path, workspace: Workspace) -> TestSet:
    """The held-out photos that show at least half of the object. Its own mesh and its own pose on the board are the truth's."""
    paths, doc = split_scene(scene, folder)
    camera, lens = Camera.from_matrix(np.reshape(doc["K"], (3, 3)), doc["width"], doc["height"]), Lens(*doc["dist_k1k2p1p2k3"])
    board_from_obj = RigidTransform.from_json(json.loads(workspace.board_from_obj.read_text()))
    mesh, images = Mesh.load(workspace.mesh), []
    for path in paths:
        truth = cam_from_board(doc["frames"][path.stem]) @ board_from_obj
        if camera.contains(camera.project(truth.apply(mesh.vertices))).mean() >= HALF:
            images.append(TestImage(path.stem, path, camera, truth, lens))
    diameter = float(json.loads((scene / "prompts.json").read_text())["diameters_m"][name])
    return TestSet("board", name, BopObject(0, mesh, diameter, find_symmetry(mesh).exact), images)
