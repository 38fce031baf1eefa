"""Log lines that say what they are about: JSON for programs, text for people, on standard error. No torch here."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Literal

Format = Literal["json", "text"]
FIELDS = ("request_id", "tenant", "job", "stage", "attempt")
QUIET = ("celery", "kombu", "amqp", "redis", "uvicorn", "uvicorn.access", "uvicorn.error", "httpx")
_about: ContextVar[Mapping[str, str | int]] = ContextVar("about", default=MappingProxyType({}))


def bind(**values: str | int | None) -> None:
    """What the lines of this thread or coroutine are about from here on; None takes a field away. FIELDS says which there are."""
    kept = {name: value for name, value in {**_about.get(), **values}.items() if value is not None}
    _about.set({name: kept[name] for name in FIELDS if name in kept})


@contextmanager
def bound(**values: str | int | None) -> Iterator[None]:
    """The same within a block; what was bound in it is forgotten after it."""
    token = _about.set(_about.get())
    bind(**values)
    try:
        yield
    finally:
        _about.reset(token)


def about() -> dict[str, str | int]:
    """What is bound here, for a process that goes on with the same work."""
    return dict(_about.get())


def request_id() -> str | None:
    """Of the request that is being answered, or that a worker's message came from."""
    found = _about.get().get("request_id")
    return None if found is None else str(found)


def configure(form: Format | Literal[""], level: int = logging.INFO) -> None:
    """Everything that is logged in this process goes to standard error, in this form; "": text on a terminal, else JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if (form or form_for_terminal(sys.stderr.isatty())) == "json" else Text())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).handlers.clear()  # uvicorn's own, which would say everything twice
        logging.getLogger(name).propagate = True
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def form_for_terminal(is_terminal: bool) -> Format:
    return "text" if is_terminal else "json"


class JsonLines(logging.Formatter):
    """One object a line: time (seconds since 1970), level, message, logger, what it is about, and the traceback of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": round(record.created, 3), "level": record.levelname.lower(), "message": record.getMessage(), "logger": record.name}
        line |= _about.get()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Text(logging.Formatter):
    """Time, level, message, and what it is about in brackets."""

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        about = " ".join(f"{name}={value}" for name, value in _about.get().items())
        line = f"{when} {record.levelname.lower()} {record.getMessage()}" + (f" [{about}]" if about else "")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
