"""Clients in a process of their own, as many threads: `python uploaders.py URL CLIENTS PHOTOS`. Prints what they saw as JSON.

Three of four put photo after photo into a draft; the fourth posts all of them at once.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
from PIL import Image


def picture(seed: int) -> bytes:
    """Of 960x720: blobs and grain, 100 to 300 kB as JPEG, by its quality."""
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)).resize((960, 720), Image.Resampling.BICUBIC)
    grain = rng.integers(-6, 7, (720, 960, 1))
    out = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(blobs, int) + grain, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=int(rng.integers(75, 90)))
    return out.getvalue()


def put_all(url: str, photos: list[bytes]) -> dict[str, Any]:
    with httpx.Client(base_url=url, timeout=600) as client:
        object_id = client.post("/v1/objects", json={}).raise_for_status().json()["id"]
        answers = [client.put(f"/v1/objects/{object_id}/images/{k}.jpg", content=content) for k, content in enumerate(photos)]
    return {"object": object_id, "statuses": [answer.status_code for answer in answers], "acknowledged": len(photos)}


def post_all(url: str, photos: list[bytes]) -> dict[str, Any]:
    files = [("photos", (f"{k}.jpg", content)) for k, content in enumerate(photos)]
    with httpx.Client(base_url=url, timeout=600) as client:
        answer = client.post("/v1/objects", files=files, data={"options": '{"profile": "preview"}'})
    return {"object": answer.json().get("id"), "statuses": [answer.status_code], "acknowledged": len(photos)}


def run(url: str, clients: int, count: int) -> dict[str, Any]:
    photos = [picture(seed) for seed in range(count)]
    started = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        seen = list(pool.map(lambda k: (post_all if k % 4 == 3 else put_all)(url, photos), range(clients)))
    return {
        "seconds": time.monotonic() - started,
        "bytes": [len(content) for content in photos],
        "sha256": [hashlib.sha256(content).hexdigest() for content in photos],
        "clients": seen,
    }


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
