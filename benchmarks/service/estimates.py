"""Many clients ask for poses at once: `python -m benchmarks.service.estimates`.

Starts `snap6d serve` on 127.0.0.1 and asks that. Without --object, stages and estimator are the tests' stand-ins, which answer at
once: what is measured then is the service alone. With --object FOLDER, an onboarded object, its own photos are asked about.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table

from workers.rows.database import Database
from workers.rows.objects import DEFAULT_TENANT, insert_object
from workers.settings import Settings

ROOT = Path(__file__).parents[2]
WAIT_S = 0.2  # of a client that was refused: an impatient one, Retry-After says seconds
STAND_INS = {"SNAP6D_PIPELINE": "stand_in:PIPELINE", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "workers")])}


@contextmanager
def serving(data: Path, environment: dict[str, str]) -> Iterator[httpx.Client]:
    """The service on a free port of 127.0.0.1, once it is ready."""
    command = [sys.executable, "-m", "workers.command.cli", "serve", "--data", str(data), "--port", "0"]
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert url, "the service did not start"
            with httpx.Client(base_url=url.group(), timeout=120) as client:
                wait_for(lambda: client.get("/readyz").status_code == 200)
                yield client
        finally:
            process.send_signal(signal.SIGTERM)


def wait_for(condition: Any, within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the service did not come to that")
        time.sleep(0.1)


def add_object(data: Path, folder: Path) -> str:
    """An onboarded object's folder becomes one of the service's, which does not run yet."""
    (data / "objects").mkdir(parents=True)
    (data / "objects" / "obj_given").symlink_to(folder.resolve(), target_is_directory=True)
    database = Database(Settings(data=data).database)
    with database.write() as db:
        insert_object(db, DEFAULT_TENANT, "obj_given", folder.name, "ready", {})
    database.close()
    return "obj_given"


def onboard_stand_in(client: httpx.Client, image: bytes) -> str:
    answer = client.post("/v1/objects", files=[("photos", (f"{k}.jpg", image)) for k in range(3)], data={"options": "{}"}).json()
    wait_for(lambda: client.get(f"/v1/objects/{answer['id']}").json()["state"] == "ready")
    return str(answer["id"])


def picture(width: int, height: int) -> bytes:
    """Soft blobs of colour: a JPEG about as large as a photo's."""
    blobs = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def ask_from_all(
    client: httpx.Client, object_id: str, images: list[bytes], clients: int, count: int, seconds: float
) -> list[dict[str, Any]]:
    """One record an answer, of `count` at most, in `seconds` at most. Each client asks again when it is answered."""
    records: list[dict[str, Any]] = []
    number, over = itertools.count(), time.monotonic() + seconds
    fields = {"options": json.dumps({"object_ids": [object_id]})}

    def ask_repeatedly() -> None:
        with httpx.Client(base_url=client.base_url, timeout=120) as mine:
            while (k := next(number)) < count and time.monotonic() < over:
                started = time.perf_counter()
                answer = mine.post("/v1/estimate", files={"image": ("x.jpg", images[k % len(images)])}, data=fields)
                took = (time.perf_counter() - started) * 1000
                records.append({"status": answer.status_code, "ms": took, "bytes": len(answer.content)})
                if answer.status_code in (429, 503):
                    time.sleep(WAIT_S)

    threads = [threading.Thread(target=ask_repeatedly) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return records


def summarise(records: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Milliseconds of the answered, of the refused (429, 503), and how many of each."""
    answered = [r["ms"] for r in records if r["status"] == 200]
    refused = [r["ms"] for r in records if r["status"] in (429, 503)]
    return {
        "asked": len(records),
        "answered": len(answered),
        "refused_share": round(len(refused) / max(1, len(records)), 3),
        "failed": len(records) - len(answered) - len(refused),
        "answers_a_second": round(len(answered) / seconds, 2),
        "p50_ms": _percentile(answered, 50),
        "p99_ms": _percentile(answered, 99),
        "refused_p50_ms": _percentile(refused, 50),
        "refused_p99_ms": _percentile(refused, 99),
    }


def _percentile(values: list[float], percent: int) -> float | None:
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 1) if len(values) > 1 else None


def measure(arguments: argparse.Namespace, data: Path) -> list[dict[str, Any]]:
    images = [picture(*arguments.size)]
    object_id = None
    if arguments.object:
        images = [path.read_bytes() for path in sorted((arguments.object / "capture" / "photos").iterdir())[:20]]
        object_id = add_object(data, arguments.object)
    # all clients of this benchmark are one caller: its share is what is to be reached, not the places of all
    environment = {"SNAP6D_MAX_ESTIMATES_PER_CALLER": "16", **({} if arguments.object else STAND_INS)}
    rows = []
    with serving(data, environment) as client:
        object_id = object_id or onboard_stand_in(client, picture(64, 48))
        ask_from_all(client, object_id, images, 1, 2, 120)  # loads the model
        for clients in arguments.clients:
            started = time.perf_counter()
            records = ask_from_all(client, object_id, images, clients, arguments.count, arguments.seconds)
            rows.append({"clients": clients, **summarise(records, time.perf_counter() - started)})
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    table = Table(title="POST /v1/estimate", box=box.SIMPLE, padding=(0, 0))
    for name in rows[0]:
        table.add_column(name.replace("_", "\n"), justify="right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--object", type=Path, help="folder of an onboarded object; without it: stand-ins")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 32])
    parser.add_argument("--count", type=int, default=400, help="questions at most, for each number of clients")
    parser.add_argument("--seconds", type=float, default=30, help="at most, for each number of clients")
    parser.add_argument("--size", type=int, nargs=2, default=[1280, 720], help="of a stand-in's image in pixels")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    return parser.parse_args()


if __name__ == "__main__":
    given = parse()
    with tempfile.TemporaryDirectory(prefix="snap6d-bench-") as folder:
        result = measure(given, Path(folder) / "data")
    given.out.mkdir(parents=True, exist_ok=True)
    settings = {"object": given.object.name if given.object else None, "size": given.size, "cores": os.cpu_count()}
    (given.out / "service.json").write_text(json.dumps({**settings, "rows": result}, indent=1))
    show(result)
