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

    max_idle_s: float = 30.0
    min_bytes_per_s: int = 1024
    """A sender may pause for `max_idle_s` at most, and must be no slower than this on the whole."""

    max_pixels: int = 64_000_000
    decoders: int = 2
    """Processes that decode and clean uploaded images."""

    max_decode_cpu_s: int = 30
    max_decode_s: float = 90.0
    max_decode_bytes: int = 2048 * MIB
    """Of memory, for one image at a time in each of these processes."""

    max_objects_per_estimate: int = 8
    max_estimates_waiting: int = 16
    """More questions than this at once, in one process of the API, are refused with 503, before they pile up behind the worker."""

    max_estimates_per_caller: int = 8
    """More questions than this at once of one caller are refused with 429: the other places are for others."""

    max_estimate_upload_s: float = 60.0
    """An image that takes longer to arrive is refused with 408: it would keep its place from others."""

    require_keys: bool = False
    """False: nobody needs an API key until the first one is made."""

    quota_objects: int = 10_000
    quota_bytes: int = 1 << 40
    quota_compute_s: float = float("inf")
    """Of one tenant: objects, bytes of images, seconds of computing."""

    max_webhooks: int = 10
    """Of one tenant."""

    default_deadline_ms: int = 60_000
    max_deadline_ms: int = 300_000
    max_wait_s: float = 60.0
    max_event_streams: int = 256
    """Listeners of jobs at once, for each process of the API; more are refused with 503."""

    heartbeat_s: float = 20.0
    """A listener hears something at least this often: proxies close what is silent for half a minute."""
