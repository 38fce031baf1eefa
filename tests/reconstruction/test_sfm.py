"""Photos in, cameras out: against the exact cameras of a rendered capture, and against photos that can't work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from reconstructed_capture import Reconstructed

from reconstruction.capture import Capture, GivenCameras, Prompt
from reconstruction.errors import CaptureError
from reconstruction.formats import Optics
from reconstruction.generated import GeneratedCapture
from reconstruction.scene.images import read_photo, write_photo
from reconstruction.scene.transforms import Similarity, fit_similarity, rotation_error_deg
from reconstruction.scene.view import load_views
from reconstruction.sfm.cameras import start_cameras
from reconstruction.sfm.colmap import request as colmap
from reconstruction.sfm.duplicates import find_duplicates
from reconstruction.sfm.lenses import load_lenses
from reconstruction.sfm.optics import group_by_lens
from reconstruction.sfm.photos import choose_matching, colmap_name, prepare_photos
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.sfm.stage import SfmConfig, SfmResult, captured_photos, estimate_cameras
from reconstruction.stage import silent
from reconstruction.workspace import Workspace

SMALL = SfmConfig(feature_px=480, max_features=2048)


def _obj_from_sfm(views: list, truth: GeneratedCapture) -> Similarity:
    true_pose = {photo.name: photo.cam_from_obj for photo in truth.photos}
    return fit_similarity(np.stack([true_pose[v.name].inverse().translation for v in views]), np.stack([v.centre_world for v in views]))


def test_every_photo_is_registered_where_it_was_taken(reconstructed: Reconstructed) -> None:
    views = load_views(reconstructed.workspace.sfm_views)
    truth = {photo.name: photo.cam_from_obj for photo in reconstructed.truth.photos}
    assert [v.name for v in views] == [p.name for p in reconstructed.truth.photos]
    moved = [v.in_frame(_obj_from_sfm(views, reconstructed.truth)) for v in views]
    distances = [np.linalg.norm(v.centre_world - truth[v.name].inverse().translation) for v in moved]
    angles = [rotation_error_deg(v.cam_from_world.rotation, truth[v.name].rotation) for v in moved]
    assert np.median(distances) < 0.002, "metres, at about half a metre"
    assert np.median(angles) < 0.15


def test_the_cloud_to_look_at_is_in_the_frame_of_the_cameras(reconstructed: Reconstructed) -> None:
    views = load_views(reconstructed.workspace.sfm_views)
    cloud = json.loads((reconstructed.workspace.root / "sfm" / "cloud.json").read_text())
    assert [camera["name"] for camera in cloud["cameras"]] == [view.name for view in views]
    assert len(cloud["points"]) == len(SparsePoints.load(reconstructed.workspace.sfm_points).xyz)
    up_obj = _obj_from_sfm(views, reconstructed.truth).rotation @ cloud["up"]
    assert up_obj[2] > 0.99, "the table's normal"


def test_focal_length_and_lens_come_out(reconstructed: Reconstructed) -> None:
    lens = next(iter(load_lenses(reconstructed.workspace.sfm_lens).values()))
    truth = reconstructed.truth
    assert lens.camera.fx == pytest.approx(truth.camera.fx, rel=0.01)
    grid = np.stack(np.meshgrid(np.linspace(20, 460, 8), np.linspace(20, 340, 6)), -1).reshape(-1, 2)
    found = lens.camera.unproject(lens.to_view(grid, lens.camera), np.ones(len(grid)))[:, :2]
    true = truth.camera.unproject(truth.lens.undistort_pixels(grid, truth.camera), np.ones(len(grid)))[:, :2]
    assert np.median(np.linalg.norm(found - true, axis=1)) < 0.003, "radians, about one pixel here"


def test_a_pixel_goes_into_the_view_and_back(reconstructed: Reconstructed) -> None:
    lens = next(iter(load_lenses(reconstructed.workspace.sfm_lens).values()))
    half_size = lens.camera.resized(240, 180)
    pixels = np.array([[0.0, 0.0], [240.0, 180.0], [479.0, 359.0]])
    np.testing.assert_allclose(lens.from_view(lens.to_view(pixels, half_size), half_size), pixels, atol=0.02)


def test_points_lie_where_the_views_see_them(reconstructed: Reconstructed) -> None:
    views, points = load_views(reconstructed.workspace.sfm_views), SparsePoints.load(reconstructed.workspace.sfm_points)
    assert len(points.xyz) > 500
    for index, view in enumerate(views):
        pixels = view.project(points.xyz[points.seen_by(index)])
        assert view.camera.contains(pixels).mean() > 0.98
    height, width, _ = views[0].photo().shape
    assert (views[0].camera.width, views[0].camera.height) == (width, height)


def test_the_user_sees_what_happens(reconstructed: Reconstructed) -> None:
    manifest = reconstructed.workspace.manifest("sfm")
    assert manifest
    quality = manifest["quality"]
    assert (quality["photos"], quality["registered"], quality["unregistered"]) == (24, 24, [])
    assert quality["reprojection_error_px"] < 1.0
    seen = {message.split(" ")[0] for message in reconstructed.messages}
    assert {"reading", "finding", "matching", "placing", "undistorting"} <= seen


class Killed(Exception):
    pass


def test_few_features_are_enough_and_any_number_of_cores_and_kills_gives_the_same(
    generated_capture: GeneratedCapture, tmp_path: Path
) -> None:
    config = SfmConfig(feature_px=480, max_features=1200, upsample=False, matching="similar", overlap=4)
    photos = [p.path for p in generated_capture.photos]

    def run(threads: int, until: str = "") -> tuple[SfmResult, set[str]]:
        told = set()

        def tell(step: int, steps: int, message: str = "") -> None:
            if until and message.startswith(until):
                raise Killed  # which takes COLMAP's process along
            told.add(message.split(" ")[0])

        return estimate_cameras(photos, Capture(), replace(config, threads=threads), tmp_path / str(threads), tell), told

    one, _ = run(threads=1)
    assert one.quality["registered"] >= 18, "a quarter of the features and of the pairs still place most photos"
    for phase in ("finding", "matching", "placing"):
        with pytest.raises(Killed):
            run(threads=2, until=phase)
    other, told = run(threads=2)
    assert told == {"reading", "choosing", "placing"}, "features and matches are not looked for again"
    for view, same in zip(one.views, other.views, strict=True):
        np.testing.assert_array_equal(view.cam_from_world.matrix, same.cam_from_world.matrix)
    np.testing.assert_array_equal(one.points.xyz, other.points.xyz)
    _, told = run(threads=2, until="placing")
    assert told == {"reading"}, "the model is there too"


def test_given_cameras_and_poses_are_kept(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    truth = generated_capture
    photos = truth.photos[:9]
    poses = {p.name: p.cam_from_board.to_json() for p in photos[:-1]}
    c, k = truth.camera, truth.lens
    given = GivenCameras(c.width, c.height, c.fx, c.fy, c.cx, c.cy, (k.k1, k.k2, k.p1, k.p2, k.k3), poses)
    result = estimate_cameras([p.path for p in photos], Capture(cameras=given), SMALL, tmp_path)
    assert result.quality["unregistered"] == [photos[-1].name]
    assert result.views[0].camera.fx == pytest.approx(c.fx, abs=1e-6)
    assert result.lenses[photos[0].name].camera.cx == pytest.approx(c.cx, abs=1e-6)
    for view, photo in zip(result.views, photos, strict=False):
        np.testing.assert_allclose(view.cam_from_world.matrix, photo.cam_from_board.matrix, atol=1e-6)
    on_table = np.abs(result.points.xyz[:, 2]) < 0.003
    assert on_table.mean() > 0.2, "points come out in the given frame, whose z = 0 is the board"


def test_a_camera_of_another_shape_is_refused(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    given = GivenCameras(1000, 1000, 900, 900, 500, 500)
    with pytest.raises(CaptureError, match="480x360, the given camera 1000x1000"):
        estimate_cameras([p.path for p in generated_capture.photos], Capture(cameras=given), SMALL, tmp_path)


def test_too_few_photos(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="5 photos are too few"):
        estimate_cameras([p.path for p in generated_capture.photos[:5]], Capture(), SMALL, tmp_path)


def test_photos_of_different_places(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(8):
        noise = cv2.resize(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), (320, 240))
        write_photo(tmp_path / f"{index}.png", noise)
    with pytest.raises(CaptureError, match=r"of 8 photos registered.*overlap"):
        estimate_cameras(sorted(tmp_path.glob("*.png")), Capture(), SfmConfig(feature_px=320), tmp_path / "scratch")


def test_a_dying_process_is_an_error_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "die.py"
    script.write_text(
        f"import os, sys\nprint('check failed: x > 0', file=sys.stderr, flush=True)\nos.kill(os.getpid(), {int(signal.SIGABRT)})"
    )
    monkeypatch.setattr(sys, "executable", str(script))
    script.write_text(f"#!{os.path.realpath('/usr/bin/env')} python3\n" + script.read_text())
    script.chmod(0o755)
    request = colmap.Request(str(tmp_path), [], [], [], "exhaustive", 10, 100, False, [0.75], 1, 0)
    with pytest.raises(CaptureError, match=r"SIGABRT.*check failed: x > 0"):
        colmap.run_colmap(request, silent)


def test_what_processes_tell_in_one_pipe_is_never_torn() -> None:
    """Containers run Python unbuffered: the number and the end of its line came apart, another's between them."""
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # one gets what the other wrote at once
    code = "from reconstruction.sfm.colmap.matching import tell_parent; tell_parent(64)"
    with reading, writing:
        subprocess.run([sys.executable, "-c", code], stdout=writing, check=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        assert reading.recv(100) == b"64\n"


def test_matching_is_chosen_from_the_photos(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    photos = prepare_photos([p.path for p in generated_capture.photos], tmp_path / "a", 320, silent)
    assert choose_matching(photos, SfmConfig().exhaustive_up_to) == "exhaustive"
    still = [photos[i // 4] for i in range(len(photos))]  # as a slow video has them
    assert choose_matching(still, 10) == "sequential"
    shuffled = [photos[i] for i in np.random.default_rng(0).permutation(len(photos))]
    assert choose_matching(shuffled, 10) == "similar"


def test_a_turned_phone_and_its_exif_focal_length(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    image = Image.fromarray(read_photo(generated_capture.photos[0].path))
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 28  # mm, as on a 36 x 24 mm film
    exif[0x0112] = 6  # stored sideways
    image.save(tmp_path / "turned.jpg", exif=exif)
    shutil.copy(generated_capture.photos[1].path, tmp_path / "upright.jpg")
    photos = prepare_photos([tmp_path / "turned.jpg", tmp_path / "upright.jpg"], tmp_path / "out", 240, silent)
    cameras, camera_of = start_cameras(photos, Capture(), 240, 0.75)
    assert [(c.width, c.height) for c in cameras] == [(180, 240), (240, 180)]
    assert camera_of == [0, 1], "one camera a photo size: an upright and a sideways phone"
    assert cameras[0].focal_known
    assert cameras[0].params[0] == pytest.approx(28 / 43.27 * 300, rel=0.01)
    assert not cameras[1].focal_known
    cameras, camera_of = start_cameras([photos[1], photos[1]], Capture(shared_camera=False), 240, 0.75)
    assert (len(cameras), camera_of) == (2, [0, 1]), "a camera each where zoom or lens differ"


def test_copies_are_left_out_and_named(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(generated_capture.photo_dir, folder)
    first, second, third = (p.path.name for p in generated_capture.photos[:3])
    shutil.copy(folder / first, folder / "zz_same.jpg")
    with Image.open(folder / second) as image:
        image.save(folder / "aa_worse.jpg", quality=40)
        image.resize((320, 240)).save(folder / "aa_smaller.jpg", quality=80)
    with Image.open(folder / third) as image:
        image.save(folder / "box.png")
    request = Capture(prompt=Prompt("box.png", box=(1, 2, 3, 4)))
    photos = prepare_photos(sorted(folder.iterdir()), tmp_path / "small", 480, silent)
    small = [tmp_path / "small" / colmap_name(i) for i in range(len(photos))]
    copies = find_duplicates(photos, small, request.named_photos)
    named = {photos[i].path.name: photos[k].path.name for i, k in copies.items()}
    assert named.keys() == {"zz_same.jpg", "aa_smaller.jpg", second, third}
    assert (named["zz_same.jpg"], named[third]) == (first, "box.png"), "the photo that the prompt names stays"
    assert named["aa_smaller.jpg"] == "aa_worse.jpg", "of equal size the first name stays"


def test_a_stranger_a_copy_and_a_second_lens_spoil_nothing(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    """Every third photo as a phone's other lens takes it: of the same size, from the middle of a narrower field."""
    names = [photo.name for photo in generated_capture.photos[:20]]
    for index, photo in enumerate(generated_capture.photos[:20]):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0xA405] = 26 if index % 3 else 43
        with Image.open(photo.path) as image:
            near = image if index % 3 else image.resize((480, 360), Image.Resampling.BICUBIC, (96, 72, 384, 288))
            near.save(tmp_path / photo.path.name, exif=exif, quality=95)
    shutil.copy(tmp_path / f"{names[4]}.jpg", tmp_path / "copy.jpg")
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    write_photo(tmp_path / "holiday.jpg", cv2.resize(noise, (480, 360)))
    result = estimate_cameras(sorted(tmp_path.glob("*.jpg")), Capture(), replace(SMALL, max_features=1400), tmp_path / "scratch")

    assert "holiday" in result.quality["unregistered"]
    assert len(result.views) >= 17
    assert result.quality["duplicates"] == [names[4]], "copy.jpg comes first"
    focal = {name: lens.camera.fx for name, lens in result.lenses.items() if name != "copy"}
    near_ones = {focal[name] for name in names[::3] if name in focal}
    far_ones = {focal[name] for k, name in enumerate(names) if k % 3 and name in focal}
    assert (len(near_ones), len(far_ones)) == (1, 1)
    assert near_ones.pop() / far_ones.pop() == pytest.approx(480 / 288, rel=0.02)
    truth = {photo.name: photo.cam_from_obj.inverse().translation for photo in generated_capture.photos}
    known = [v for v in result.views if v.name != "copy"]
    moved = [v.in_frame(_obj_from_sfm(known, generated_capture)) for v in known]
    assert np.median([np.linalg.norm(v.centre_world - truth[v.name]) for v in moved]) < 0.003, "metres"
    said = {warning["code"]: warning for warning in result.quality["warnings"]}
    assert said["duplicate-photo"]["photo"] == names[4]
    assert "26 mm (13 photos), 43 mm (7 photos), unknown (1 photo)" in said["mixed-lenses"]["message"]


def test_lenses_are_told_apart_by_exif() -> None:
    phone, zoom = Optics("A 12", 4.25, 26.0), Optics("A 12", 4.25, 26.0, 2.0)
    assert group_by_lens([phone, phone, Optics()]) == [0, 0, 0], "what says nothing goes with the only lens"
    assert group_by_lens([phone, zoom, Optics(), phone]) == [0, 1, 2, 0]
    assert group_by_lens([Optics("B", f) for f in (24.0, 24.1, 24.2, 35.0)]) == [0, 0, 0, 1], "rounding is no other lens"
    assert group_by_lens([Optics("A", None, 26.0), Optics("B", None, 26.0)]) == [0, 1]
    assert group_by_lens([Optics(), Optics()]) == [0, 0]


def test_a_video_joins_the_photos(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for folder in (workspace.photos, workspace.given_video):
        folder.mkdir(parents=True)
    shutil.copy(generated_capture.photos[0].path, workspace.photos / "a.jpg")
    photo = read_photo(generated_capture.photos[1].path)
    writer = cv2.VideoWriter(str(workspace.given_video / "walk.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 15, (240, 180))
    for number in range(45):
        writer.write(np.ascontiguousarray(photo[60:240, 5 * number : 5 * number + 240, ::-1]))
    writer.release()
    found = captured_photos(workspace, tmp_path / "scratch", silent)
    assert found[0] == workspace.photos / "a.jpg"
    assert len(found) > 10
    assert all(path.exists() and path.stem.startswith("walk_0") for path in found[1:])
    assert [path.name for path in workspace.photos.iterdir()] == ["a.jpg"], "what the user gave stays as it was given"
