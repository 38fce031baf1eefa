"""Refusals of what a caller sent. Apart from the handler of problems, so that an image's own process need not load it."""

from __future__ import annotations

from reconstruction.errors import ImageError, InputError, PipelineError


class TooLarge(InputError):
    code = "too-large"


class TooSlow(InputError):
    """The sender keeps a connection open without sending much."""

    code = "too-slow"


class DigestMismatch(InputError):
    """What arrived is not what the sender says it sent."""

    code = "digest-mismatch"
    retryable = True


class UnsupportedMedia(ImageError):
    code = "unsupported-media-type"


class DecoderMissing(PipelineError):
    """No process for decoding can be started: the server's fault, not the image's."""

    code = "decoder-missing"
    retryable = True
