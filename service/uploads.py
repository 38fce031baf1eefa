"""Multipart uploads, counted and streamed to disk: neither memory nor disk grows past the caps, whatever a client sends."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from reconstruction.errors import InputError
from reconstruction.formats import VIDEO_SUFFIXES
from service.errors import DigestMismatch, TooLarge, UnsupportedMedia
from service.intake import expect_upload
from service.settings import MIB, ServiceSettings
from workers.rows.tables import new_id

MAX_TEXTS = 20


@dataclass(frozen=True)
class Upload:
    """A file that has arrived. `field` is the form's, `filename` the client's own, not to be used as a path, `sha256` of what came."""

    field: str
    filename: str
    path: Path
    sha256: str = ""


@dataclass
class Form:
    """A multipart form: text fields, and files in the order in which they came."""

    texts: dict[str, str] = field(default_factory=dict)
    files: list[Upload] = field(default_factory=list)

    def only(self, *, texts: tuple[str, ...], files: tuple[str, ...]) -> None:
        """Raises InputError where the form holds anything else: what is ignored would be missed."""
        for kind, names, known in (("a text", self.texts, texts), ("a file", {upload.field for upload in self.files}, files)):
            for name in names:
                if name not in known:
                    advice = f"send {', '.join(files)} as files (with a filename) and {', '.join(texts)} as text"
                    raise InputError(f"there is no form field {name[:100]!r} for {kind}", try_next=advice)

    def named(self, name: str) -> list[Upload]:
        return [upload for upload in self.files if upload.field == name]


@contextmanager
def incoming(settings: ServiceSettings) -> Iterator[Path]:
    """A folder for one request's files, gone afterwards."""
    folder = settings.incoming / new_id("up")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def receive_file(request: Request, folder: Path, field: str, filename: str, settings: ServiceSettings) -> Upload:
    """Reads the request's whole body as one file.

    Raises TooLarge, TooSlow, StorageError, and DigestMismatch where it is not what Content-Digest says.
    """
    expect_upload(request, settings)
    wanted = _wanted_digest(request.headers.get("content-digest"))
    path, hasher, size, largest = folder / "00000", hashlib.sha256(), 0, largest_file(filename, settings)
    with path.open("wb") as file:
        async for chunk in _chunks(request):
            size += len(chunk)
            if size > largest:
                raise TooLarge(f"{filename} is too large", try_next=f"keep a file of its kind under {_mib(largest)}")
            hasher.update(chunk)
            await run_in_threadpool(file.write, chunk)
    if wanted not in (None, hasher.digest()):
        raise DigestMismatch(f"{filename} did not arrive as it was sent", try_next="send it again")
    return Upload(field, filename, path, hasher.hexdigest())


async def receive_text(request: Request) -> str:
    """Reads the request's body as text. Raises TooLarge, TooSlow."""
    text = bytearray()
    async for chunk in _chunks(request):
        text += chunk
    return text.decode(errors="replace")


def _wanted_digest(header: str | None) -> bytes | None:
    """Of `Content-Digest: sha-256=:...:` (RFC 9530); None where there is none of that kind. Raises InputError."""
    found = re.search(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):", header or "")
    if found is None:
        return None
    try:
        return base64.b64decode(found.group(1), validate=True)
    except ValueError as error:
        raise InputError("Content-Digest is not base64", try_next="send Content-Digest: sha-256=:BASE64:") from error


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises InputError where it breaks off."""
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise InputError("the upload broke off", try_next="send it again") from error


async def receive(request: Request, folder: Path, settings: ServiceSettings) -> Form:
    """Reads the request's multipart form into `folder`. Raises InputError, TooLarge, TooSlow, UnsupportedMedia, StorageError."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise UnsupportedMedia("the request is not multipart/form-data", try_next="send files and options as form fields (curl -F)")
    expect_upload(request, settings)
    try:
        reader = _Reader(folder, options[b"boundary"], settings)
        try:
            async for chunk in _chunks(request):
                await run_in_threadpool(reader.feed, chunk)
        finally:
            reader.close()
    except FormParserError as error:
        raise InputError(f"the form can't be read ({error})", try_next="send well-formed multipart/form-data") from error
    if not reader.complete:
        raise InputError("the form ends too early", try_next="send the whole of it, closing boundary included")
    return reader.form


class _Reader:
    """The state between the callbacks of the push parser. Every byte is counted before it is kept."""

    def __init__(self, folder: Path, boundary: bytes, settings: ServiceSettings) -> None:
        self.form, self.complete = Form(), False
        self._folder, self._settings = folder, settings
        self._text_total = self._size = 0
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field = self._filename = ""
        self._file: IO[bytes] | None = None
        self._hasher = hashlib.sha256()
        self._text = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._keep_header,
                "on_headers_finished": self._begin,
                "on_part_data": self._keep_data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def feed(self, chunk: bytes) -> None:
        if chunk:
            self._parser.write(chunk)

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _keep_header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _begin(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._headers = {}
        self._field = options.get(b"name", b"").decode(errors="replace")
        self._filename = options.get(b"filename", b"").decode(errors="replace")
        self._size = 0
        if b"filename" in options:
            if len(self.form.files) >= 3 * self._settings.max_photos:  # a photo, a mask and a depth frame each
                raise TooLarge(f"more than {self._settings.max_photos} photos", try_next="send fewer; about 100 are plenty")
            self._file = (self._folder / f"{len(self.form.files):05}").open("wb")
            self._hasher = hashlib.sha256()
        elif self._field in self.form.texts:
            raise InputError(f"the form field {self._field[:100]!r} comes twice", try_next="send it once")
        elif len(self.form.texts) >= MAX_TEXTS:
            raise TooLarge(f"more than {MAX_TEXTS} text fields", try_next="send everything that is not a file as JSON in options")

    def _keep_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._file:
            largest = largest_file(self._filename, self._settings)
            if self._size > largest:
                advice = f"keep a file of its kind under {_mib(largest)}"
                raise TooLarge(f"{self._filename or 'a file'} is too large", try_next=advice)
            self._hasher.update(data[start:end])
            self._file.write(data[start:end])
        else:
            self._text_total += end - start
            if self._text_total > self._settings.max_form_bytes:
                raise TooLarge("the text fields of the form are too long", try_next="send files with a filename, options as short JSON")
            self._text += data[start:end]

    def _end(self) -> None:
        if self._file:
            self._file.close()
            self.form.files.append(Upload(self._field, self._filename, Path(self._file.name), self._hasher.hexdigest()))
            self._file = None
        else:
            self.form.texts[self._field] = self._text.decode(errors="replace")
            self._text = bytearray()

    def _finish(self) -> None:
        self.complete = True


def largest_file(filename: str, settings: ServiceSettings) -> int:
    """Bytes that a file of this name may have. What it really is is looked at when it is whole."""
    name = filename.lower()
    if name.endswith(".zip"):
        return settings.max_upload_bytes
    return settings.max_video_bytes if name.endswith(VIDEO_SUFFIXES) else settings.max_file_bytes


def _mib(size: int) -> str:
    return f"{size // MIB} MiB"
