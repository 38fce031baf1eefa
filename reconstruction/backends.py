"""Backends by name: an import path each, loaded on request. A missing one is an error, never a silent fallback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from reconstruction.errors import BackendMissing, InputError


@dataclass(frozen=True)
class Backend:
    """`target` is `module:attribute`; `install` is what to type when the import fails."""

    target: str
    install: str = "pip install ."


def load_backend(kind: str, table: Mapping[str, Backend], name: str) -> Any:
    """The attribute that `table[name]` names.

    Raises InputError for an unknown name, BackendMissing (with the install line) where its package is not installed.
    """
    if name not in table:
        raise InputError(f"there is no {kind} called {name!r}", try_next=f"choose one of {', '.join(table)}")
    backend = table[name]
    module, _, attribute = backend.target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise BackendMissing(f"the {kind} {name!r} is not installed ({error})", try_next=backend.install) from error
