"""JSON -> frozen dataclasses. What a newer server says besides is passed over; what an older one leaves out has a default."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from snap6d.errors import ServerError

T = TypeVar("T")


def read(kind: type[T], document: Any) -> T:
    """Raises ServerError where something is missing that was always there."""
    try:
        hints = get_type_hints(kind)
        known = [field.name for field in fields(kind) if field.name in document]  # type: ignore[arg-type]
        return kind(**{name: _value(hints[name], document[name]) for name in known})
    except TypeError as error:
        raise ServerError(f"the answer is no {kind.__name__} ({error})", try_next="check that the address is a Snap6D service") from error


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) in (Union, types.UnionType):
        return _value(next(option for option in get_args(hint) if option is not type(None)), value)
    if get_origin(hint) is tuple:
        return tuple(_value(get_args(hint)[0], item) for item in value)
    return read(hint, value) if is_dataclass(hint) and isinstance(hint, type) else value
