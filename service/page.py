"""The console, a page that this API serves of itself: files that `make console` has built, and no outside host."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

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
    "Cache-Control": "no-cache",
}
_FILES = frozenset({"main.js", "main.js.LEGAL.txt", "style.css", "mark.svg"})


@router.get("/")
def page() -> Response:
    """The console. Its scripts ask the API with the key that is typed in, so the page itself needs none."""
    return _file("index.html")


@router.get("/console/{name}")
def page_file(name: str) -> Response:
    if name not in _FILES:
        raise NotFound(f"the console has no file {name!r}", try_next="open / in a browser")
    return _file(name)


def _file(name: str) -> Response:
    path = BUILT / name
    if not path.exists():
        raise NotFound("the console is not in this installation", try_next="run `make console`; /openapi.json lists the API")
    return FileResponse(path, headers=HEADERS)
