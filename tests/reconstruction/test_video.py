"""A walk filmed, with pauses and blurred moments: what is kept is sharp and spread, and always the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from reconstruction.errors import CaptureError, InputError
from reconstruction.generated import GeneratedCapture
from reconstruction.scene.images import read_photo
from reconstruction.video.choose import Survey, VideoConfig, choose_frames
from reconstruction.video.pick import frame_name, pick_frames

RATE = 15.0
CONFIG = VideoConfig(most=16)


@dataclass(frozen=True)
class Filmed:
    """`place[i]`: where the camera was at frame i, 0 to 1; `blurred`: frames taken with a shaken hand."""

    path: Path
    place: np.ndarray
    blurred: set[int]


def film(path: Path, photo: np.ndarray, place: np.ndarray, blurred: set[int], codec: str) -> Filmed:
    """Slides a window over a photo of the rendered scene; its way is twice the window's longest side."""
    wide = cv2.resize(photo, (960, 720), interpolation=cv2.INTER_CUBIC)[240:480]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), RATE, (320, 240))
    rng = np.random.default_rng(0)
    for number, at in enumerate(place):
        centre = (160 + 640 * float(at), 120 + 2 * np.sin(number))  # a hand trembles up and down
        window = cv2.getRectSubPix(wide, (320, 240), centre)
        window = cv2.blur(window, (15, 3)) if number in blurred else window
        noisy = window + rng.normal(0, 2, window.shape)
        writer.write(cv2.cvtColor(noisy.clip(0, 255).astype(np.uint8), cv2.COLOR_RGB2BGR))
    writer.release()
    return Filmed(path, place, blurred)


@pytest.fixture(scope="module")
def filmed(generated_capture: GeneratedCapture, tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    """Nine seconds: walking, four seconds of pause, walking. Every seventh second is shaken, and so is the middle of the pause."""
    place = np.concatenate([np.linspace(0, 0.5, 60), np.full(60, 0.5), np.linspace(0.5, 1, 60)])
    blurred = {i for i in range(180) if i % 9 in (3, 4, 5)} | set(range(80, 100))
    photo = read_photo(generated_capture.photos[0].path)
    return film(tmp_path_factory.mktemp("film") / "walk.mp4", photo, place, blurred, "mp4v")


@pytest.fixture(scope="module")
def picked(filmed: Filmed, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[tuple[int, int, str]]]:
    said: list[tuple[int, int, str]] = []
    out = tmp_path_factory.mktemp("picked")
    return pick_frames(filmed.path, out, CONFIG, lambda step, steps, message="": said.append((step, steps, message))), said


def frame_of(path: Path) -> int:
    seconds, thousandths = path.stem.rpartition("_")[2].split("s")
    return round((int(seconds) + int(thousandths) / 1000) * RATE)


def test_frames_are_sharp_and_spread_though_the_camera_pauses(filmed: Filmed, picked: tuple[list[Path], list]) -> None:
    frames = [frame_of(path) for path in picked[0]]
    assert not filmed.blurred & set(frames)
    assert 14 <= len(frames) <= 16
    steps = np.diff(filmed.place[frames])
    assert steps.max() < 2 / 15, "no gap of two steps"
    assert (steps > 0.2 / 15).mean() > 0.9, "the pause gives hardly more than one frame"
    assert filmed.place[frames[0]] < 0.08
    assert filmed.place[frames[-1]] > 0.92


def test_frames_are_files_named_by_their_time(filmed: Filmed, picked: tuple[list[Path], list], tmp_path: Path) -> None:
    paths, said = picked
    assert paths == sorted(paths)
    assert {path.parent for path in paths} == {paths[0].parent}
    assert sorted(paths[0].parent.iterdir()) == paths, "nothing else is left there"
    assert frame_name(Path("walk.mp4"), 12.4) == "walk_0012s400.jpg"
    window = read_photo(paths[0])
    assert window.shape == (240, 320, 3)
    again = pick_frames(filmed.path, tmp_path, CONFIG)
    assert [(p.name, p.read_bytes()) for p in again] == [(p.name, p.read_bytes()) for p in paths]
    parts = [step / steps for step, steps, _ in said]
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    assert {message.split(" ")[0] for _, _, message in said} == {"looking", "writing"}


def test_a_camera_on_a_stand_gives_no_capture(generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    photo = read_photo(generated_capture.photos[0].path)
    still = film(tmp_path / "still.avi", photo, np.full(45, 0.5), set(), "MJPG")
    with pytest.raises(CaptureError, match=r"hardly moves in the 3 s.*walking"):
        pick_frames(still.path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_what_is_no_video_is_refused_by_name(filmed: Filmed, generated_capture: GeneratedCapture, tmp_path: Path) -> None:
    content = filmed.path.read_bytes()
    cases = {
        "text.mp4": b"#EXTM3U\nfile:///etc/passwd\n",
        "photo.mp4": generated_capture.photos[0].path.read_bytes(),
        "head.mp4": content[:2000],
        "noise.mp4": content[:32] + np.random.default_rng(0).bytes(20_000),
        "empty.mp4": b"",
    }
    for name, broken in cases.items():
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(InputError, match=name):
            pick_frames(tmp_path / name, tmp_path / "out")
    with pytest.raises(InputError, match="longer than"):
        pick_frames(filmed.path, tmp_path / "out", VideoConfig(longest_s=5))


def test_a_place_that_only_blurred_frames_show_is_left_out() -> None:
    travelled = np.linspace(0, 1, 400)
    sharpness = np.random.default_rng(0).uniform(80, 100, 400)
    sharpness[200:230] = 10
    survey = Survey(np.arange(400), np.arange(400) / 15, travelled, sharpness)
    chosen = choose_frames(survey, VideoConfig(most=40))
    assert 35 <= len(chosen) <= 38
    assert not set(chosen.tolist()) & set(range(200, 230))
