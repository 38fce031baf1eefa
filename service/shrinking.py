"""A kept image as a small, upright JPEG. Runs in a process of its own, as `service.cleaning` does; `service.decoders` is the other side."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

from reconstruction.errors import ImageError
from reconstruction.formats import FORMATS

QUALITY = 80


def shrink_image(path: Path, name: str, px: int, out: Path) -> None:
    """Writes `out`, its longest side at most `px`; a JPEG is decoded at little more than that. Raises ImageError by the image's name."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.draft("RGB", (2 * px, 2 * px))
            icc = image.info.get("icc_profile") if image.mode == "RGB" else None
            small = ImageOps.exif_transpose(_eight_bits(image))
            small.thumbnail((px, px), Image.Resampling.LANCZOS, reducing_gap=2.0)
            small.convert("RGB").save(out, "JPEG", quality=QUALITY, optimize=True, icc_profile=icc)
    except Exception as error:  # decoders raise whatever they like
        raise ImageError(f"{name} can't be made small ({error})"[:300], try_next="ask for it without px") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """Depth frames have sixteen: stretched from their nearest to their farthest."""
    if not image.mode.startswith("I"):
        return image
    deep = image.convert("I")
    low, high = deep.getextrema()
    scale = 255 / max(1, high - low)
    return deep.point(lambda value: value * scale - low * scale).convert("L")
