"""`snap6d` as people and programs use it, on stand-in stages."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from reconstruction.capture import Capture, KnownLength, Prompt, SingleTag
from reconstruction.errors import InputError
from reconstruction.scene.images import exif_focal_px
from workers.command import options
from workers.command.cli import app
from workers.command.onboard import prepare
from workers.embedded import ServerError, redis_executable, serve
from workers.pipeline import PIPELINE, Recipe
from workers.settings import Settings

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE), "SNAP6D_PIPELINE": "stand_in:PIPELINE", "NO_COLOR": "1"}


def snap6d(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers.command.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=HERE.parents[1], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(3):
        Image.fromarray(np.full((48, 64, 3), 60 * number, np.uint8)).save(folder / f"IMG_{number}.jpg")
    return folder


def test_onboarding_and_going_on(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "mug"
    first = snap6d("onboard", photos, "--out", out, "--box", "IMG_1:1,2,30,40", "--tags", "tag36h11:50mm", "--json")
    assert first.returncode == 0, first.stderr
    events = [json.loads(line) for line in first.stdout.splitlines()]
    done = [e["stage"] for e in events if e.get("kind") == "succeeded"]
    assert [stage for stage in done if stage != "photos"] == ["sfm", "scale", "surface"]  # reading, where it takes over a second
    assert events[-1]["out"] == str(out)
    assert {path.name for path in out.iterdir()} >= {"mesh.ply", "mesh.glb", "report.json"}
    capture = Capture.load(out / "capture" / "capture.json")
    assert (capture.name, capture.prompt, capture.scale) == ("mug", Prompt("IMG_1.jpg", box=(1, 2, 30, 40)), SingleTag("tag36h11", 0.05))

    again = snap6d("onboard", photos, "--out", out)
    assert again.returncode == 2
    assert "--resume" in again.stderr

    report = json.loads((out / "report.json").read_text())
    assert report["warnings"] == events[-1]["warnings"] == []

    resumed = snap6d("onboard", photos, "--out", out, "--resume", "--json")
    assert [json.loads(line)["kind"] for line in resumed.stdout.splitlines() if '"skipped"' in line] == ["skipped"] * 3
    assert Capture.load(out / "capture" / "capture.json") == capture

    shown = snap6d("onboard", photos, "--out", out, "--resume", "--point", "IMG_2.jpg:3,4")
    assert "sfm" in shown.stderr
    assert Capture.load(out / "capture" / "capture.json").prompt == Prompt("IMG_2.jpg", point=(3, 4))


def test_a_weak_capture_is_said_at_the_end(photos: Path, tmp_path: Path) -> None:
    done = snap6d("onboard", photos, "--out", tmp_path / "weak")
    assert done.returncode == 0
    *_, warning, last = done.stderr.strip().splitlines()
    assert warning == "! 1 of 3 photos could not be placed: IMG_2"
    assert last.startswith("done")


def test_an_onboarding_stops_where_asked_and_goes_on(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "mug"
    stopped = snap6d("onboard", photos, "--out", out, "--until", "scale", "--json")
    assert stopped.returncode == 0, stopped.stderr
    kinds = lambda said: [(e["stage"], e["kind"]) for e in map(json.loads, said.splitlines()) if e.get("kind") in ("succeeded", "skipped")]  # noqa: E731
    assert kinds(stopped.stdout) == [("sfm", "succeeded"), ("scale", "succeeded")]
    assert (out / "report.json").exists()
    assert not (out / "mesh.ply").exists()
    on = snap6d("onboard", photos, "--out", out, "--resume", "--json")
    assert kinds(on.stdout) == [("sfm", "skipped"), ("scale", "skipped"), ("surface", "succeeded")]


def test_what_can_not_be_joined_is_said_in_one_line(photos: Path, tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["join", str(photos), str(tmp_path), "--out", str(tmp_path / "whole")])
    assert said.exit_code == 2
    assert "--until scale" in said.stderr
    assert not (tmp_path / "whole").exists()
    (tmp_path / "whole" / "sources" / "first").mkdir(parents=True)
    said = CliRunner().invoke(app, ["onboard", str(photos), "--out", str(tmp_path / "whole"), "--resume"])
    assert (said.exit_code, "snap6d join" in said.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--box", "IMG_9:1,2,3,4"], "IMG_9"),
        (["--box", "1,2,3,4"], "names no photo"),
        (["--box", "IMG_1:1,2,3"], "x0,y0,x1,y1"),
        (["--box", "IMG_1:5,2,3,9"], "no area"),
        (["--box", "IMG_1:1,2,3,4", "--point", "IMG_1:1,2"], "one of them"),
        (["--tags", "tag36h11:50"], "mm"),
        (["--tags", "qr:50mm"], "tag36h11"),
        (["--tags", "tag36h11:50mm", "--known-length", "height:1m"], "one source"),
        (["--known-length", "width:1m"], "height:0.191m"),
        (["--profile", "best"], "standard"),
        (["--until", "mesh"], "surface"),
        (["--masks", "nowhere"], "folder"),
        (["--cameras", "nowhere.json"], "nowhere.json"),
        (["--cameras-from", "the sky"], "board"),
    ],
)
def test_mistakes_are_said_in_one_line(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.setenv("SNAP6D_PIPELINE", "stand_in:PIPELINE")
    result = CliRunner().invoke(app, ["onboard", str(photos), "--out", str(tmp_path / "out"), *arguments])
    assert result.exit_code == 2
    assert result.stderr.startswith("error [")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds along a wall."""
    path = tmp_path_factory.mktemp("film") / "walk.mp4"
    wall = cv2.resize(np.random.default_rng(0).integers(0, 255, (20, 60, 3), dtype=np.uint8), (720, 240), interpolation=cv2.INTER_CUBIC)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 15, (320, 240))
    for number in range(45):
        writer.write(np.ascontiguousarray(wall[:, 8 * number : 8 * number + 320]))
    writer.release()
    return path


def test_a_video_is_onboarded_by_the_frames_that_are_listed(walk: Path, tmp_path: Path) -> None:
    listed = snap6d("frames", walk, "--out", tmp_path / "frames")
    frames = [Path(line).name for line in listed.stdout.splitlines()]
    assert len(frames) > 10
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == frames
    workspace = prepare(walk, tmp_path / "mug", Capture(prompt=Prompt(Path(frames[3]).stem, box=(1, 2, 30, 40))))
    assert sorted(path.name for path in workspace.photos.iterdir()) == frames
    assert Capture.load(workspace.capture).prompt == Prompt(frames[3], box=(1, 2, 30, 40))


def test_a_phones_heic_is_kept_as_jpeg_under_its_name(tmp_path: Path) -> None:
    for name in ("IMG_1.HEIC", "IMG_2.heic"):
        (tmp_path / name).write_bytes((HERE.parent / "phone.heic").read_bytes())
    workspace = prepare(tmp_path, tmp_path / "mug", Capture(prompt=Prompt("IMG_2.heic", point=(3, 4))))
    assert sorted(path.name for path in workspace.photos.iterdir()) == ["IMG_1.jpg", "IMG_2.jpg"]
    assert Capture.load(workspace.capture).prompt == Prompt("IMG_2.jpg", point=(3, 4))
    assert exif_focal_px(workspace.photos / "IMG_1.jpg") == pytest.approx(26 * 160 / 43.27)


def test_what_was_refused_leaves_the_place_free(walk: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(walk.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"cut\.mp4"):
        prepare(tmp_path / "cut.mp4", tmp_path / "mug", Capture())
    assert prepare(walk, tmp_path / "mug", Capture()).capture.exists()


def test_an_object_that_is_not_there(photos: Path, tmp_path: Path) -> None:
    assert "photos" in snap6d("onboard", tmp_path, "--out", tmp_path / "out").stderr
    result = snap6d("status", "--data", tmp_path)
    assert (result.returncode, "--url" in result.stderr) == (2, True)


def test_lengths_and_points_are_read() -> None:
    height = options.known_length("height:19.1cm")
    assert (height.length_m, height.photo) == (pytest.approx(0.191), None)
    assert options.known_length("a:b.jpg:1,2:3,4:0.05m") == KnownLength(0.05, "a:b.jpg", (1, 2), (3, 4))


def test_what_is_asked_for_reaches_the_stages() -> None:
    asked = Recipe("standard", options.changes("board", Path("weights.pth")))
    sfm, masks = (asked.config(step) for step in PIPELINE.stages if step.name in ("sfm", "masks"))
    assert (sfm.cameras_from, masks.masker, Path(masks.sam_checkpoint).name) == ("board", "sam", "weights.pth")
    assert options.changes("auto", None) == {}


def test_the_server_refuses_what_would_go_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="keys"):
        serve(Settings(data=tmp_path), "0.0.0.0", 0, False)
    with (tmp_path / ".serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ServerError, match="served already"):
            serve(Settings(data=tmp_path), "127.0.0.1", 0, False)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ServerError, match="port"):
        serve(Settings(data=tmp_path), "127.0.0.1", taken.getsockname()[1], False)
    assert Path(redis_executable()).exists()
