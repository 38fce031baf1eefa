"""Bytes to upload: photos, zips, options."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
from PIL import Image

LATITUDE = (47.0, 22.0, 33.0)


def photo(seed: int = 0, width: int = 64, height: int = 48, *, kind: str = "JPEG", gps: bool = False, focal_mm: int | None = None) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    exif = Image.Exif()
    if gps:
        exif.get_ifd(0x8825).update({1: "N", 2: LATITUDE})
    if focal_mm:
        exif.get_ifd(0x8769)[0xA405] = focal_mm
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, exif=exif.tobytes())
    return out.getvalue()


def zipped(entries: dict[str, bytes], *, link: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0xA1FF << 16
            archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def options(**values: Any) -> dict[str, str]:
    return {"options": json.dumps(values)}
