"""Photos on their way: a few at a time, each until it is there, none that is there already."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from urllib.parse import quote

from snap6d.photos import File
from snap6d.progress import Count
from snap6d.results import Sent
from snap6d.transport import Transport

AT_ONCE = 4


def send_files(transport: Transport, object_id: str, files: list[File], count: Count) -> Sent:
    """Calls `count(done, total)` after each. Raises Snap6DError; what has been sent by then stays there."""
    there = {kind: _known(transport, object_id, kind) for kind in {file.kind for file in files}}
    missing = [file for file in files if (file.name, file.sha256) not in there[file.kind]]
    skipped = [file for file in files if (file.name, file.sha256) in there[file.kind]]
    count(len(skipped), len(files))
    pool, stop = ThreadPoolExecutor(AT_ONCE), threading.Event()
    try:
        sending = [pool.submit(_send, transport, object_id, file, stop) for file in missing]
        for done, future in enumerate(as_completed(sending), len(skipped) + 1):
            future.result()
            count(done, len(files))
    finally:
        stop.set()  # where one has failed, the others don't wait for better times
        pool.shutdown(cancel_futures=True)
    return Sent(tuple(file.path.name for file in missing), tuple(file.path.name for file in skipped))


def _known(transport: Transport, object_id: str, kind: str) -> set[tuple[str, str | None]]:
    listed = transport.json("GET", f"/v1/objects/{object_id}/images", params={"kind": kind})
    return {(image["photo"], image.get("sent_sha256")) for image in listed}


def _send(transport: Transport, object_id: str, file: File, stop: threading.Event) -> None:
    headers = {"Content-Digest": file.content_digest, "Content-Type": "application/octet-stream"}
    path = f"/v1/objects/{object_id}/images/{quote(file.path.name, safe='')}"
    transport.send("PUT", path, params={"kind": file.kind}, headers=headers, body=file.chunks, stop=stop)
