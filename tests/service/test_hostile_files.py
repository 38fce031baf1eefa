"""Whatever file comes, it is kept clean or refused by name, within bounded time and memory, and the next one is served."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import hostile_made
import psutil
import pytest
from PIL import Image
from uploads_made import photo, zipped

from reconstruction.errors import ImageError, InputError
from service.decoders import Decoders, Limits
from service.errors import TooLarge, UnsupportedMedia
from service.photos import keep_image, unzipped
from service.settings import ServiceSettings
from service.uploads import Upload

MUTATIONS = int(os.environ.get("SNAP6D_CHAOS", "12"))
LIMITS = Limits(pixels=1_000_000, cpu_s=1, wall_s=20.0, memory_bytes=1 << 30)
SLOWEST_S = 30.0  # the limit of time and a new process, on a machine that has others to serve
REFUSALS = {"bad": ImageError, "large": TooLarge, "other": UnsupportedMedia}


@pytest.fixture(scope="module")
def decoders() -> Decoders:
    return Decoders(2, LIMITS)


def clean(decoders: Decoders, folder: Path, content: bytes, name: str = "a.jpg") -> str:
    """Its ending. Asserts that it did not take long, and that whoever is refused is told by name."""
    (folder / "upload").write_bytes(content)
    started = time.monotonic()
    try:
        return decoders.clean(folder / "upload", name)
    finally:
        assert time.monotonic() - started < SLOWEST_S


@pytest.mark.parametrize("kind", hostile_made.whole())
def test_broken_files_are_refused_or_whole(decoders: Decoders, tmp_path: Path, kind: str) -> None:
    before = psutil.Process().memory_info().rss
    said: list[str] = []
    for content in hostile_made.broken(hostile_made.whole()[kind], MUTATIONS):
        try:
            clean(decoders, tmp_path, content)
        except InputError as error:
            said.append(str(error))
        else:
            with Image.open(tmp_path / "upload") as image:
                image.load()
                assert not image.getexif().get_ifd(0x8825)
    assert len(said) >= 9
    assert all(words.startswith("a.jpg ") and str(tmp_path) not in words for words in said)
    assert psutil.Process().memory_info().rss - before < 30 << 20
    assert clean(decoders, tmp_path, photo()) == ".jpg"


@pytest.mark.parametrize("name", hostile_made.images())
def test_hostile_images(decoders: Decoders, tmp_path: Path, name: str) -> None:
    content, kind = hostile_made.images()[name], name.partition(" ")[0]
    if kind == "kept":
        clean(decoders, tmp_path, content, name)
        with Image.open(tmp_path / "upload") as image:
            assert getattr(image, "n_frames", 1) == 1
            assert not image.getexif().get_ifd(0x8825)
    else:
        with pytest.raises(REFUSALS[kind]):
            clean(decoders, tmp_path, content, name)


def test_an_image_that_takes_too_long_is_cut_off(decoders: Decoders, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"slow\.jpg takes too long"):
        clean(decoders, tmp_path, hostile_made.many_scans(), "slow.jpg")
    asleep = Decoders(1, Limits(1_000_000, 20, 0.5, 1 << 30))
    with pytest.raises(ImageError, match="takes too long"):
        clean(asleep, tmp_path, hostile_made.many_scans())
    assert clean(asleep, tmp_path, photo()) == ".jpg"


def test_a_killed_decoder_is_replaced_and_nobody_notices(tmp_path: Path) -> None:
    decoders = Decoders(1, LIMITS)
    before = set(psutil.Process().children())
    assert clean(decoders, tmp_path, photo(kind="PNG")) == ".png"
    (child,) = set(psutil.Process().children()) - before
    limits = {psutil.RLIMIT_AS: 1 << 30, psutil.RLIMIT_CORE: 0, psutil.RLIMIT_NOFILE: 64}
    assert {kind: child.rlimit(kind)[0] for kind in limits} == limits
    assert not [name for name in child.environ() if name.startswith("SNAP6D_")]
    child.send_signal(signal.SIGKILL)
    assert clean(decoders, tmp_path, photo(kind="PNG")) == ".png"


def unzip(path: Path, folder: Path, settings: ServiceSettings) -> list[Path]:
    return [keep_image(upload, folder, settings) for upload in unzipped(Upload("photos", "x.zip", path), settings)]


@pytest.mark.parametrize("name", hostile_made.archives())
def test_hostile_archives(tmp_path: Path, name: str) -> None:
    settings = ServiceSettings(data=tmp_path, max_photos=50, max_file_bytes=1_000_000, max_upload_bytes=4_000_000)
    (tmp_path / "upload").write_bytes(content := hostile_made.archives()[name])
    (tmp_path / "kept").mkdir()
    before, started = psutil.Process().memory_info().rss, time.monotonic()
    with pytest.raises(InputError):
        unzip(tmp_path / "upload", tmp_path / "kept", settings)
    assert time.monotonic() - started < SLOWEST_S
    assert psutil.Process().memory_info().rss - before < 60 << 20
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= len(content) + 5_000_000


def test_names_become_names_of_our_own(tmp_path: Path) -> None:
    entries = {name: photo(number) for number, name in enumerate(hostile_made.NAMES)}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "upload").write_bytes(zipped(entries))
    (tmp_path / "kept").mkdir()
    settings = ServiceSettings(data=tmp_path)
    kept = unzip(tmp_path / "in" / "upload", tmp_path / "kept", settings)
    assert len({path.name for path in kept}) == len(entries)
    assert {path.parent for path in kept} == {tmp_path / "kept"}
    for path in kept:
        assert len(path.name.encode()) <= 124
        assert path.stem.replace(".", "").replace("-", "").replace("_", "a").isalnum()
