"""Decodes a video: `python -m reconstruction.video.process survey|write VIDEO FOLDER`. A broken file may kill this process only.

Prints its progress as JSON lines. `survey` writes FOLDER/survey.npz; `write` reads FOLDER/frames.json (frame number -> file
name) and writes these files there. `reconstruction.video.pick` is the other side of the pipe.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from reconstruction.formats import MAX_PIXELS
from reconstruction.scene.images import write_photo
from reconstruction.video.choose import Survey

LOOKS_PER_S = 15.0
SHARPNESS_PX, MOTION_PX = 640, 320  # longest side of the grey pictures on which each is measured
KEY_MOTION = 0.03  # of the longest side: a trembling hand stays below
NOT_A_VIDEO = 3
"""Exit code."""


class Travel:
    """Adds up how far the picture moves, by corners followed from frame to frame. A hand that trembles in place adds nothing."""

    def __init__(self) -> None:
        self.total = 0.0
        self._before_key, self._corners = 0.0, 0
        self._last: ndarray | None = None
        self._at_key = self._now = np.zeros((0, 1, 2), np.float32)

    def add(self, grey: UInt8[ndarray, "h w"]) -> float:
        """How far in all, in longest sides of the picture, after this frame."""
        if self._last is not None and len(self._now):
            moved, status, _ = cv2.calcOpticalFlowPyrLK(self._last, grey, self._now, None, winSize=(15, 15), maxLevel=4)
            kept = status.ravel() == 1
            self._now, self._at_key = moved[kept], self._at_key[kept]
            distance = np.linalg.norm(self._now - self._at_key, axis=-1) / max(grey.shape)
            # Corners that are all lost have gone somewhere: a step, no more, since how far is not known.
            step = float(np.median(distance)) if len(self._now) >= 12 else KEY_MOTION
            self.total = max(self.total, self._before_key + step)
            if step >= KEY_MOTION or len(self._now) < 0.4 * self._corners:
                self._now = np.zeros((0, 1, 2), np.float32)
        if len(self._now) == 0:
            self._before_key = self.total
            corners = cv2.goodFeaturesToTrack(grey, 200, 0.01, 8)
            self._now = self._at_key = np.zeros((0, 1, 2), np.float32) if corners is None else corners
            self._corners = len(self._now)
        self._last = grey
        return self.total


def open_video(path: Path) -> cv2.VideoCapture:
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    size = video.get(cv2.CAP_PROP_FRAME_WIDTH) * video.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if not video.isOpened() or not 0 < size <= MAX_PIXELS:
        sys.exit(NOT_A_VIDEO)
    return video


def frames(video: cv2.VideoCapture) -> Iterator[tuple[int, float]]:
    """Number and time (s) of every frame, decoded but not fetched yet."""
    number = 0
    while video.grab():
        yield number, video.get(cv2.CAP_PROP_POS_MSEC) / 1000
        number += 1


def survey(path: Path, folder: Path) -> None:
    video = open_video(path)
    count, rate = video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)
    stride = max(1, round(rate / LOOKS_PER_S)) if 0 < rate < 1000 else 1
    travel, rows = Travel(), []
    for number, time_s in frames(video):
        if number % stride:
            continue
        ok, image = video.retrieve()
        if not ok:
            continue
        grey = cv2.cvtColor(_shrunk(image, SHARPNESS_PX), cv2.COLOR_BGR2GRAY)
        sharpness = float(cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 0.8), cv2.CV_32F).var())
        rows.append((number, time_s, travel.add(_shrunk(grey, MOTION_PX)), sharpness))
        report("looking through the video", number, count, time_s)
    table = np.array(rows, float).reshape(-1, 4).T
    Survey(table[0].astype(int), table[1], table[2], table[3]).save(folder / "survey.npz")


def write(path: Path, folder: Path) -> None:
    wanted = {int(number): name for number, name in json.loads((folder / "frames.json").read_text()).items()}
    done = 0
    for number, time_s in frames(video := open_video(path)):
        if number in wanted:
            ok, image = video.retrieve()
            if ok:
                write_photo(folder / wanted[number], cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            done += 1
            report("writing frames", done, len(wanted), time_s)
        if done == len(wanted):
            return


def report(message: str, step: int, steps: float, time_s: float) -> None:
    print(json.dumps({"message": message, "step": step, "steps": int(max(steps, step, 1)), "time_s": time_s}), flush=True)


def _shrunk(image: ndarray, longest_px: int) -> ndarray:
    height, width = image.shape[:2]
    factor = min(1.0, longest_px / max(width, height))
    return cv2.resize(image, (max(1, round(width * factor)), max(1, round(height * factor))), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    {"survey": survey, "write": write}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
