"""Photo, mask and depth files. Photos are RGB uint8, masks bool, depth float32 metres with 0 for 'none'."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image, ImageOps

from reconstruction.errors import ImageError, StorageError
from reconstruction.formats import PHOTO_SUFFIXES, check_size, opened, read_optics, upright_size

DOUBTFUL = 192  # grey level in a mask: object, as all above 127, but it may be something else


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


def read_photo(path: Path, at_least_px: int | None = None) -> UInt8[ndarray, "h w 3"]:
    """RGB, turned upright by its EXIF tag; grey, alpha and 16-bit images are converted. Raises ImageError.

    at_least_px: a JPEG then comes at 1/2, 1/4 or 1/8 of its size where its longest side is at least that long still: its
    blocks are decoded small, in a quarter of the time and of the memory.
    """
    with opened(path) as image:
        check_size(path, *image.size)
        if at_least_px is not None:
            _decode_small(image, at_least_px)
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith(("I", "F")):  # Pillow clips 16-bit greys instead of scaling them
            return np.repeat(_to_8_bits(np.asarray(upright, dtype=np.float64))[..., None], 3, axis=2)
        return np.asarray(upright.convert("RGB"))


def _decode_small(image: Image.Image, at_least_px: int) -> None:
    """Only where the size divides: else the last column would stand for less than a pixel, and the camera be off by it."""
    width, height = image.size
    for factor in (8, 4, 2):
        if width % factor == 0 and height % factor == 0 and max(width, height) // factor >= at_least_px:
            image.draft(None, (width // factor, height // factor))
            return


def _to_8_bits(grey: Float[ndarray, "h w"]) -> UInt8[ndarray, "h w"]:
    grey = np.nan_to_num(grey, nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(grey.max())
    top = 65535.0 if 1.0 < highest <= 65535.0 else max(highest, 1e-9)
    return (grey / top * 255).clip(0, 255).astype(np.uint8)


def exif_focal_px(path: Path) -> float | None:
    """Focal length in pixels of the upright photo, from the 35 mm equivalent; None where the file does not say."""
    try:
        return read_optics(path).focal_px(*upright_size(path))
    except ImageError:
        return None


def read_mask(path: Path) -> Bool[ndarray, "h w"]:
    """True where the object is: pixels above half of full white, or opaque where the file is transparent elsewhere.

    Raises ImageError where the file can't be read as a mask.
    """
    pixels = _decode(path, "a mask", "give a PNG that is white on the object, black elsewhere")
    if pixels.ndim == 3:
        has_holes = pixels.shape[2] in (2, 4) and pixels[..., -1].min() < np.iinfo(pixels.dtype).max
        pixels = pixels[..., -1] if has_holes else pixels[..., :3].max(-1)
    return pixels > np.iinfo(pixels.dtype).max / 2 if pixels.max() > 1 else pixels > 0


def read_doubtful(path: Path) -> Bool[ndarray, "h w"]:
    """The pixels of a mask by `write_mask` that may be something else. Raises ImageError where the file can't be read as a mask."""
    return _decode(path, "a mask", "run the stage masks again") == DOUBTFUL


def read_depth(path: Path, scale_m: float = 0.001) -> Float[ndarray, "h w"]:
    """float32 metres, 0 = none. 16-bit PNGs are multiplied by `scale_m`; .npy and float TIFF files are metres already.

    Raises ImageError where the file can't be read as depth.
    """
    depth = _load_array(path) if path.suffix == ".npy" else _decode(path, "depth", _DEPTH_ADVICE, floats=True)
    if depth.ndim != 2 or depth.dtype.kind not in "fiu" or 0 in depth.shape:
        raise ImageError(f"{path.name} can't be read as depth", try_next=_DEPTH_ADVICE)
    if depth.dtype == np.uint8:
        raise ImageError(f"{path.name} has 8 bits only", try_next="give depth as a 16-bit PNG in millimetres")
    scale = scale_m if np.issubdtype(depth.dtype, np.integer) else 1.0
    with np.errstate(over="ignore"):
        metres = depth.astype(np.float32) * np.float32(scale)
    return np.where(np.isfinite(metres) & (metres > 0), metres, 0).astype(np.float32)


_DEPTH_ADVICE = "give a one-channel 16-bit PNG (millimetres) or a .npy in metres"


def _decode(path: Path, what: str, advice: str, floats: bool = False) -> ndarray:
    """The file's own channels and depth, which Pillow would convert. Raises ImageError."""
    try:
        with opened(path, what) as image:
            check_size(path, *image.size)
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(f"{path.name} can't be read as {what} ({error.err})", try_next=advice) from error
    except ImageError as error:
        raise ImageError(error.what, try_next=advice) from error
    if pixels is None or pixels.dtype.kind not in ("uif" if floats else "u"):
        raise ImageError(f"{path.name} can't be read as {what}", try_next=advice)
    return pixels


def _load_array(path: Path) -> ndarray:
    try:  # mapped: a header that claims more than the file holds is found out before any memory is taken
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # a .npy header is parsed as Python source: it may raise anything
        raise ImageError(f"{path.name} can't be read as depth ({error})", try_next=_DEPTH_ADVICE) from error


def write_photo(path: Path, photo: UInt8[ndarray, "h w 3"], quality: int = 95) -> None:
    path.write_bytes(photo_bytes(photo, path.suffix, quality))


def write_mask(path: Path, mask: Bool[ndarray, "h w"], doubtful: Bool[ndarray, "h w"] | None = None) -> None:
    """doubtful: pixels of the mask that may be something else; to all but `read_doubtful` they are object."""
    pixels = mask.astype(np.uint8) * 255
    if doubtful is not None:
        pixels[mask & doubtful] = DOUBTFUL
    path.write_bytes(_encoded(path.suffix, pixels))


def write_depth(path: Path, depth_m: Float[ndarray, "h w"]) -> None:
    """16-bit PNG, millimetres."""
    path.write_bytes(_encoded(path.suffix, (depth_m * 1000).round().clip(0, 65535).astype(np.uint16)))


def photo_bytes(photo: UInt8[ndarray, "h w 3"], suffix: str = ".jpg", quality: int = 95) -> bytes:
    """A file's content."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix.lower() in (".jpg", ".jpeg") else []
    return _encoded(suffix, cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), options)


def mask_bytes(mask: Bool[ndarray, "h w"], suffix: str = ".png") -> bytes:
    """A file's content."""
    return _encoded(suffix, mask.astype(np.uint8) * 255)


def _encoded(suffix: str, pixels: ndarray, options: list[int] | None = None) -> bytes:
    ok, encoded = cv2.imencode(suffix, pixels, options or [])
    if not ok:
        raise StorageError(f"a {suffix} file could not be encoded", try_next="use .jpg or .png")
    return encoded.tobytes()


def box_of_mask(mask: Bool[ndarray, "h w"]) -> tuple[float, float, float, float] | None:
    """x0, y0, x1, y1 of the outermost pixels; None where there are none."""
    rows, columns = np.nonzero(mask)
    return (float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max())) if len(rows) else None
