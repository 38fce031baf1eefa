"""Twins: poses of the same outline, as a bottle's front and back have. Colour tells them apart where the two would differ.

The whole object's colours say little then: on a plain side with a sliver of the label, the sliver is a twentieth of what is seen, and
the light that the object's own colours were taken in, which stays in them, is more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from reconstruction.rasterizers import Rasterizer
from reconstruction.scene import RigidTransform
from reconstruction.scene.transforms import rotation_error_deg
from surfemb.estimation.appearance import crop_around, without_rim
from surfemb.estimation.colour import prefer
from surfemb.estimation.correspondences import Evidence
from surfemb.symmetry import Symmetry

SAME_TURN_DEG = 15.0


@dataclass(frozen=True)
class TwinConfig:
    """px, padding: of the crop that is compared. rim: left out along the outlines. least_visible: as the mask has it.

    least_share: of the object that must look different in the two for a verdict. clear: a verdict from which a twin is taken.
    most: an object with more twins is asked about none of them. steep: of a verdict's odds, in nats.
    """

    px: int = 160
    padding: float = 1.15
    rim: int = 2
    least_visible: float = 0.3
    least_share: float = 0.02
    clear: float = 0.3
    most: int = 7
    steep: float = 15.0


def find_twins(exact: Symmetry, shape: Symmetry) -> tuple[RigidTransform, ...]:
    """obj_from_obj of turns that leave the shape as it is, but not the colours. Turns about a whole axis are not among them."""
    if exact.continuous:
        return ()
    return tuple(t for t in shape.discrete if all(rotation_error_deg(t.rotation, s.rotation) > SAME_TURN_DEG for s in exact.discrete))


def sureness(verdicts: Sequence[float], config: TwinConfig) -> float:
    """Of a pose among its twins, by the verdict for each of them: near 1 where colours tell, 1 / n among n that none tells apart."""
    against = np.minimum(verdicts, 0.0)  # a twin that could not be kept is no likelier than the pose
    return float(1 / (1 + np.exp(config.steep * against).sum()))


def verdict(
    rasterizer: Rasterizer,
    image: UInt8[ndarray, "h w 3"],
    evidence: Evidence,
    one: RigidTransform,
    other: RigidTransform,
    config: TwinConfig,
) -> float:
    """Whose colours the image has where the two poses' differ: 1 those of `one`, -1 those of the other, 0 also where nothing tells."""
    crop = crop_around(rasterizer.mesh, evidence.crop.source, one, config.px, config.padding)
    if crop is None or rasterizer.mesh.colors is None:
        return 0.0
    rasters = [rasterizer.render(crop.camera, crop.crop_from_cam @ pose) for pose in (one, other)]
    shown = rasters[0].mask & rasters[1].mask & (evidence.visible(crop) > config.least_visible)
    colours = rasterizer.mesh.colors.astype(np.float32)
    drawn = [raster.interpolate(colours) for raster in rasters]
    preferred, share = prefer(drawn[0], drawn[1], crop.warp(image).astype(np.float32), without_rim(shown, config.rim))
    return preferred if share >= config.least_share else 0.0
