"""Limits of the API: environment variables SNAP6D_*."""

from __future__ import annotations

from workers.settings import Settings

MIB = 1 << 20


class ServiceSettings(Settings):
    """Everything that a caller could make grow has a cap here."""

    max_photos: int = 500
    max_file_bytes: int = 50 * MIB
    max_video_bytes: int = 1024 * MIB
    max_upload_bytes: int = 4096 * MIB
    max_form_bytes: int = MIB
    """Of the text fields of a form, options included."""

    max_pixels: int = 64_000_000
    max_objects_per_estimate: int = 8
    max_estimates_waiting: int = 16
    """More questions than this at once, in one process of the API, are refused with 503, before they pile up behind the worker."""

    max_estimates_per_caller: int = 8
    """More questions than this at once of one caller are refused with 429: the other places are for others."""

    max_estimate_upload_s: float = 60.0
    """An image that takes longer to arrive is refused with 408: it would keep its place from others."""

    default_deadline_ms: int = 60_000
    max_deadline_ms: int = 300_000
    max_wait_s: float = 60.0
