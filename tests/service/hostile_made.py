"""Images and archives as an attacker, a broken camera or a clumsy script makes them. All from fixed seeds."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from uploads_made import photo, zipped

PHONE = (Path(__file__).parents[1] / "phone.heic").read_bytes()


@cache
def whole() -> dict[str, bytes]:
    """A sound image of every format that is accepted."""
    made = {kind: photo(1, 120, 80, kind=kind, gps=True, focal_mm=28) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")}
    return {**made, "BMP": photo(1, 120, 80, kind="BMP"), "HEIC": PHONE}


def broken(content: bytes, mutations: int) -> Iterator[bytes]:
    """Cut off at every tenth, then with a few bytes turned."""
    for tenth in range(10):
        yield content[: len(content) * tenth // 10]
    for seed in range(mutations):
        rng = np.random.default_rng(seed)
        changed = bytearray(content)
        for at in rng.integers(0, rng.choice([64, 400, len(content)]), rng.integers(1, 9)):
            changed[min(int(at), len(changed) - 1)] = int(rng.integers(0, 256))
        yield bytes(changed)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *before: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def frames(kind: str, count: int, size: int = 64) -> bytes:
    pictures = [Image.new("RGB", (size, size), (number % 256, number // 256, 9)) for number in range(count)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:])


def many_scans(count: int = 3000) -> bytes:
    """A progressive JPEG whose last scan comes again and again: each goes over the whole picture."""
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 1000, 3), dtype=np.uint8))
    content = saved(pixels, "JPEG", progressive=True, quality=10)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * count + content[-2:]


def exif(*entries: tuple[int, int, int, int], next_ifd: int = 0) -> bytes:
    """A JPEG with an EXIF segment of these entries: tag, type, count, value or offset."""
    body = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
    segment = b"Exif\0\0" + body + struct.pack("<I", next_ifd)
    plain = photo(1)
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]


def huge_jpeg() -> bytes:
    content = bytearray(photo(1))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", 65500, 65500)
    return bytes(content)


@cache
def images() -> dict[str, bytes]:
    """Name -> content. The first word says what they are to be answered with: bad, large, kept or other."""
    return {
        "large one-bit.png": saved(Image.fromarray(np.zeros((13000, 13000), bool)), "PNG"),
        "large header.png": png(2**31 - 1, 2**31 - 1),
        "large header.jpg": huge_jpeg(),
        "large header.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 200, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 1, 1, 0, 0) + bytes(100),
        "large line.png": png(1_000_000, 1),
        "bad ztxt.png": png(10, 10, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80 << 20)))),
        "kept icc junk.jpg": saved(Image.new("RGB", (64, 64)), "JPEG", icc_profile=bytes(range(256)) * 200),
        "kept exif loop.jpg": exif((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), next_ifd=8),
        "kept exif counts.jpg": exif(*[(0x9000 + n, 2, 2**31 - 1, 2**31) for n in range(500)]),
        "kept pages.tif": frames("TIFF", 500),
        "kept film.png": frames("PNG", 300),
        "kept film.webp": frames("WEBP", 300),
        "kept really a.png.jpg": photo(2, kind="PNG"),
        "other film.gif": frames("GIF", 50),
        "other page.pdf": b"%PDF-1.7\n" + bytes(1000),
        "other ps.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        "other icon.ico": saved(Image.new("RGB", (64, 64)), "ICO"),
        "other nothing.jpg": b"",
    }


def _zip64() -> bytes:
    content = zipped({"a.jpg": photo()})
    end = content.index(b"PK\x05\x06")
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2**60, 2**60, 2**61, 2**61)
    return content[:end] + record + b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1) + content[end:]


def _patched(mark: bytes, offset: int, form: str, value: int) -> bytes:
    content = bytearray(zipped({"a.jpg": photo()}))
    struct.pack_into(form, content, content.index(mark) + offset, value)
    return bytes(content)


def _overlapping() -> bytes:
    """Every entry of the directory points at the same bytes."""
    content = zipped({"a.jpg": photo(1, 200, 200)})
    directory, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entry = content[directory:end]
    entries = b"".join(entry.replace(b"a.jpg", b"%c.jpg" % letter) for letter in b"bcdefgh")
    return content[:directory] + entries + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 7, 7, len(entries), directory, 0)


def _packed(method: int, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.jpg", content)
    return out.getvalue()


@cache
def archives() -> dict[str, bytes]:
    """Each is to be refused."""
    layers = zipped({f"{n}.zip": zipped({f"{m}.zip": zipped({"a.jpg": bytes(10_000)}) for m in range(4)}) for n in range(4)})
    return {
        "zips in zips": layers,
        "an entry that unpacks to much": zipped({"a.jpg": bytes(5_000_000)}),
        "bzip2 that unpacks to much": _packed(zipfile.ZIP_BZIP2, bytes(300_000_000)),
        "lzma": _packed(zipfile.ZIP_LZMA, photo()),
        "an unknown method": _patched(b"PK\x01\x02", 10, "<H", 97),
        "thousands of entries": zipped({f"{n}.jpg": b"" for n in range(3000)}),
        "a long directory": zipped({f"__MACOSX/{n:0200}.jpg": b"" for n in range(6000)}),
        "overlapping entries": _overlapping(),
        "a size that is too small": _patched(b"PK\x01\x02", 24, "<I", 10),
        "a size that is too large": _patched(b"PK\x01\x02", 24, "<I", 2**31),
        "a packed size that is too large": _patched(b"PK\x01\x02", 20, "<I", 2**31),
        "an offset beyond the end": _patched(b"PK\x01\x02", 42, "<I", 2**31),
        "a wrong checksum": _patched(b"PK\x01\x02", 16, "<I", 12345),
        "a directory beyond the end": _patched(b"PK\x05\x06", 16, "<I", 2**31),
        "a long directory, it says": _patched(b"PK\x05\x06", 12, "<I", 2**31),
        "zip64 of exabytes": _zip64(),
        "a link": zipped({"a.jpg": photo()}, link="b.jpg"),
        "two of one name": zipped({"a/x.jpg": photo(1), "b/x.jpg": photo(2)}),
        "two of one name, composed and decomposed": zipped({"é.jpg": photo(1), "e\u0301.jpg": photo(2)}),
        "garbage behind the mark": b"PK\x03\x04" + bytes(500),
    }


NAMES = [
    "../../../../etc/cron.d/x.jpg",
    "/etc/passwd.jpg",
    "C:\\windows\\y.jpg",
    "..\\..\\z.jpg",
    "\u202egpj.exe",
    "a" * 4000 + ".jpg",
    "💣" * 300 + ".jpg",
    "con\x07trol\x7f.jpg",
    "..",
    "~root.jpg",
    "-rf.jpg",
    "new\nline.jpg",
]
