"""The visual hull: what of a box no photo sees past. Carved by votes, so that a wrong mask costs little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numba
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy import ndimage
from skimage.measure import marching_cubes

from reconstruction.errors import MaskError
from reconstruction.rasterizers import Rasterizer, make_rasterizer
from reconstruction.scene import Mesh, View

OUT, IN, UNKNOWN = 0, 1, 2
MOST = 0.6  # of the photos that can tell must call a thin part object
DENIED = 0.2  # of all photos at most may say that it is not
WIDER, WIDENINGS = 0.25, 3  # of a box's extent, so often at most


@dataclass(frozen=True, eq=False)
class Hull:
    """Voxels in the frame of the views they were carved from: centre (i, j, k) lies at origin + spacing * (i, j, k)."""

    inside: Bool[ndarray, "nx ny nz"]
    origin: Float[ndarray, "3"]
    spacing: float
    _cache: dict[str, Rasterizer] = field(default_factory=dict, repr=False)

    def signed_distance(self) -> Float[ndarray, "nx ny nz"]:
        """Frame units at the voxel centres, negative inside; float32. The surface runs midway between in and out."""
        padded = np.pad(self.inside, 1)
        outer = ndimage.distance_transform_edt(~padded).clip(0.5) - 0.5
        inner = ndimage.distance_transform_edt(padded).clip(0.5) - 0.5
        return ((outer - inner)[1:-1, 1:-1, 1:-1] * self.spacing).astype(np.float32)

    def bounds(self) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
        """Lower and upper corner of the occupied voxels, their full width counted."""
        index = np.argwhere(self.inside)
        return self.origin + (index.min(0) - 0.5) * self.spacing, self.origin + (index.max(0) + 0.5) * self.spacing

    @property
    def volume(self) -> float:
        """Of the occupied voxels, frame units cubed."""
        return float(self.inside.sum()) * self.spacing**3

    @cached_property
    def _mesh(self) -> Mesh:
        # Padding closes the surface where the object touches the box; the blur takes the stairs out of the voxels.
        distance = np.pad(self.signed_distance() / self.spacing, 3, mode="constant", constant_values=3.0)
        smooth = ndimage.gaussian_filter(distance, 0.8)
        vertices, faces, _, _ = marching_cubes(smooth if smooth.min() < 0 else distance, 0.0)  # a sheet of one voxel is blurred away
        return Mesh(self.origin + (vertices - 3) * self.spacing, faces.astype(np.int32))

    def mesh(self) -> Mesh:
        """A closed triangle mesh of the hull's surface."""
        return self._mesh

    def silhouette(self, view: View) -> Bool[ndarray, "h w"]:
        """Where the view would see the hull if nothing stood before it."""
        mask = np.zeros((view.camera.height, view.camera.width), bool)
        pixels = view.project(self._mesh.vertices)
        pixels = pixels[np.isfinite(pixels).all(1)]
        if len(pixels) == 0:
            return mask
        x0, y0 = np.floor(pixels.min(0) - 1).clip(0).astype(int)
        x1, y1 = np.ceil(pixels.max(0) + 2).astype(int).clip(None, mask.shape[::-1])
        if x1 > x0 and y1 > y0:
            window = view.camera.cropped(int(x0), int(y0), int(x1 - x0), int(y1 - y0))
            mask[y0:y1, x0:x1] = self._rasterizer().render(window, view.cam_from_world).mask
        return mask

    def _rasterizer(self) -> Rasterizer:
        if "rasterizer" not in self._cache:
            self._cache["rasterizer"] = make_rasterizer(self._mesh)
        return self._cache["rasterizer"]

    def save(self, path: Path) -> None:
        np.savez_compressed(path, inside=np.packbits(self.inside), shape=self.inside.shape, origin=self.origin, spacing=self.spacing)

    @classmethod
    def load(cls, path: Path) -> Hull:
        with np.load(path, allow_pickle=False) as file:
            shape = tuple(int(n) for n in file["shape"])
            inside = np.unpackbits(file["inside"], count=int(np.prod(shape))).reshape(shape).astype(bool)
            return cls(inside, file["origin"], float(file["spacing"]))


def carve_hull(
    views: Sequence[View],
    masks: Sequence[Bool[ndarray, "h w"] | None],
    lower: Float[ndarray, "3"],
    upper: Float[ndarray, "3"],
    resolution: int = 96,
    *,
    tolerance: float = 0.1,
    min_views: int = 3,
    rounds: int = 2,
    thin_parts: bool = False,
) -> Hull:
    """The part of the box [lower, upper] that at most the share `tolerance` of the views sees past.

    views, masks: of equal length, in the frame of the box; a view whose mask is None has no say. resolution: voxels along
    the longest side. A voxel needs `min_views` views that see it. Where something stands before the object the mask has a
    bite, a thick piece that the hull says is object and the mask says is not; each round after the first lets no bite
    vote, and allows fewer votes against a voxel. thin_parts: rims that this costs are given back in the end. Keeps the largest
    connected piece. Raises MaskError where nothing is left.
    """
    spacing = float((upper - lower).max()) / resolution
    shape = tuple(int(n) for n in np.ceil((upper - lower) / spacing).clip(1))
    origin = (lower + upper) / 2 - spacing * (np.array(shape) - 1) / 2
    said = [(view, mask.astype(np.uint8)) for view, mask in zip(views, masks, strict=True) if mask is not None]
    evidence = said
    for turn in range(rounds):
        hull = _keep(*count_votes(evidence, origin, spacing, shape), tolerance / 2**turn, min_views, origin, spacing)
        if turn + 1 < rounds:
            evidence = [(view, np.where(find_bites(mask > 0, hull.silhouette(view)), UNKNOWN, mask)) for view, mask in said]
    return with_thin_parts(hull, evidence, min_views) if thin_parts else hull


def widened(hull: Hull, lower: Float[ndarray, "3"], upper: Float[ndarray, "3"]) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]] | None:
    """The box that the hull was carved in, wider at those of its four upright sides where the hull runs on; None where it does nowhere.

    A box guessed from one photo leaves out what points at that photo's camera. The other photos' masks end where the box does.
    """
    first, last = (np.array([hull.inside[end].any(), hull.inside[:, end].any(), False]) for end in (0, -1))
    if not (first | last).any():
        return None
    room = WIDER * (upper - lower)
    return lower - room * first, upper + room * last


def carve_reaching(
    views: Sequence[View],
    masks: Sequence[Bool[ndarray, "h w"] | None],
    lower: Float[ndarray, "3"],
    upper: Float[ndarray, "3"],
    resolution: int = 64,
) -> tuple[Hull, Float[ndarray, "3"], Float[ndarray, "3"]]:
    """The hull as `carve_hull` has it, of a box that is widened until it holds the hull, and that box."""
    hull = carve_hull(views, masks, lower, upper, resolution)
    for _ in range(WIDENINGS):
        wider = widened(hull, lower, upper)
        if wider is None:
            break
        lower, upper = wider
        hull = carve_hull(views, masks, lower, upper, resolution)
    return hull, lower, upper


def with_thin_parts(hull: Hull, evidence: Sequence[tuple[View, UInt8[ndarray, "h w"]]], min_views: int = 3) -> Hull:
    """The hull with what most photos that can tell call object: those that see it beside the hull, not before or behind it.

    A few photos are enough to carve a rim away. The rest seem to be against them, but most of those see the rim in line with the
    object and would say the same of thin air. Neighbours count with a voxel, for beside an edge the outlines' roundness misleads.
    """
    telling = [(view, np.where(hull.silhouette(view), UNKNOWN, labels).astype(np.uint8)) for view, labels in evidence]
    inside, outside = _count_smoothly(telling, hull)
    everyone = np.add(*_count_smoothly(evidence, hull))
    thin = (inside + outside >= min_views) & (inside > MOST * (inside + outside)) & (outside <= DENIED * everyone)
    grown = largest_piece(hull.inside | thin)
    return hull if grown is None else Hull(grown, hull.origin, hull.spacing)


def _count_smoothly(evidence: Sequence[tuple[View, UInt8[ndarray, "h w"]]], hull: Hull) -> list[Float[ndarray, "nx ny nz"]]:
    votes = count_votes(evidence, hull.origin, hull.spacing, hull.inside.shape)
    return [ndimage.gaussian_filter(count.astype(np.float32), 0.5) for count in votes]


def find_bites(mask: Bool[ndarray, "h w"], silhouette: Bool[ndarray, "h w"], thickness: float = 0.06) -> Bool[ndarray, "h w"]:
    """Pieces of `silhouette` outside `mask` that are too thick to be an edge that is a little off: something stands there.

    thickness: as a share of the square root of the silhouette's area.
    """
    missing = silhouette & ~mask
    radius = max(2.0, thickness * float(np.sqrt(silhouette.sum())) / 2)
    core = cv2.distanceTransform(missing.astype(np.uint8), cv2.DIST_L2, 3) > radius
    if not core.any():
        return core
    reach = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 3) <= 1.5 * radius + 1
    return missing & reach


def count_votes(
    evidence: Sequence[tuple[View, UInt8[ndarray, "h w"]]], origin: Float[ndarray, "3"], spacing: float, shape: tuple[int, ...]
) -> tuple[ndarray, ndarray]:
    """Of each voxel centre: how many views see it as object, and how many as something else (uint16 each)."""
    inside, outside = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16)
    for view, labels in evidence:
        projection = view.camera.matrix @ view.cam_from_world.matrix[:3]
        start = projection @ np.append(origin, 1.0)
        _vote(np.ascontiguousarray(labels, np.uint8), start, projection[:, :3] * spacing, inside, outside)
    return inside, outside


@numba.njit(inline="always")  # type: ignore[untyped-decorator]
def place_voxel(start: ndarray, step: ndarray, i: int, j: int, k: int, height: int, width: int) -> tuple[int, int, float]:
    """Row, column and depth of a voxel's centre; row -1 where it is not in the picture."""
    z = start[2] + i * step[2, 0] + j * step[2, 1] + k * step[2, 2]
    if z <= 0:
        return -1, -1, z
    x = (start[0] + i * step[0, 0] + j * step[0, 1] + k * step[0, 2]) / z + 0.5
    y = (start[1] + i * step[1, 0] + j * step[1, 1] + k * step[1, 2]) / z + 0.5
    if x < 0 or y < 0 or x >= width or y >= height:
        return -1, -1, z
    return int(y), int(x), z


@numba.njit(parallel=True, cache=True)  # type: ignore[untyped-decorator]
def _vote(labels: ndarray, start: ndarray, step: ndarray, inside: ndarray, outside: ndarray) -> None:
    nx, ny, nz = inside.shape
    for i in numba.prange(nx):
        for j in range(ny):
            for k in range(nz):
                row, column, _ = place_voxel(start, step, i, j, k, labels.shape[0], labels.shape[1])
                if row < 0:
                    continue
                label = labels[row, column]
                if label == IN:
                    inside[i, j, k] += 1
                elif label == OUT:
                    outside[i, j, k] += 1


def _keep(inside: ndarray, outside: ndarray, tolerance: float, min_views: int, origin: ndarray, spacing: float) -> Hull:
    seen = inside.astype(np.int32) + outside
    kept = (seen >= min_views) & (outside <= tolerance * seen) & (inside > 0)
    largest = largest_piece(kept)
    if largest is None:
        raise MaskError(
            "the masks of the photos have no common object",
            try_next="draw the box tightly around the object in a photo that shows all of it, or give masks of your own",
        )
    return Hull(largest, origin, spacing)


def largest_piece(kept: Bool[ndarray, "nx ny nz"]) -> Bool[ndarray, "nx ny nz"] | None:
    """The largest connected set of voxels; None where there is none."""
    label, count = ndimage.label(kept)
    if count == 0:
        return None
    sizes = np.bincount(label.ravel())
    sizes[0] = 0
    return np.asarray(label == sizes.argmax())
