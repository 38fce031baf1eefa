"""Whatever bytes come, a reader gives what it promises or an error that says what to do, and soon."""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reconstruction.capture import Capture, GivenCameras, KnownLength, Prompt, TagBoard
from reconstruction.errors import ImageError, InputError
from reconstruction.formats import is_video, read_optics, save_as_jpeg, upright_size
from reconstruction.scene.images import exif_focal_px, read_depth, read_mask, read_photo
from reconstruction.tags import load_board
from workers.command import options

LIMIT_S = 5.0
FUZZ = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def encoded(kind: str, mode: str = "RGB") -> bytes:
    pixels = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48), interpolation=cv2.INTER_CUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0x920A: 4.25, 0xA405: 26})
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, kind, exif=exif.tobytes())
    return out.getvalue()


def deep() -> bytes:
    return cv2.imencode(".png", np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21)[1].tobytes()


def mapped(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


WHOLE = {
    ".jpg": encoded("JPEG"),
    ".cmyk.jpg": encoded("JPEG", "CMYK"),
    ".png": encoded("PNG", "RGBA"),
    ".palette.png": encoded("PNG", "P"),
    ".deep.png": deep(),
    ".webp": encoded("WEBP"),
    ".tif": encoded("TIFF"),
    ".bmp": encoded("BMP"),
    ".avif": encoded("AVIF"),
    ".heic": (Path(__file__).parents[1] / "phone.heic").read_bytes(),
    ".npy": mapped(np.full((48, 64), 0.5, np.float32)),
}


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, bytes]:
    """A real file cut short, with bits turned, bytes put in or pieces swapped; or no file of any kind."""
    ending = draw(st.sampled_from([*WHOLE]))
    content = bytearray(WHOLE[ending])
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, max(0, min(len(content) - 1, draw(st.sampled_from([64, 400, 10**9]))))))
        how = draw(st.sampled_from(["turn", "set", "put", "cut", "drop"]))
        if how == "turn" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "set" and content:
            content[at] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
        elif how == "put":
            content[at:at] = draw(st.binary(max_size=16))
        elif how == "cut":
            del content[at + len(content) // 2 :]
        else:
            del content[at : at + draw(st.integers(1, 64))]
    return ending, bytes(content)


def attempt(read: Callable[[Path], Any], path: Path, refusal: type[InputError]) -> Any:
    """What the reader gives; None where it refuses, which must teach."""
    error = None
    try:
        return read(path)
    except refusal as refused:
        error = refused
    assert error.try_next
    assert refusal is InputError or path.name in error.what
    return None


def promises(path: Path) -> None:
    """What each reader says that it returns or raises."""
    for read, dimensions, kind in ((read_photo, 3, np.uint8), (read_mask, 2, bool), (read_depth, 2, np.float32)):
        pixels = attempt(read, path, ImageError)
        assert pixels is None or (pixels.ndim, pixels.dtype) == (dimensions, kind)
    size = attempt(upright_size, path, ImageError)
    assert size is None or min(size) >= 8
    copy = path.with_suffix(".out")
    attempt(lambda source: save_as_jpeg(source, copy), path, ImageError)
    assert not copy.exists() or read_photo(copy).ndim == 3
    optics = read_optics(path)
    assert all(v is None or 0 < v < float("inf") for v in (optics.focal_mm, optics.focal_35mm, optics.zoom))
    focal = exif_focal_px(path)
    assert focal is None or focal > 0
    is_video(path)


def test_every_whole_file_is_read(tmp_path: Path) -> None:
    for ending, content in WHOLE.items():
        path = tmp_path / f"a{ending}"
        path.write_bytes(content)
        pixels = read_depth(path) if ending == ".npy" else read_photo(path)
        assert min(pixels.shape[:2]) >= 48, ending


@FUZZ
@given(broken())
def test_broken_files_are_read_or_refused_by_name(case: tuple[str, bytes]) -> None:
    ending, content = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"IMG_1{ending}"
        path.write_bytes(content)
        started = time.monotonic()
        promises(path)
        assert time.monotonic() - started < LIMIT_S


@FUZZ
@given(st.binary(max_size=300), st.sampled_from(["", *(WHOLE[k][:12] for k in (".jpg", ".png", ".webp", ".npy"))]))
def test_arbitrary_bytes_are_refused(content: bytes, head: bytes | str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for ending in (".jpg", ".npy"):
            path = Path(folder) / f"IMG_1{ending}"
            path.write_bytes((head or b"") + content)  # type: ignore[operator]
            promises(path)


def test_arrays_that_claim_more_than_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    whole = WHOLE[".npy"]
    assert b"(48, 64), }" in whole
    for claim in (b"(480000, 640000), }", b"(0, 64), }", b"(-1, 64), }", b"(3072,), }", b"(48, 64, 9), }"):
        path.write_bytes(whole.replace(b"(48, 64), }" + b" " * (len(claim) - 11), claim))
        with pytest.raises(ImageError, match=r"a\.npy"):
            read_depth(path)
    for array in (np.full((9, 9), "x"), np.full((9, 9), 1j), np.zeros((9, 9), object), np.full((9, 9), True)):
        np.save(path, array, allow_pickle=True)
        with pytest.raises(ImageError, match=r"a\.npy"):
            read_depth(path)


CAPTURE = Capture(
    "mug",
    Prompt("a.jpg", box=(1, 2, 3, 4)),
    TagBoard("tag36h11", {7: [[0, 0, 0], [50, 0, 0], [50, 50, 0], [0, 50, 0]]}),
    GivenCameras(64, 48, 50, 50, 32, 24, poses={"a": {"R": [1, 0, 0, 0, 1, 0, 0, 0, 1], "t": [0, 0, 1]}}),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4) | st.sampled_from(["7", "²", "tag36h11"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["7", "²", "R", "t", "box", "family"]) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def places(document: Any, path: tuple = ()) -> list[tuple]:
    inner = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    return [path, *(p for key, value in inner for p in places(value, (*path, key)))]


def replaced(document: Any, path: tuple, value: Any) -> Any:
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy


def written(folder: str, document: Any) -> Path:
    path = Path(folder) / "given.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@FUZZ
@given(st.data())
def test_captures_with_anything_anywhere(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        CAPTURE.save(path := Path(folder) / "capture.json")
        document = json.loads(path.read_text())
        where = data.draw(st.sampled_from(places(document)))
        loaded = attempt(Capture.load, written(folder, replaced(document, where, data.draw(JSON))), InputError)
        if loaded is not None:
            loaded.save(path)
            assert Capture.load(path) == loaded


@FUZZ
@given(JSON | st.text(max_size=20), st.data())
def test_layouts_cameras_and_boxes_of_any_json(document: Any, data: st.DataObject) -> None:
    board = {"7": [[0, 0, 0], [50, 0, 0], [50, 50, 0], [0, 50, 0]], "tag_size_mm": 50}
    camera = {"width": 64, "height": 48, "fx": 50.0, "fy": 50.0, "cx": 32.0, "cy": 24.0, "lens": [0, 0, 0, 0, 0]}
    with tempfile.TemporaryDirectory() as folder:
        for whole, read in ((board, load_board), (camera, options.cameras), ({"a": [1, 2, 3, 4]}, options.boxes_file)):
            where = data.draw(st.sampled_from(places(whole)))
            for given_ in (document, replaced(whole, where, document)):
                attempt(read, written(folder, given_), InputError)


def test_requests_that_cannot_be_meant_are_refused() -> None:
    square = [[0, 0, 0], [50, 0, 0], [50, 50, 0], [0, 50, 0]]
    for make in (
        lambda: Prompt("a.jpg"),
        lambda: Prompt("a.jpg", box=(1, 2, 3, float("nan"))),
        lambda: Prompt("a.jpg", box=(1, 2, 3, 4), point=(1, 2)),
        lambda: TagBoard("tag36h11", {7: [square[0], square[2], square[1], square[3]]}),
        lambda: TagBoard("tag36h11", {7: [[0.0, 0, 0]] * 4}),
        lambda: KnownLength(0.0),
        lambda: KnownLength(10**400),
        lambda: KnownLength(0.1, "a.jpg", (1, 2)),
        lambda: GivenCameras(64, 48, float("inf"), 50, 32, 24),
    ):
        with pytest.raises(InputError):
            make()
