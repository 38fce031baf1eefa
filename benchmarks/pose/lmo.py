"""(c) BOP's LM-O: the objects are onboarded from captures rendered of their given models, then asked about the real images.

The captures' true masks are given: a grey can in its grey shadow is not what is measured here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.pose.testset import TestImage, TestSet
from reconstruction.generated import GeneratedCapture
from reconstruction.generated.truth import Reconstructed, obj_from_truth
from reconstruction.scene import Mesh, RigidTransform
from reconstruction.workspace import Workspace
from surfemb.bop.scenes import BopObject, load_models, load_scene

OBJECTS = {"ape": 1, "can": 5, "driller": 8, "duck": 9}
LOOKS: dict[str, dict[str, Any]] = {"correspondence": {"looks": "any", "steps": 4200}}
"""The given models are dull and of other colours than the things in the photos: only their shapes can be relied on, which is learnt
more slowly."""


def centred(obj: BopObject) -> tuple[Callable[[], Mesh], RigidTransform]:
    """Makes the model with its origin at the centre of its box, as captures are rendered; and centred_from_model."""
    low, high = obj.mesh.bounds
    shift = RigidTransform(translation=-(low + high) / 2)
    return lambda: obj.mesh.transformed(shift), shift


def load_objects(root: Path) -> dict[str, BopObject]:
    """The models to photograph and to train on, with BOP's own diameters and symmetries."""
    models = load_models(root / "models", list(OBJECTS.values()))
    return {name: models[obj_id] for name, obj_id in OBJECTS.items()}


def make_tests(root: Path, name: str, obj: BopObject, folder: Path, workspace: Workspace) -> TestSet:
    """The images of BOP's list of targets that show the object."""
    targets = json.loads((root / "test_targets_bop19.json").read_text())
    wanted = {(t["scene_id"], t["im_id"]) for t in targets if t["obj_id"] == obj.obj_id}
    images = [
        TestImage(f"{i.scene_id:06d}_{i.image_id:06d}", i.path, i.camera, found.cam_from_obj, visible=found.visible)
        for scene in sorted((root / "test").iterdir())
        for i in load_scene(scene)
        for found in i.instances
        if found.obj_id == obj.obj_id and (i.scene_id, i.image_id) in wanted
    ]
    capture = GeneratedCapture.load(folder / "capture")
    _, centred_from_model = centred(obj)
    return TestSet("lmo", name, obj, images, obj_from_truth(Reconstructed.load(workspace), capture) @ centred_from_model)
