"""`snap6d demo`: the whole system on a capture that it renders itself, through the service, measured against the truth."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from reconstruction.errors import PipelineError
from reconstruction.generated import CaptureConfig, GeneratedCapture, load_or_render
from reconstruction.generated.capture import GeneratedPhoto
from reconstruction.generated.truth import Reconstructed, obj_from_truth
from reconstruction.scene import RigidTransform
from reconstruction.scene.images import read_photo, write_photo
from reconstruction.workspace import Workspace
from snap6d import Snap6D
from surfemb.judging.draw import draw_pose
from workers.command.console import Bars
from workers.command.remote import StagesOf, taught_by_the_service
from workers.demo.pictures import framed, grid, mask_sheet, turntable
from workers.demo.report import Answer, add_over_diameter, measure
from workers.leash import stop_group

START_TIMEOUT_S = 60


class DemoError(PipelineError):
    """The service did not do what the demo asked of it."""

    code = "demo-failed"


def run_demo(out: Path, config: CaptureConfig = CaptureConfig(), profile: str = "preview") -> dict[str, Any]:
    """Writes pictures and report.json into `out`; returns the report. Raises PipelineError where a step fails."""
    console, started = Console(), time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    console.rule("1  A capture, rendered with exact truth")
    capture = _render(out / "capture", config, console)
    with running_service(out / "service", console) as service:
        console.rule("2  Onboarding through the service")
        object_id, job = _onboard(service, capture, profile, console)
        console.rule("3  Poses of held-out images, without a box")
        answers = _estimate_all(service, capture, object_id, console)
    workspace = Workspace(out / "service" / "objects" / object_id)
    made = Reconstructed.load(workspace)
    report = measure(capture, made, job, answers)
    report |= {"profile": profile, "capture": asdict(config), "versions": _versions(), "total_seconds": time.monotonic() - started}
    (out / "report.json").write_text(json.dumps(report, indent=1))
    _draw(out, capture, made, answers)
    console.rule("Result")
    console.print(_table(report), f"Pictures and report.json in [bold]{out}[/]")
    return report


def _render(folder: Path, config: CaptureConfig, console: Console) -> GeneratedCapture:
    with _bar(console) as bar:
        task = bar.add_task("photos", total=(every := config.photos + config.held_out))
        capture = load_or_render(folder, config, lambda step, steps, message="": bar.update(task, completed=step, total=steps))
        bar.update(task, completed=every)
    return capture


@contextmanager
def running_service(data: Path, console: Console) -> Iterator[Snap6D]:
    """`snap6d serve` as a process of its own on a free port; ends with this one. Raises DemoError where it does not start."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "serve.log"
    command = [sys.executable, "-m", "workers.command.cli", "serve", "--port", "0", "--data", str(data)]
    with log.open("w") as stream:
        leashed = [sys.executable, "-m", "workers.leash", *command]
        process = subprocess.Popen(leashed, stdin=subprocess.PIPE, stdout=stream, stderr=stream, start_new_session=True)
    try:
        url = _wait_for(lambda: _announced(log, process), f"the service did not start, see {log}")
        unready = f"the service did not become ready, see {data / 'logs'}"
        _wait_for(lambda: httpx.get(f"{url}/readyz", timeout=30).is_success or None, unready)
        console.print(f"[dim]{url}, data in {data}[/]")
        with Snap6D(url) as service:
            yield service
    finally:
        stop_group(process)
        if process.stdin:
            process.stdin.close()


def _announced(log: Path, process: subprocess.Popen) -> str | None:
    if process.poll() is not None:
        raise DemoError("the service ended at once", try_next=f"read {log}: {log.read_text()[-300:].strip()}")
    found = re.search(r"http://[\w.:]+", log.read_text())
    return found and found[0]


def _wait_for(check: Any, failure: str) -> Any:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if (found := check()) is not None:
            return found
        time.sleep(0.2)
    raise DemoError(failure, try_next="run snap6d serve by hand to see why")


def _onboard(service: Snap6D, capture: GeneratedCapture, profile: str, console: Console) -> tuple[str, dict[str, Any]]:
    """Sends the photos with one box and the board's layout; follows the job to its end."""
    prompted = max(capture.photos, key=lambda photo: (photo.visible, -abs(capture.photos.index(photo) - len(capture.photos) // 2)))
    with taught_by_the_service(), Bars(console) as bars:
        jug = service.objects.create(
            [photo.path for photo in capture.photos],
            name="generated jug",
            profile=profile,
            box=(prompted.path.name, capture.box(prompted)),
            board=capture.board_path,
        )
        jug.wait(progress=StagesOf(bars))
        return jug.id, asdict(jug.job())


def _estimate_all(service: Snap6D, capture: GeneratedCapture, object_id: str, console: Console) -> list[Answer]:
    with taught_by_the_service(), _bar(console) as bar:
        return [_estimate(service, capture, photo, object_id) for photo in bar.track(capture.held_out, description="images")]


def _estimate(service: Snap6D, capture: GeneratedCapture, photo: GeneratedPhoto, object_id: str) -> Answer:
    K, dist = capture.camera.matrix, capture.lens.coefficients
    started = time.perf_counter()
    poses = service.estimate(photo.path, object_id, K=K, dist=dist, deadline_ms=110_000).poses
    milliseconds = 1000 * (time.perf_counter() - started)
    if not poses:
        return Answer(photo.name, None, 0.0, milliseconds)
    return Answer(photo.name, RigidTransform.from_json({"R": poses[0].R, "t": poses[0].t}), poses[0].score, milliseconds)


def _draw(out: Path, capture: GeneratedCapture, made: Reconstructed, answers: list[Answer]) -> None:
    write_photo(out / "mesh.png", turntable(made.mesh))
    write_photo(out / "masks.jpg", mask_sheet(made.masked_views))
    errors = add_over_diameter(capture, obj_from_truth(made, capture), answers)
    pictures = []
    for photo, answer, error in zip(capture.held_out, answers, errors, strict=True):
        picture = capture.lens.undistort(read_photo(photo.path), capture.camera)
        text = "not found"
        if answer.cam_from_obj is not None:
            picture = draw_pose(picture, capture.camera, made.mesh, answer.cam_from_obj)
            text = f"ADD {100 * error:.1f} % of d, score {answer.score:.2f}"
        pictures.append(framed(picture, text, error < 0.10))
    write_photo(out / "estimates.jpg", grid(pictures, 4))


def _table(report: dict[str, Any]) -> Table:
    table = Table("", "", show_header=False)
    seconds = report["onboard_seconds"]
    rows = {
        "photos registered": f"{report['registered']} of {report['photos']}",
        "mask IoU, mean": f"{report['mask_iou_mean']:.3f} ({report['masks_kept']} masks)",
        "mesh Chamfer / diameter": f"{report['chamfer_over_diameter']:.4f}",
        "scale error": f"{100 * report['scale_error']:.2f} %",
        "onboarding": f"{seconds['total'] / 60:.1f} min ({', '.join(f'{k} {v:.0f} s' for k, v in seconds.items() if k != 'total' and v)})",
        "first answers, by its early networks": f"after {report['first_answers_s'] / 60:.1f} min",
        "held-out images answered": f"{report['answered']} of {report['test_images']}",
        "recall, ADD < 0.10 d": f"{report['recall_0_10d']:.2f}",
        "recall, ADD < 0.05 d": f"{report['recall_0_05d']:.2f}",
        "estimate, median": f"{report['estimate_ms_median']:.0f} ms",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("snap6d", "torch", "pycolmap", "opencv-python-headless", "numpy")}


def _bar(console: Console) -> Progress:
    return Progress(TextColumn("{task.description:<15}"), BarColumn(32), MofNCompleteColumn(), TimeElapsedColumn(), console=console)
