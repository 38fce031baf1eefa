"""Turns that leave an object as it is, in BOP's form: some single ones, and whole axes to turn about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.errors import InputError
from reconstruction.scene import RigidTransform
from reconstruction.scene.transforms import nearest_rotation

FINEST_STEP = 0.01  # of the diameter: BOP's largest way of a point between two neighbouring turns about an axis


@dataclass(frozen=True, eq=False)
class Axis:
    """Any turn about it is a symmetry. direction: of length one. offset: a point on it, metres, object frame."""

    direction: Float[ndarray, "3"]
    offset: Float[ndarray, "3"]

    def turned(self, angle: float) -> RigidTransform:
        """obj_from_obj of a turn by `angle` radians."""
        turn = RigidTransform.from_rotvec(angle * self.direction, np.zeros(3))
        return RigidTransform(turn.rotation, self.offset - turn.apply(self.offset))


@dataclass(frozen=True, eq=False)
class Symmetry:
    """discrete: obj_from_obj without the identity. continuous: axes."""

    discrete: tuple[RigidTransform, ...] = ()
    continuous: tuple[Axis, ...] = ()

    @property
    def kind(self) -> Literal["none", "discrete", "continuous"]:
        """An axis says more than single turns."""
        return "continuous" if self.continuous else "discrete" if self.discrete else "none"

    def transforms(self, finest_step: float = FINEST_STEP) -> list[RigidTransform]:
        """All obj_from_obj, the identity first; axes in steps by which no point moves further than `finest_step` diameters."""
        count = math.ceil(math.pi / finest_step)  # a point is at most half a diameter from an axis through the object
        turns = [[axis.turned(2 * math.pi * k / count) for k in range(count)] for axis in self.continuous] or [[RigidTransform()]]
        return [turn @ single for single, axis in product((RigidTransform(), *self.discrete), turns) for turn in axis]

    def nearest(self, cam_from_obj: RigidTransform, reference: Float[ndarray, "3 3"]) -> RigidTransform:
        """Of the poses that look the same, the one whose rotation is nearest to `reference`; exact for axes, not in steps."""
        candidates = []
        for single in (RigidTransform(), *self.discrete):
            pose = cam_from_obj @ single
            candidates += [pose @ axis.turned(_angle_towards(reference.T @ pose.rotation, axis)) for axis in self.continuous] or [pose]
        return max(candidates, key=lambda pose: float(np.trace(reference.T @ pose.rotation)))

    @classmethod
    def from_bop(cls, info: dict[str, Any]) -> Symmetry:
        """From an object's record in models_info.json. Raises InputError where it is malformed."""
        try:
            matrices = [np.reshape(values, (4, 4)).astype(float) for values in info.get("symmetries_discrete", [])]
            discrete = [RigidTransform(nearest_rotation(m[:3, :3]), m[:3, 3] / 1000) for m in matrices]
            axes = [(np.array(a["axis"], float), np.array(a["offset"], float) / 1000) for a in info.get("symmetries_continuous", [])]
            return cls(tuple(discrete), tuple(Axis(axis / np.linalg.norm(axis), offset) for axis, offset in axes))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the symmetries can't be read ({error})", try_next="give them as BOP's models_info.json does") from error

    def to_bop(self) -> dict[str, Any]:
        """The symmetry keys of a record in models_info.json."""
        matrices = [np.vstack([np.column_stack([s.rotation, 1000 * s.translation]), [0, 0, 0, 1]]) for s in self.discrete]
        doc: dict[str, Any] = {}
        if self.discrete:
            doc["symmetries_discrete"] = [m.reshape(-1).tolist() for m in matrices]
        if self.continuous:
            axes = [{"axis": a.direction.tolist(), "offset": (1000 * a.offset).tolist()} for a in self.continuous]
            doc["symmetries_continuous"] = axes
        return doc


def _angle_towards(off: Float[ndarray, "3 3"], axis: Axis) -> float:
    """The turn about `axis` that brings the rotation `off` nearest to none: where trace(off @ turn) is largest (Rodrigues)."""
    x, y, z = axis.direction
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    along = float(axis.direction @ off @ axis.direction)
    return math.atan2(float(np.trace(off @ cross)), float(np.trace(off)) - along)
