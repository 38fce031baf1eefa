"""Depth by stereo against exact depth; hollows and strangers put in on purpose are found, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reconstruction.generated import GeneratedCapture
from reconstruction.hull import Hull, carve_hull
from reconstruction.masks.strangers import without_strangers
from reconstruction.metrics import compare_surfaces
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import View
from reconstruction.scene.images import write_photo
from reconstruction.sdf.hollows import open_hollows
from reconstruction.sdf.rays import open_window
from reconstruction.stereo import StereoConfig, StereoPhoto, find_depths, look_closely

CONFIG = StereoConfig()


@pytest.fixture(scope="module")
def hull(posed_views: list[View], generated_capture: GeneratedCapture) -> Hull:
    lower, upper = generated_capture.mesh.bounds
    return carve_hull(posed_views, [view.mask() for view in posed_views], lower - 0.01, upper + 0.01, 96)


def test_depths_are_exact_to_a_voxel(posed_views: list[View], hull: Hull, generated_capture: GeneratedCapture) -> None:
    photos = [StereoPhoto.shrunk(v.camera, v.cam_from_world, v.photo(), mask, 480) for v in posed_views if (mask := v.mask()) is not None]
    depths = find_depths(photos, hull, CONFIG)
    truth = make_rasterizer(generated_capture.mesh)
    errors, wanted = [], 0
    for photo, depth in zip(photos, depths, strict=True):
        exact = truth.render(photo.camera, photo.cam_from_world).depth
        seen = (depth > 0) & (exact > 0)
        errors.append(np.abs(depth - exact)[seen])
        wanted += int(photo.wanted.sum())
    error = np.concatenate(errors)
    assert len(error) > 0.4 * wanted, "most of a textured object has a depth"
    assert np.median(error) < hull.spacing
    assert (error > 5 * hull.spacing).mean() < 0.05


def test_what_photos_see_through_is_carved_and_nothing_else(
    posed_views: list[View], hull: Hull, generated_capture: GeneratedCapture
) -> None:
    """A lump that no photo shows is put on the hull, as a lid would be; the masks still say object there."""
    index = np.stack(np.meshgrid(*map(np.arange, hull.inside.shape), indexing="ij"), -1)
    side = np.argwhere(hull.inside)
    middle = side[np.abs(side - side.mean(0)).sum(1).argmin()]
    outermost = side[(side[:, 0] == middle[0]) & (side[:, 2] == middle[2])][:, 1].max()
    lump = np.linalg.norm(index - (middle[0], outermost, middle[2]), axis=-1) < 11
    swollen = replace(hull, inside=hull.inside | lump)
    windows = [window for view in posed_views if (window := open_window(view, hull, 400)) is not None]
    opened = open_hollows(swollen, windows, CONFIG)
    added = lump & ~hull.inside
    assert added.sum() > 1500
    assert (opened.inside & added).sum() < 0.1 * added.sum()
    truth = generated_capture.mesh
    bottom = truth.bounds[0][2] + 0.05 * truth.diameter
    before, after = (compare_surfaces(h.mesh(), truth, above_z=bottom) for h in (hull, opened))
    assert 1 - after.f_score < 0.6 * (1 - before.f_score), "outlines bulge before flat faces, depths do not"
    assert after.completeness < 1.1 * before.completeness


def cleaned_of_strangers(views: list[View], masks: list[np.ndarray], hull: Hull) -> list[np.ndarray]:
    return without_strangers(masks, look_closely(views, masks, hull, CONFIG), CONFIG, 3 * hull.spacing)


def test_a_thing_in_front_leaves_its_photo_s_mask_only(posed_views: list[View], hull: Hull, tmp_path: Path) -> None:
    masks = [mask for view in posed_views if (mask := view.mask()) is not None]
    photo = posed_views[5].photo().copy()
    rows, columns = np.nonzero(masks[5])
    top, left = int(np.percentile(rows, 55)), columns.min()
    cover = np.zeros_like(masks[5])
    cover[top:, left : (left + columns.max()) // 2] = True
    photo[cover] = np.roll(posed_views[17].photo()[:, ::-1], 40, 0)[cover]  # the same colours, another pattern
    write_photo(tmp_path / "hidden.png", photo)
    views = [replace(view, photo_path=tmp_path / "hidden.png") if i == 5 else view for i, view in enumerate(posed_views)]
    cleaned = cleaned_of_strangers(views, masks, hull)
    hidden = cover & masks[5]
    assert hidden.sum() > 0.1 * masks[5].sum()
    assert (cleaned[5] & hidden).sum() < 0.35 * hidden.sum()
    assert (cleaned[5] & ~hidden).sum() > 0.85 * (masks[5] & ~hidden).sum()
    kept = [c.sum() / m.sum() for i, (c, m) in enumerate(zip(cleaned, masks, strict=True)) if i != 5]
    assert np.mean(kept) > 0.985
    assert min(kept) > 0.85


def test_an_object_at_the_border_of_the_photo(posed_views: list[View], hull: Hull, tmp_path: Path) -> None:
    """Cropped photos, so that each mask touches the border; the fifth's lower part shows something else."""
    views, masks = [], []
    for i, view in enumerate(posed_views):
        mask = view.mask()
        assert mask is not None
        rows, columns = np.nonzero(mask)
        x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        photo = view.photo()[y0:y1, x0:x1].copy()
        if i == 5:
            photo[photo.shape[0] // 2 :] = np.random.default_rng(0).integers(
                0, 255, (photo.shape[0] - photo.shape[0] // 2, *photo.shape[1:])
            )
        write_photo(tmp_path / f"{i}.png", photo)
        camera = view.camera.cropped(int(x0), int(y0), int(x1 - x0), int(y1 - y0))
        views.append(replace(view, camera=camera, photo_path=tmp_path / f"{i}.png"))
        masks.append(mask[y0:y1, x0:x1])
    cleaned = cleaned_of_strangers(views, masks, hull)
    half = masks[5].shape[0] // 2
    assert cleaned[5][half:].sum() < 0.35 * masks[5][half:].sum()
    assert cleaned[5][:half].sum() > 0.8 * masks[5][:half].sum()


def test_photos_without_neighbours_say_nothing(posed_views: list[View], hull: Hull) -> None:
    alone = [posed_views[0], posed_views[8]]
    masks = [mask for view in alone if (mask := view.mask()) is not None]
    assert all((a == b).all() for a, b in zip(cleaned_of_strangers(alone, masks, hull), masks, strict=True))
