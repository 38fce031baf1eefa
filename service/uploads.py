"""Multipart uploads, counted and streamed to disk: neither memory nor disk grows past the caps, whatever a client sends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
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
from service.errors import TooLarge, UnsupportedMedia
from service.intake import expect_upload
from service.settings import MIB, ServiceSettings
from workers.jobs import new_id

MAX_TEXTS = 20


@dataclass(frozen=True)
class Upload:
    """A file that has arrived. `field` is the form's, `filename` the client's own, not to be used as a path."""

    field: str
    filename: str
    path: Path


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


async def receive(request: Request, folder: Path, settings: ServiceSettings) -> Form:
    """Reads the request's multipart form into `folder`. Raises InputError, TooLarge, TooSlow, UnsupportedMedia, StorageError."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise UnsupportedMedia("the request is not multipart/form-data", try_next="send files and options as form fields (curl -F)")
    expect_upload(request, settings)
    try:
        reader = _Reader(folder, options[b"boundary"], settings)
        try:
            async for chunk in request.stream():
                await run_in_threadpool(reader.feed, chunk)
        finally:
            reader.close()
    except FormParserError as error:
        raise InputError(f"the form can't be read ({error})", try_next="send well-formed multipart/form-data") from error
    except ClientDisconnect as error:
        raise InputError("the upload broke off", try_next="send it again") from error
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
            path = self._folder / f"{len(self.form.files):05}"
            self._file = path.open("wb")
            self.form.files.append(Upload(self._field, self._filename, path))
        elif self._field in self.form.texts:
            raise InputError(f"the form field {self._field[:100]!r} comes twice", try_next="send it once")
        elif len(self.form.texts) >= MAX_TEXTS:
            raise TooLarge(f"more than {MAX_TEXTS} text fields", try_next="send everything that is not a file as JSON in options")

    def _keep_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._file:
            if self._size > self._largest():
                advice = f"keep a file of its kind under {_mib(self._largest())}"
                raise TooLarge(f"{self._filename or 'a file'} is too large", try_next=advice)
            self._file.write(data[start:end])
        else:
            self._text_total += end - start
            if self._text_total > self._settings.max_form_bytes:
                raise TooLarge("the text fields of the form are too long", try_next="send files with a filename, options as short JSON")
            self._text += data[start:end]

    def _largest(self) -> int:
        """Bytes that a file of this name may have. What it really is is looked at when it is whole."""
        name = self._filename.lower()
        if name.endswith(".zip"):
            return self._settings.max_upload_bytes
        return self._settings.max_video_bytes if name.endswith(VIDEO_SUFFIXES) else self._settings.max_file_bytes

    def _end(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
        else:
            self.form.texts[self._field] = self._text.decode(errors="replace")
            self._text = bytearray()

    def _finish(self) -> None:
        self.complete = True


def _mib(size: int) -> str:
    return f"{size // MIB} MiB"
