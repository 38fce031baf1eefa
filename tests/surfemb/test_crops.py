"""Training samples against exact geometry: what a sample says of a pixel must be what the camera sees there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from reconstruction.generated import GeneratedCapture
from reconstruction.scene import Mesh, View
from reconstruction.scene.images import read_mask, write_mask, write_photo
from reconstruction.scene.view import load_views
from reconstruction.workspace import Workspace
from surfemb.learning.batches import BatchRecipe
from surfemb.samples.augment import AugmentConfig, Augmenter
from surfemb.samples.backgrounds import Backgrounds, surroundings
from surfemb.samples.crops import CropConfig, CropSample, CropSampler
from surfemb.samples.looks import LOOKS, LooksConfig
from surfemb.samples.synthetic import SyntheticConfig, make_shader, render_views
from surfemb.samples.viewpoints import ViewRange
from surfemb.split import split_views

CALM = AugmentConfig(p_tone=0, p_grey=0, p_blur=0, p_motion=0, p_coarse=0, p_noise=0, p_sharpen=0, p_jpeg=0, p_dropout=0)


def make_sampler(
    workspace: Workspace, config: CropConfig = CropConfig(), looks: LooksConfig = LOOKS["photographed"], seed: int = 0
) -> CropSampler:
    return BatchRecipe(workspace.root, 96, config, looks, 4, 16, 32, seed).make_sampler()


@pytest.fixture(scope="module")
def sampler(training_workspace: Workspace) -> CropSampler:
    return make_sampler(training_workspace)


def reprojection_px(sample: CropSample) -> float:
    """Largest distance between a visible pixel and where the sample's own pose puts its coordinates."""
    assert sample.camera is not None
    assert sample.crop_from_obj is not None
    rows, columns = np.nonzero(sample.mask)
    pixels = sample.camera.project(sample.crop_from_obj.apply(sample.coordinates[rows, columns].astype(float)))
    return float(np.abs(pixels - np.stack([columns, rows], -1)).max(initial=0))


def test_coordinates_project_onto_their_own_pixels_under_any_jitter_and_roll(training_workspace: Workspace) -> None:
    sampler = make_sampler(training_workspace, CropConfig(roll_deg=180, offset=0.2, p_negative=0))
    samples = [sampler.sample(index) for index in range(30)]
    assert max(reprojection_px(sample) for sample in samples) < 0.01
    assert np.mean([sample.mask.mean() for sample in samples]) > 0.05
    assert all((sample.coordinates[~sample.mask] == 0).all() for sample in samples)


def test_a_plain_crop_shows_the_photo_with_the_object_where_the_mask_says(sampler: CropSampler, posed_views: list[View]) -> None:
    sample = sampler.plain(posed_views[0], 1.3)
    assert sample is not None
    assert reprojection_px(sample) < 0.01
    longer = max(np.ptp(np.nonzero(sample.mask), axis=1))
    assert longer == pytest.approx(96 / 1.3, rel=0.1)


def test_real_pixels_stay_true_to_the_mesh_colours(training_workspace: Workspace, generated_capture: GeneratedCapture) -> None:
    """Cut out, warped and pasted, the object still shows at each pixel the colour of that surface point."""
    config = CropConfig(p_negative=0, p_occlude=0, real_share=0, p_keep=0, augment=CALM)
    sampler = make_sampler(training_workspace, config, LooksConfig(p_relight=0))
    sample, mesh = sampler.sample(3), generated_capture.mesh
    assert mesh.colors is not None
    nearest = np.linalg.norm(sample.coordinates[sample.mask][:, None] - mesh.vertices[None, ::4], axis=2).argmin(1)
    difference = np.abs(mesh.colors[::4][nearest].astype(int) - sample.image[sample.mask])
    assert np.median(difference) < 15


def test_other_looks_change_the_object_and_nothing_else(training_workspace: Workspace) -> None:
    """Painted, lit and glossy as it may be: outline, surroundings and coordinates are those of the photographed object."""
    config = CropConfig(p_negative=0, p_occlude=0, p_cut=0, augment=CALM)
    always = LooksConfig(p_relight=1, p_gloss=1, p_paint=1, p_tone=1)
    samples = [
        [make_sampler(training_workspace, config, looks).sample(i) for i in range(6)] for looks in (LooksConfig(p_relight=0), always)
    ]
    for plain, changed in zip(*samples, strict=True):
        assert (plain.mask == changed.mask).all()
        assert (plain.coordinates == changed.coordinates).all()
        around = cv2.dilate(plain.mask.astype(np.uint8), np.ones((7, 7))) == 0
        assert np.abs(plain.image[plain.mask].astype(int) - changed.image[plain.mask]).mean() > 10
        assert (plain.image[around] == changed.image[around]).all()


def test_samples_depend_on_seed_and_index_alone(training_workspace: Workspace, sampler: CropSampler) -> None:
    other = make_sampler(training_workspace)
    other.sample(11)
    assert np.array_equal(sampler.sample(4).image, other.sample(4).image)
    assert np.array_equal(sampler.sample(4).coordinates, other.sample(4).coordinates)
    assert not np.array_equal(sampler.sample(4).image, sampler.sample(5).image)
    assert not np.array_equal(sampler.sample(4).image, make_sampler(training_workspace, seed=1).sample(4).image)


def test_what_the_photo_hides_is_not_called_visible(sampler: CropSampler, posed_views: list[View], tmp_path: Path) -> None:
    view = posed_views[0]
    assert view.mask_path is not None
    mask = read_mask(view.mask_path)
    middle = int(np.flatnonzero(mask.any(1)).mean())
    mask[middle:] = False
    write_mask(tmp_path / "bitten.png", mask)
    whole, bitten = sampler.plain(view, 1.3), sampler.plain(replace(view, mask_path=tmp_path / "bitten.png"), 1.3)
    assert whole is not None
    assert bitten is not None
    assert 0.2 < bitten.mask.sum() / whole.mask.sum() < 0.8
    assert not (bitten.mask & ~whole.mask).any()


def test_occluders_hide_but_leave_enough(training_workspace: Workspace) -> None:
    open_air = make_sampler(training_workspace, CropConfig(p_negative=0, p_occlude=0, p_cut=0))
    crowded = make_sampler(training_workspace, CropConfig(p_negative=0, p_occlude=1, p_cut=0))
    shares = []
    for index in range(40):
        free, hidden = open_air.sample(index), crowded.sample(index)
        assert not (hidden.mask & ~free.mask).any()
        shares.append(hidden.mask.sum() / max(free.mask.sum(), 1))
    assert min(shares) >= 0.2
    assert 0.5 < np.mean(shares) < 0.95


def test_beyond_an_images_border_nothing_is_seen(training_workspace: Workspace) -> None:
    whole = make_sampler(training_workspace, CropConfig(p_negative=0, p_occlude=0, p_cut=0))
    at_border = make_sampler(training_workspace, CropConfig(p_negative=0, p_occlude=0, p_cut=1))
    for index in range(10):
        free, cut = whole.sample(index), at_border.sample(index)
        gone = free.mask & ~cut.mask
        assert not (cut.mask & ~free.mask).any()
        assert 0.02 < gone.sum() / free.mask.sum() < 0.65
        assert not cut.image[gone].any()
        np.testing.assert_array_equal(cut.image[cut.mask], free.image[cut.mask])
        assert not cut.coordinates[gone].any()


def test_samples_without_the_object_are_as_frequent_as_asked(training_workspace: Workspace) -> None:
    sampler = make_sampler(training_workspace, CropConfig(p_negative=0.3))
    empty = [not sampler.sample(index).mask.any() for index in range(200)]
    assert np.mean(empty) == pytest.approx(0.3, abs=0.1)


def test_held_out_photos_never_enter_training(sampler: CropSampler, posed_views: list[View]) -> None:
    train, held_out = split_views(posed_views)
    assert len(held_out) == 3
    assert len(sampler.real) == len(train) == len(posed_views) - 3
    assert split_views(posed_views[::-1]) == (train, held_out)
    assert len(split_views(posed_views[:3])[1]) == 1
    assert split_views(posed_views[:1]) == ([posed_views[0]], [])


def test_surroundings_never_show_the_object(posed_views: list[View], generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    magenta = np.array([255, 0, 255], np.uint8)
    views = []
    for view in posed_views[:6]:
        photo, mask = view.photo().copy(), view.mask()
        assert mask is not None
        photo[mask] = magenta
        write_photo(tmp_path / f"{view.name}.png", photo)
        views.append(replace(view, photo_path=tmp_path / f"{view.name}.png"))
    pictures = list(surroundings(views, generated_capture.mesh.vertices, 20, seed=0))
    assert len(pictures) >= 15
    assert not any((np.abs(picture.astype(int) - magenta).max(-1) < 40).any() for picture in pictures)


def test_rendered_views_come_from_the_captures_range(training_workspace: Workspace, posed_views: list[View]) -> None:
    mesh = Mesh.load(training_workspace.mesh)
    view_range = ViewRange.of(posed_views, mesh.vertices)
    rendered = load_views(training_workspace.rendered_views)
    assert len(rendered) == 60
    centres = np.array([view.centre_world for view in rendered])
    distance = np.linalg.norm(centres, axis=1)
    elevation = np.degrees(np.arcsin(centres[:, 2] / distance))
    assert view_range.elevation_deg[0] - 10.1 < elevation.min()
    assert elevation.max() < view_range.elevation_deg[1] + 10.1
    assert distance.max() < 1.51 * view_range.distance_m[1]
    azimuth = np.arctan2(centres[:, 1], centres[:, 0])
    assert np.histogram(azimuth, 6, (-np.pi, np.pi))[0].min() > 0


def test_any_direction_covers_the_sphere_and_every_roll(training_workspace: Workspace) -> None:
    mesh = Mesh.load(training_workspace.mesh)
    config = SyntheticConfig(views=80, px=32, directions="any", shading="vertex")
    view_range = ViewRange((10, 60), (0.4, 0.6), (50, 90))
    views = list(render_views(mesh, make_shader(config, mesh, Path()), view_range, config))
    centres = np.array([view.cam_from_obj.inverse().translation for view in views])
    assert np.abs((centres / np.linalg.norm(centres, axis=1, keepdims=True)).mean(0)).max() < 0.25
    assert all(0.1 < view.mask.mean() < 0.95 for view in views)
    assert all((view.photo[~view.mask] == 0).all() for view in views)


def test_augmentation_keeps_shape_and_repeats_by_seed(sampler: CropSampler) -> None:
    picture = np.full((96, 96, 3), 120, np.uint8)
    strong = Augmenter(AugmentConfig(p_grey=1, p_coarse=1, p_blur=1, p_noise=1, p_jpeg=1, p_dropout=1))
    first, second = (strong(picture, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == picture.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert (picture == 120).all()


def test_backgrounds_know_the_captures_own(training_workspace: Workspace) -> None:
    backgrounds = Backgrounds.load(training_workspace.backgrounds)
    assert len(backgrounds.own) >= 15
    assert len(backgrounds.others) == 8
    assert backgrounds.pick(np.random.default_rng(0), 96, 64).shape == (64, 96, 3)
