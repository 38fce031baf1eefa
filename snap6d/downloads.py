"""Artifacts, byte for byte: a download that broke off goes on where it was, if the file is still the same."""

from __future__ import annotations

import glob
import re
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import httpx

from snap6d.errors import Snap6DError
from snap6d.transport import Patience, Transport, unreachable


def download(transport: Transport, object_id: str, name: str, target: Path) -> Path:
    """Writes the artifact to `target`, into it where it is a folder. It appears when it is whole. Raises Snap6DError."""
    path = target / Path(name).name if target.is_dir() else target
    path.parent.mkdir(parents=True, exist_ok=True)
    patience = Patience(transport.patience_s)
    while True:
        part = next(path.parent.glob(f".{glob.escape(path.name)}.*.part"), None)  # its name holds the ETag of what it is part of
        try:
            with closing(_open(transport, object_id, name, part)) as answer:
                whole = _receive(answer, path, part, patience)
        except httpx.TransportError as broken:
            patience.pause(unreachable(transport.url, broken))
            continue
        except Snap6DError as error:
            if part is None or error.status != 416:  # all of it was there, but for its name
                raise
            part.unlink()
            continue
        whole.replace(path)
        return path


def _open(transport: Transport, object_id: str, name: str, part: Path | None) -> httpx.Response:
    headers = {"Accept-Encoding": "identity"}
    if part is not None:
        headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": f'"{part.name.split(".")[-2]}"'}
    address = f"/v1/objects/{object_id}/artifacts/{quote(name, safe='/')}"
    return transport.send("GET", address, headers=headers, stream=True)


def _receive(answer: httpx.Response, path: Path, part: Path | None, patience: Patience) -> Path:
    if answer.status_code != 206 and part is not None:
        part.unlink()  # it has been made anew since
    etag = answer.headers.get("etag", "").strip('"')
    known = etag if re.fullmatch(r"[\w-]+", etag) else "unknown"
    partial = path.parent / f".{path.name}.{known}.part"
    with partial.open("ab" if answer.status_code == 206 else "wb") as file:
        for chunk in answer.iter_raw():
            file.write(chunk)
            patience.renew()
    return partial
