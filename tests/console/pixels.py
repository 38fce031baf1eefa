"""What a page shows, as arrays."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image
from playwright.sync_api import Locator, Page

MOST_BYTES = 300_000


def drawn_on(canvas: Locator) -> UInt8[ndarray, "h w 4"]:
    """The pixels that a canvas holds itself, without what lies below or above it."""
    url: str = canvas.evaluate("canvas => canvas.toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGBA"))


def share_of_ink(canvas: Locator) -> float:
    """Of the canvas's pixels, how many differ from its corner."""
    pixels = drawn_on(canvas).astype(int)
    return float((np.abs(pixels - pixels[0, 0]).max(axis=-1) > 12).mean())


def overlap(drawn: UInt8[ndarray, "h w 4"], mask: Bool[ndarray, "rows columns"]) -> float:
    """Intersection over union of what is opaque and a mask of the same picture in another size."""
    height, width = drawn.shape[:2]
    scaled = np.asarray(Image.fromarray(mask).resize((width, height)))
    opaque = drawn[..., 3] > 127
    return float((opaque & scaled).sum() / (opaque | scaled).sum())


def drop_files(page: Page, target: Locator, paths: list[Path]) -> None:
    """As if they were dragged from a folder."""
    files: list[dict[str, Any]] = [{"name": path.name, "data": base64.b64encode(path.read_bytes()).decode()} for path in paths]
    transfer = page.evaluate_handle(MAKE_TRANSFER, files)
    for event in ("dragenter", "dragover", "drop"):
        target.dispatch_event(event, {"dataTransfer": transfer})


MAKE_TRANSFER = """files => {
  const transfer = new DataTransfer();
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const types = { jpg: "image/jpeg", png: "image/png", json: "application/json", zip: "application/zip" };
  for (const { name, data } of files) transfer.items.add(new File([bytes(data)], name, { type: types[name.split(".").pop()] ?? "" }));
  return transfer;
}"""


def save_small(png: bytes, path: Path) -> None:
    """As JPEG: what is loaded with a README has to be small. Raises where it is not."""
    Image.open(io.BytesIO(png)).convert("RGB").save(path, quality=86, optimize=True, subsampling=0)
    assert path.stat().st_size < MOST_BYTES, f"{path.name} has {path.stat().st_size} bytes"
