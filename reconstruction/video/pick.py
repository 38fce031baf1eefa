"""A video file -> JPEGs of its best frames, named by their time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from reconstruction.errors import InputError, StorageError
from reconstruction.formats import is_video
from reconstruction.stage import Progress, part_of, silent
from reconstruction.video.choose import Survey, VideoConfig, choose_frames
from reconstruction.video.process import NOT_A_VIDEO

PATIENCE_S = 60.0  # without a word from the decoder: it hangs
_ADVICE = "give a video as the phone wrote it (MP4, MOV, MKV, WebM or AVI)"


def pick_frames(video: Path, out: Path, config: VideoConfig | None = None, progress: Progress = silent) -> list[Path]:
    """Writes the chosen frames into `out` and names them: `walk.mp4` gives `walk_0012s400.jpg` at 12.4 s. Always the same ones.

    Raises InputError where the file is no video, or too long; CaptureError where its picture hardly moves or is not sharp.
    """
    config = config or VideoConfig()
    if not is_video(video):
        raise InputError(f"{video.name} is not a video that is read here", try_next=_ADVICE)
    work = out / f".{video.stem}.frames"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        _decode("survey", video, work, config, part_of(progress, 0.0, 0.75))
        survey = Survey.load(work / "survey.npz")
        chosen = choose_frames(survey, config)
        names = {int(survey.number[i]): frame_name(video, float(survey.time_s[i])) for i in chosen}
        (work / "frames.json").write_text(json.dumps(names))
        _decode("write", video, work, config, part_of(progress, 0.75, 1.0))
        written = sorted(work.glob("*.jpg"))
        return [path.rename(out / path.name) for path in written]
    finally:
        shutil.rmtree(work, ignore_errors=True)


def frame_name(video: Path, time_s: float) -> str:
    """Sorts by time, and has no dot but the last: a photo is known by its name without the ending."""
    seconds, thousandths = divmod(round(time_s * 1000), 1000)
    return f"{video.stem}_{seconds:04d}s{thousandths:03d}.jpg"


def _decode(task: str, video: Path, folder: Path, config: VideoConfig, progress: Progress) -> None:
    command = [sys.executable, "-m", "reconstruction.video.process", task, str(video.resolve()), str(folder.resolve())]
    # A playlist in disguise must not make ffmpeg open anything but the file itself.
    environment = {**os.environ, "OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file", "OPENCV_LOG_LEVEL": "OFF"}
    root = Path(__file__).parents[2]
    with (folder / "decoder.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=root, env=environment)
        watch = _Watch(process)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                watch.fed()
                said = json.loads(line)
                if said["time_s"] > config.longest_s:
                    raise InputError(f"{video.name} is longer than {config.longest_s / 60:.0f} minutes", try_next="cut it, or film less")
                progress(said["step"], said["steps"], f"{said['message']} {said['time_s']:.0f} s")
            code = process.wait()
        finally:
            watch.cancel()
            process.kill()
            process.wait()
    if code == NOT_A_VIDEO:
        raise InputError(f"{video.name} can't be read as a video", try_next=_ADVICE)
    if code != 0:
        last = (folder / "decoder.log").read_text(errors="replace").strip().splitlines()[-1:]
        if last and "No space left" in last[0]:
            raise StorageError("the disk is full", try_next="free some space")
        how = "hangs" if watch.bitten else f"breaks the decoder ({last[0] if last else f'exit code {code}'})"
        raise InputError(f"{video.name} {how}", try_next="save it again with any video tool, or give photos")


class _Watch:
    """Kills the process when it says nothing for too long."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.bitten = False
        self._process = process
        self.fed()

    def fed(self) -> None:
        self.cancel()
        self._timer = threading.Timer(PATIENCE_S, self._bite)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        timer: threading.Timer | None = getattr(self, "_timer", None)
        if timer:
            timer.cancel()

    def _bite(self) -> None:
        self.bitten = True
        self._process.kill()
