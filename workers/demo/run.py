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
from reconstruction.generated import CaptureConfig, GeneratedCapture, render_capture
from reconstruction.generated.capture import GeneratedPhoto
from reconstruction.generated.truth import Reconstructed, obj_from_truth
from reconstruction.scene import RigidTransform
from reconstruction.scene.images import read_photo, write_photo
from reconstruction.workspace import Workspace
from surfemb.judging.draw import draw_pose
from workers.console import Bars
from workers.demo.pictures import framed, grid, mask_sheet, turntable
from workers.demo.report import Answer, add_over_diameter, measure
from workers.failures import error_from_json
from workers.leash import stop_group
from workers.pipeline import StageEvent

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
    with running_service(out / "service", console) as client:
        console.rule("2  Onboarding through POST /objects")
        object_id, job = _onboard(client, capture, profile, console)
        console.rule("3  Held-out images to POST /estimate, without a box")
        answers = _estimate_all(client, capture, object_id, console)
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
        task = bar.add_task("photos", total=config.photos + config.held_out)
        return render_capture(folder, config, lambda step, steps, message="": bar.update(task, completed=step, total=steps))


@contextmanager
def running_service(data: Path, console: Console) -> Iterator[httpx.Client]:
    """`snap6d serve` as a process of its own on a free port; ends with this one. Raises DemoError where it does not start."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "serve.log"
    command = [sys.executable, "-m", "workers.cli", "serve", "--port", "0", "--data", str(data)]
    with log.open("w") as stream:
        leashed = [sys.executable, "-m", "workers.leash", *command]
        process = subprocess.Popen(leashed, stdin=subprocess.PIPE, stdout=stream, stderr=stream, start_new_session=True)
    try:
        url = _wait_for(lambda: _announced(log, process), f"the service did not start, see {log}")
        with httpx.Client(base_url=url, timeout=120) as client:
            _wait_for(lambda: client.get("/readyz").is_success or None, f"the service did not become ready, see {data / 'logs'}")
            console.print(f"[dim]{url}, data in {data}[/]")
            yield client
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


def _onboard(client: httpx.Client, capture: GeneratedCapture, profile: str, console: Console) -> tuple[str, dict[str, Any]]:
    """Uploads the photos with one box and the board's layout; follows the job to its end."""
    prompted = max(capture.photos, key=lambda photo: (photo.visible, -abs(capture.photos.index(photo) - len(capture.photos) // 2)))
    options = {
        "name": "generated jug",
        "profile": profile,
        "box": {"photo": prompted.path.name, "box": capture.box(prompted)},
        "board": json.loads(capture.board_path.read_text()),
    }
    photos = [("photos", (photo.path.name, photo.path.read_bytes(), "image/jpeg")) for photo in capture.photos]
    accepted = _json(client.post("/v1/objects", files=photos, data={"options": json.dumps(options)}))
    with Bars(console) as bars:
        job = _follow(client, accepted["job"]["id"], bars)
    if job["status"] != "succeeded":
        raise error_from_json(job["error"]) if job["error"] else DemoError(f"the onboarding was {job['status']}")
    return accepted["id"], job


def _follow(client: httpx.Client, job_id: str, bars: Bars) -> dict[str, Any]:
    shown: dict[str, str] = {}
    while True:
        job = _json(client.get(f"/v1/jobs/{job_id}"))
        for index, stage in enumerate(job["stages"]):
            if stage["status"] in ("succeeded", "skipped", "failed") and shown.get(stage["name"]) != stage["status"]:
                bars(StageEvent(stage["name"], index, len(job["stages"]), stage["status"], quality=stage["quality"]))
                shown[stage["name"]] = stage["status"]
        if (now := job["stage"]) and now["name"] not in shown:
            place = {key: now[key] for key in ("index", "count", "step", "steps", "message", "eta_s")}
            bars(StageEvent(now["name"], kind="progress", **place))
        if job["status"] not in ("queued", "running", "canceling"):
            return job
        time.sleep(0.5)


def _estimate_all(client: httpx.Client, capture: GeneratedCapture, object_id: str, console: Console) -> list[Answer]:
    with _bar(console) as bar:
        return [_estimate(client, capture, photo, object_id) for photo in bar.track(capture.held_out, description="images")]


def _estimate(client: httpx.Client, capture: GeneratedCapture, photo: GeneratedPhoto, object_id: str) -> Answer:
    options = {
        "object_ids": [object_id],
        "K": capture.camera.matrix.reshape(-1).tolist(),
        "dist": capture.lens.coefficients.tolist(),
        "deadline_ms": 110_000,
    }
    image = {"image": (photo.path.name, photo.path.read_bytes(), "image/jpeg")}
    started = time.perf_counter()
    poses = _json(client.post("/v1/estimate", files=image, data={"options": json.dumps(options)}))["poses"]
    milliseconds = 1000 * (time.perf_counter() - started)
    if not poses:
        return Answer(photo.name, None, 0.0, milliseconds)
    return Answer(photo.name, RigidTransform.from_json(poses[0]), poses[0]["score"], milliseconds)


def _json(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        problem = response.json() if "json" in response.headers.get("content-type", "") else {}
        raise DemoError(f"{response.request.url.path} answered {response.status_code}: {problem.get('detail', response.text[:300])}")
    document: dict[str, Any] = response.json()
    return document


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
