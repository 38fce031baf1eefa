"""What sfm and locate would have found on the generated capture, made from its truth: for tests of what follows them."""

from __future__ import annotations

import numpy as np

from reconstruction.generated import GeneratedCapture
from reconstruction.locate.region import Region
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import RigidTransform, View
from reconstruction.sfm.sparse import SparsePoints


def sparse_points(capture: GeneratedCapture, views: list[View]) -> SparsePoints:
    """Noisy points on the object and the table, seen by a third of the views that can see them: what SfM would give."""
    rng, mesh = np.random.default_rng(0), capture.mesh
    on_object, _ = mesh.sample(300, 0)
    table = np.c_[rng.uniform(-0.25, 0.25, (500, 2)), np.full(500, mesh.bounds[0][2])]
    exact = np.concatenate([on_object, table])
    rasterizer = make_rasterizer(mesh)
    seen: list[tuple[int, int]] = []
    for index, view in enumerate(views):
        depth = rasterizer.render(view.camera, view.cam_from_world).depth
        pixels = view.project(exact)
        inside = np.nonzero(view.camera.contains(pixels) & (rng.random(len(exact)) < 0.33))[0]
        column, row = pixels[inside].round().astype(int).T
        ahead = depth[row, column]
        mask = view.mask()
        assert mask is not None
        visible = (ahead == 0) | (view.cam_from_world.apply(exact[inside])[:, 2] < 1.005 * ahead)
        visible &= mask[row, column] == (inside < 300)
        seen += [(index, int(i)) for i in inside[visible]]
    observed = np.array(seen, np.int32)
    xyz = exact + rng.normal(0, 0.0005, exact.shape)
    return SparsePoints(xyz, np.zeros((len(xyz), 3), np.uint8), observed[:, 0], observed[:, 1])


def region_of(capture: GeneratedCapture, points: SparsePoints) -> Region:
    floor = np.array([0.0, 0.0, capture.mesh.bounds[0][2]])
    own = points.xyz[np.unique(points.point_index[points.point_index < 300])]
    low, high = own.min(0) - floor, own.max(0) - floor
    margin = 0.25 * (high - low)
    lower = np.array([*(low - margin)[:2], 0.0])
    return Region(RigidTransform(np.eye(3), -floor), lower, high + margin, own, "tags")
