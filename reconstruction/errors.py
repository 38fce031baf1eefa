"""Errors that teach: each says what failed and what to try next."""

from __future__ import annotations

from typing import ClassVar


class PipelineError(Exception):
    """A failure the user can act on.

    `code` is a stable slug that programs switch on; the message is for people: what failed, then what to try.
    `retryable` is False when the same input would fail again.
    """

    code: ClassVar[str] = "pipeline-failed"
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, try_next: str = "") -> None:
        self.what = what
        self.try_next = try_next
        super().__init__(f"{what}: {try_next}" if try_next else what)


class InputError(PipelineError):
    """The caller's input is wrong: an image, a box, a matrix, a file."""

    code = "bad-input"


class ImageError(InputError):
    """An image that can't be read, or is too large, or has the wrong kind of pixels."""

    code = "bad-image"


class CaptureError(PipelineError):
    """The photos can't be reconstructed: too few, no overlap, blurred."""

    code = "capture-failed"


class PromptError(PipelineError):
    """The box or point does not single out an object."""

    code = "prompt-failed"


class MaskError(PipelineError):
    """The object could not be separated from its surroundings."""

    code = "masks-failed"


class ScaleError(PipelineError):
    """The metric size could not be found from what was given."""

    code = "scale-failed"


class JoinError(PipelineError):
    """Two captures can't be made one: they don't fit, or fit in more than one way."""

    code = "join-failed"


class SurfaceError(PipelineError):
    """No usable surface came out of the training."""

    code = "surface-failed"


class BackendMissing(PipelineError):
    """An optional backend was asked for by name and is not installed; says how to install it."""

    code = "backend-missing"


class StorageError(PipelineError):
    """The disk is full or not writable."""

    code = "storage-failed"
    retryable = True
