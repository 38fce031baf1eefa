"""Symmetries found from meshes whose symmetry is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import trimesh
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from reconstruction.generated.shapes import jug, mug
from reconstruction.scene import Mesh, RigidTransform
from reconstruction.scene.transforms import rotation_error_deg
from surfemb.judging.find_symmetry import find_symmetry
from surfemb.symmetry import Axis, Symmetry

TILT = RigidTransform.from_rotvec(np.array([0.4, -0.9, 0.3]), np.array([0.02, 0.01, -0.03]))


def _mesh(shape: trimesh.Trimesh, colour: Callable[[np.ndarray], np.ndarray] | None = None) -> Mesh:
    """Fine enough to carry colours, turned and moved off its own axes."""
    while len(shape.faces) < 3000:
        shape = shape.subdivide()
    vertices = np.asarray(shape.vertices)
    colours = None if colour is None else colour(vertices).astype(np.uint8)
    return Mesh(TILT.apply(vertices), np.asarray(shape.faces, np.int32), colours)


def _each_face_its_own(vertices: np.ndarray) -> np.ndarray:
    side = np.abs(vertices) == np.abs(vertices).max(1, keepdims=True)
    return 127 + 127 * np.where(side, np.sign(vertices), 0)


def _label_on_one_side(vertices: np.ndarray) -> np.ndarray:
    return np.where(vertices[:, :1] > 0.02, [[250, 250, 240]], [[180, 20, 20]])


@pytest.mark.parametrize(
    ("shape", "turns", "axes"),
    [
        (trimesh.creation.box((0.08, 0.08, 0.08)), 23, 0),
        (trimesh.creation.box((0.08, 0.08, 0.16)), 7, 0),
        (trimesh.creation.box((0.06, 0.1, 0.16)), 3, 0),
        (trimesh.creation.cone(0.05, 0.15, sections=64), 0, 1),
        (trimesh.creation.cylinder(0.05, 0.15, sections=64), 1, 1),
        (trimesh.creation.icosphere(4, 0.05), 0, 3),
    ],
    ids=["cube", "square rod", "box", "cone", "cylinder", "ball"],
)
def test_plain_shapes_have_their_symmetry(shape: trimesh.Trimesh, turns: int, axes: int) -> None:
    found = find_symmetry(_mesh(shape)).exact
    assert (len(found.discrete), len(found.continuous)) == (turns, axes)
    mesh = _mesh(shape)
    for turn in found.discrete:
        assert_allclose(turn.apply(mesh.vertices).mean(0), mesh.vertices.mean(0), atol=0.01 * mesh.diameter)
    if axes == 1:
        assert abs(found.continuous[0].direction @ TILT.rotate(np.array([0.0, 0, 1]))) > np.cos(np.radians(1))


def test_colours_tell_faces_and_sides_apart() -> None:
    cube = find_symmetry(_mesh(trimesh.creation.box((0.08, 0.08, 0.08)), _each_face_its_own))
    assert len(cube.exact.discrete) == 0
    assert len(cube.shape.discrete) == 23, "nearly symmetric: by the shape alone"
    can = find_symmetry(_mesh(trimesh.creation.cylinder(0.05, 0.15, sections=64), _label_on_one_side))
    assert not can.exact.continuous
    assert len(can.exact.discrete) <= 1  # end for end about the label's middle is left
    assert len(can.shape.continuous) == 1
    twice = find_symmetry(_mesh(trimesh.creation.cone(0.05, 0.15, sections=64), lambda v: _label_on_one_side(np.abs(v))))
    (half_turn,) = twice.exact.discrete
    assert np.trace(half_turn.rotation) == pytest.approx(-1, abs=1e-6), "a label on either side"


@pytest.mark.parametrize("mesh", [jug(), mug()], ids=["jug", "mug"])
def test_a_handle_leaves_no_symmetry(mesh: Mesh) -> None:
    found = find_symmetry(mesh).shape
    assert not found.discrete
    assert not found.continuous


def test_the_nearest_of_equal_poses_is_exact_and_the_same_for_all_of_them() -> None:
    axis = Axis(np.array([0.6, 0.0, 0.8]), np.array([0.01, 0.02, 0.0]))
    end_for_end = RigidTransform.from_rotvec(np.pi * np.array([0.0, 1.0, 0.0]), np.array([0.02, 0.0, 0.0]))
    symmetry = Symmetry((end_for_end,), (axis,))
    reference, pose = Rotation.random(rng=1).as_matrix(), RigidTransform(Rotation.random(rng=2).as_matrix(), np.array([0.1, 0.0, 0.7]))
    nearest = symmetry.nearest(pose, reference)
    finely = [rotation_error_deg((pose @ turn).rotation, reference) for turn in symmetry.transforms(0.002)]
    assert rotation_error_deg(nearest.rotation, reference) == pytest.approx(min(finely), abs=0.01)
    for equal in (pose @ axis.turned(1.1), pose @ end_for_end, pose @ end_for_end @ axis.turned(-2.3)):
        assert_allclose(symmetry.nearest(equal, reference).matrix, nearest.matrix, atol=1e-9)
