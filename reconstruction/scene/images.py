"""Photo, mask and depth files. Photos are RGB uint8, masks bool, depth float32 metres with 0 for 'none'."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image, ImageOps

from reconstruction.errors import ImageError, StorageError

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")  # a phone's MPO opens as JPEG; Pillow knows no opener by that name
MAX_PIXELS = 64_000_000  # a 48 Mpx phone photo passes; a decompression bomb does not


def list_photos(folder: Path) -> list[Path]:
    """Photos of a folder by name. Raises ImageError where there are none, or two share a stem."""
    if not folder.is_dir():
        raise ImageError(f"{folder} is not a folder", try_next="name the folder that holds the photos")
    photos = sorted(p for p in folder.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES and not p.name.startswith("."))
    if not photos:
        raise ImageError(f"{folder} holds no photos", try_next=f"put {', '.join(PHOTO_SUFFIXES)} files there")
    stems = [p.stem for p in photos]
    twice = sorted({s for s in stems if stems.count(s) > 1})
    if twice:
        raise ImageError(f"two photos are called {twice[0]}", try_next="rename one: a photo is known by its name without the ending")
    return photos


def read_photo(path: Path) -> UInt8[ndarray, "h w 3"]:
    """RGB, turned upright by its EXIF tag; grey, alpha and 16-bit images are converted. Raises ImageError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise ImageError(
                        f"{path.name} has {width}x{height} pixels", try_next=f"keep photos under {MAX_PIXELS // 1_000_000} Mpx"
                    )
                if min(width, height) < 8:
                    raise ImageError(f"{path.name} has only {width}x{height} pixels", try_next="give a real photo")
                if image.mode.startswith(("I", "F")):  # Pillow clips 16-bit greys instead of scaling them
                    grey = np.asarray(image, dtype=np.float64)
                    top = 65535.0 if image.mode.startswith("I") else max(float(grey.max()), 1e-9)
                    return np.repeat((grey / top * 255).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except ImageError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{path.name} can't be read as an image ({error})", try_next="save it again as JPEG or PNG") from error


def exif_focal_px(path: Path) -> float | None:
    """Focal length in pixels of the upright photo, from the 35 mm equivalent; None where the file does not say."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            focal_35mm = float(image.getexif().get_ifd(0x8769).get(0xA405, 0))
            diagonal = float(np.hypot(*image.size))
    except (OSError, ValueError, TypeError, ZeroDivisionError):
        return None
    return focal_35mm * diagonal / 43.27 if focal_35mm > 0 else None  # 43.27 mm: the diagonal of a 36 x 24 mm frame


def read_mask(path: Path) -> Bool[ndarray, "h w"]:
    """True where the object is: pixels above half of full white, or opaque where the file is transparent elsewhere."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ImageError(f"{path.name} can't be read as a mask", try_next="give a PNG that is white on the object, black elsewhere")
    if pixels.ndim == 3:
        pixels = pixels[..., 3] if pixels.shape[2] == 4 else pixels[..., :3].max(-1)
    return pixels > np.iinfo(pixels.dtype).max / 2 if pixels.max() > 1 else pixels > 0


def read_depth(path: Path, scale_m: float = 0.001) -> Float[ndarray, "h w"]:
    """float32 metres, 0 = none. 16-bit PNGs are multiplied by `scale_m`; .npy and float TIFF files are metres already."""
    if path.suffix == ".npy":
        depth = np.load(path, allow_pickle=False)
    else:
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if depth is None or depth.ndim != 2:
            raise ImageError(
                f"{path.name} can't be read as depth", try_next="give a one-channel 16-bit PNG (millimetres) or a .npy in metres"
            )
        if depth.dtype == np.uint8:
            raise ImageError(f"{path.name} has 8 bits only", try_next="give depth as a 16-bit PNG in millimetres")
    depth = depth.astype(np.float32) * (scale_m if np.issubdtype(depth.dtype, np.integer) else 1.0)
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def write_photo(path: Path, photo: UInt8[ndarray, "h w 3"], quality: int = 95) -> None:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix.lower() in (".jpg", ".jpeg") else []
    _write(path, cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), options)


def write_mask(path: Path, mask: Bool[ndarray, "h w"]) -> None:
    _write(path, mask.astype(np.uint8) * 255)


def write_depth(path: Path, depth_m: Float[ndarray, "h w"]) -> None:
    """16-bit PNG, millimetres."""
    _write(path, (depth_m * 1000).round().clip(0, 65535).astype(np.uint16))


def _write(path: Path, pixels: ndarray, options: list[int] | None = None) -> None:
    ok, encoded = cv2.imencode(path.suffix, pixels, options or [])
    if not ok:
        raise StorageError(f"{path.name} could not be encoded", try_next="use .jpg or .png")
    path.write_bytes(encoded.tobytes())
