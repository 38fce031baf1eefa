"""The hull of a known shape: right size, robust to wrong and occluded masks, the same after a trip to disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import trimesh

from reconstruction.errors import MaskError
from reconstruction.hull import Hull, carve_hull, carve_reaching, count_votes, find_bites
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, View
from reconstruction.scene.transforms import look_at

LOWER, UPPER = np.array([-0.08, -0.09, -0.08]), np.array([0.08, 0.09, 0.08])
SIZES = np.array([0.06, 0.10, 0.08])


@dataclass(frozen=True)
class Orbit:
    """Views all round a box of 60 x 100 x 80 mm, with its exact silhouettes."""

    mesh: Mesh
    views: list[View]
    masks: list[np.ndarray] = field(default_factory=list)


@pytest.fixture(scope="module")
def orbit() -> Orbit:
    box = trimesh.creation.box(SIZES)
    mesh = Mesh(np.asarray(box.vertices), np.asarray(box.faces, np.int32))
    camera, rng, rasterizer = Camera(240, 180, 260, 260, 119.5, 89.5), np.random.default_rng(0), make_rasterizer(mesh)
    views = []
    for i in range(40):
        azimuth, elevation = 2.399 * i, np.radians(rng.uniform(-60, 60))
        eye = 0.45 * np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
        views.append(View(f"{i:03d}", camera, look_at(eye, np.zeros(3), np.array([0.0, 0, 1])), Path("unused.png")))
    return Orbit(mesh, views, [rasterizer.render(v.camera, v.cam_from_world).mask for v in views])


def labelled(views: list[View], masks: list[np.ndarray]) -> list[tuple[View, np.ndarray]]:
    return [(view, mask.astype(np.uint8)) for view, mask in zip(views, masks, strict=True)]


def test_the_hull_has_the_size_and_place_of_the_box(orbit: Orbit) -> None:
    hull = carve_hull(orbit.views, orbit.masks, LOWER, UPPER, 64, tolerance=0.0)
    lower, upper = hull.bounds()
    np.testing.assert_allclose(upper - lower, SIZES, atol=3 * hull.spacing)
    np.testing.assert_allclose((lower + upper) / 2, 0, atol=hull.spacing)


def test_a_box_that_cuts_the_object_off_is_widened_to_what_the_masks_show(orbit: Orbit) -> None:
    short = np.array([0.01, 0.03, 0.08])  # y: a third of the object lies beyond
    _, lower, upper = carve_reaching(orbit.views, orbit.masks, LOWER, short, 48)
    np.testing.assert_array_equal(lower, LOWER)
    assert upper[0] > SIZES[0] / 2
    assert upper[1] > SIZES[1] / 2
    assert upper[2] == UPPER[2]


def test_a_box_that_holds_the_object_stays(orbit: Orbit) -> None:
    np.testing.assert_array_equal(carve_reaching(orbit.views, orbit.masks, LOWER, UPPER, 48)[1:], (LOWER, UPPER))


def test_silhouettes_of_the_hull_match_the_masks(orbit: Orbit) -> None:
    hull = carve_hull(orbit.views, orbit.masks, LOWER, UPPER, 96, tolerance=0.0)
    for view, mask in zip(orbit.views, orbit.masks, strict=True):
        silhouette = hull.silhouette(view)
        assert (silhouette & mask).sum() / (silhouette | mask).sum() > 0.92


def test_an_object_in_front_of_some_views_leaves_the_hull_whole(orbit: Orbit) -> None:
    bitten = [mask.copy() for mask in orbit.masks]
    for mask in bitten[::8]:  # an eighth of the views lose the lower third of the object
        rows = np.nonzero(mask.any(1))[0]
        mask[int(np.quantile(rows, 0.66)) :] = False
    strict = carve_hull(orbit.views, bitten, LOWER, UPPER, 64, tolerance=0.0, rounds=1)
    robust = carve_hull(orbit.views, bitten, LOWER, UPPER, 64, tolerance=0.15)
    truth = carve_hull(orbit.views, orbit.masks, LOWER, UPPER, 64, tolerance=0.0)
    assert strict.inside.sum() < 0.9 * truth.inside.sum()
    assert (robust.inside & truth.inside).sum() / (robust.inside | truth.inside).sum() > 0.85


def test_a_thin_wall_stays_where_some_photos_cut_it_off(orbit: Orbit) -> None:
    wall = trimesh.creation.box((0.05, 0.006, 0.03))
    wall.apply_translation((0, 0.03, 0.05))
    rasterizer = make_rasterizer(Mesh(np.asarray(wall.vertices), np.asarray(wall.faces, np.int32)))
    walled = [m | rasterizer.render(v.camera, v.cam_from_world).mask for v, m in zip(orbit.views, orbit.masks, strict=True)]
    lost = [m if i % 8 == 0 else w for i, (m, w) in enumerate(zip(orbit.masks, walled, strict=True))]
    whole, hull = (carve_hull(orbit.views, masks, LOWER, UPPER, 64, tolerance=0.04, thin_parts=True) for masks in (walled, lost))
    grid = hull.origin + hull.spacing * np.stack(np.meshgrid(*map(np.arange, hull.inside.shape), indexing="ij"), -1)
    thin = whole.inside & (grid[..., 2] > 0.044)  # above the box
    assert (hull.inside & thin).sum() > 0.9 * thin.sum()
    assert (hull.inside & ~whole.inside).sum() < 0.03 * whole.inside.sum()
    inside, outside = count_votes(labelled(orbit.views, lost), hull.origin, hull.spacing, hull.inside.shape)
    assert (thin & (outside <= 0.04 * (inside + outside))).sum() < 0.5 * thin.sum()  # by all photos' votes it would be gone


def test_a_view_without_a_mask_has_no_say(orbit: Orbit) -> None:
    masks = [None if i % 4 == 0 else mask for i, mask in enumerate(orbit.masks)]
    lower, upper = carve_hull(orbit.views, masks, LOWER, UPPER, 64, tolerance=0.0).bounds()
    np.testing.assert_allclose(upper - lower, SIZES, atol=0.012)


def test_the_largest_piece_is_kept(orbit: Orbit) -> None:
    speck = Mesh(orbit.mesh.vertices * 0.1 + [0.06, 0.07, 0.06], orbit.mesh.faces)
    rasterizer = make_rasterizer(speck)
    masks = [m | rasterizer.render(v.camera, v.cam_from_world).mask for v, m in zip(orbit.views, orbit.masks, strict=True)]
    _, upper = carve_hull(orbit.views, masks, LOWER, UPPER, 64, tolerance=0.0).bounds()
    assert upper[0] < 0.05


def test_masks_that_share_nothing_are_an_error(orbit: Orbit) -> None:
    empty = [np.zeros_like(mask) for mask in orbit.masks]
    with pytest.raises(MaskError, match="no common object"):
        carve_hull(orbit.views, empty, LOWER, UPPER, 32)


def test_the_signed_distance_of_a_ball_is_its_distance() -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 41)] * 3, indexing="ij"), -1)
    radius = np.linalg.norm(grid, axis=-1)
    hull = Hull(radius < 0.6, np.full(3, -1.0), 0.05)
    assert np.abs(hull.signed_distance() - (radius - 0.6)).max() < 0.06


@pytest.mark.parametrize("size", [(1, 1, 1), (12, 9, 1)])
def test_a_hull_as_thin_as_a_voxel_has_a_mesh(size: tuple[int, int, int]) -> None:
    extents = np.ptp(Hull(np.ones(size, bool), np.zeros(3), 0.01).mesh().vertices, axis=0)
    np.testing.assert_allclose(extents, 0.01 * np.array(size), atol=0.0101)


def test_the_mesh_is_closed_and_faces_outwards() -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 41)] * 3, indexing="ij"), -1)
    mesh = Hull(np.linalg.norm(grid, axis=-1) < 0.6, np.full(3, -1.0), 0.05).mesh()
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.05)


def test_a_hull_comes_back_from_disk(tmp_path: Path) -> None:
    inside = np.random.default_rng(1).random((7, 5, 9)) < 0.5
    Hull(inside, np.array([1.0, 2, 3]), 0.25).save(tmp_path / "hull.npz")
    loaded = Hull.load(tmp_path / "hull.npz")
    np.testing.assert_array_equal(loaded.inside, inside)
    np.testing.assert_array_equal(loaded.origin, [1, 2, 3])
    assert loaded.spacing == 0.25


def test_a_thick_missing_piece_is_a_bite_and_a_thin_edge_is_not() -> None:
    silhouette = np.zeros((100, 100), bool)
    silhouette[20:80, 20:80] = True
    mask = silhouette.copy()
    mask[20:22] = False
    assert not find_bites(mask, silhouette).any()
    mask[50:80, 20:45] = False
    bites = find_bites(mask, silhouette)
    assert bites[52:78, 22:43].all()
    assert not bites[20:22, 60:].any()
