"""What a capture lacks though the work goes on: stages put it into their quality, and job, object and report keep it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

CaptureWarning = dict[str, Any]
"""{"code": for programs, "photo": stem or None, "message": for people}."""


def capture_warning(code: str, message: str, photo: str | None = None) -> CaptureWarning:
    """photo: the stem of the one that it is about, if it is about one."""
    return {"code": code, "photo": photo, "message": message}


def collect_warnings(qualities: Iterable[dict[str, Any]]) -> list[CaptureWarning]:
    """Those of all stages, in order; where two stages warn of the same, the later one knows more."""
    told: list[CaptureWarning] = []
    for quality in qualities:
        new = quality.get("warnings", [])
        codes = {warning["code"] for warning in new}
        told = [warning for warning in told if warning["code"] not in codes] + new
    return told
