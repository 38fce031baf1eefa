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
    """More questions than this at once are refused with 503, before they pile up behind the worker."""

    default_deadline_ms: int = 60_000
    max_deadline_ms: int = 300_000
    max_wait_s: float = 60.0
    max_event_streams: int = 256
    """Listeners of jobs at once, for each process of the API; more are refused with 503."""

    heartbeat_s: float = 20.0
    """A listener hears something at least this often: proxies close what is silent for half a minute."""
