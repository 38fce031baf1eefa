"""The console, a page that this API serves of itself: files that `make console` has built, and no outside host."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response

from service.etags import is_current
from workers.failures import NotFound

router = APIRouter(include_in_schema=False)

BUILT = Path(__file__).parent / "console" / "dist"
HEADERS = {
    # Nothing but what comes from here; pictures fetched with a key are blobs; 3-D is drawn by scripts of its own.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # asked for each time, sent where it has changed
    "Vary": "Accept-Encoding",
}
FILES = frozenset({"main.js", "main.js.LEGAL.txt", "style.css", "mark.svg"})
METHODS = ["GET", "HEAD"]

Encodings = Annotated[str, Header(alias="Accept-Encoding")]
Seen = Annotated[str | None, Header(alias="If-None-Match")]


@dataclass(frozen=True)
class _File:
    content: bytes
    zipped: bytes
    sha256: str
    kind: str


@router.api_route("/", methods=METHODS)
def page(accepted: Encodings = "", seen: Seen = None) -> Response:
    """The console. Its scripts ask the API with the key that is typed in, so the page itself needs none."""
    return _answer("index.html", accepted, seen)


@router.api_route("/console/{name}", methods=METHODS)
def page_file(name: str, accepted: Encodings = "", seen: Seen = None) -> Response:
    if name not in FILES:
        raise NotFound(f"the console has no file {name!r}", try_next="open / in a browser")
    return _answer(name, accepted, seen)


def _answer(name: str, accepted: str, seen: str | None) -> Response:
    path = BUILT / name
    if not path.exists():
        raise NotFound("the console is not in this installation", try_next="run `make console`; /openapi.json lists the API")
    file = _read(path, path.stat().st_mtime_ns)
    zips = "gzip" in accepted
    headers = {**HEADERS, "ETag": f'"{file.sha256[:32]}{"-gzip" if zips else ""}"', **({"Content-Encoding": "gzip"} if zips else {})}
    if seen is not None and is_current(seen, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(file.zipped if zips else file.content, headers=headers, media_type=file.kind)


@lru_cache(maxsize=2 * len(FILES))
def _read(path: Path, changed_at: int) -> _File:
    """Packed once for each build."""
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "text/plain"
    return _File(content, gzip.compress(content, mtime=0), hashlib.sha256(content).hexdigest(), kind)
