"""Errors of rows and of running stages, and how any PipelineError crosses a process border: as JSON, with the same code and words."""

from __future__ import annotations

from typing import Any

from reconstruction.errors import PipelineError, StorageError


class NotFound(PipelineError):
    code = "not-found"


class Conflict(PipelineError):
    """The row is not in a state in which that can be done."""

    code = "conflict"


class StorageUnreachable(StorageError):
    """The objects' storage does not answer, or not as it should."""

    code = "storage-unreachable"


class FilesLost(StorageError):
    """The storage answers, and has not what was stored."""

    code = "files-lost"


class StageDefect(PipelineError):
    """A stage stopped with an exception that is no PipelineError: a defect of ours, which would show again."""

    code = "stage-defect"


class StageCrashed(PipelineError):
    """A stage's process ended without an answer: killed, or aborted in native code. Worth another attempt."""

    code = "stage-crashed"
    retryable = True


class Canceled(PipelineError):
    """Someone asked for the run to stop."""

    code = "canceled"
    retryable = True


def error_to_json(error: PipelineError) -> dict[str, Any]:
    return {"code": error.code, "what": error.what, "try_next": error.try_next, "retryable": error.retryable}


def error_from_json(document: dict[str, Any]) -> PipelineError:
    error = PipelineError(document["what"], try_next=document.get("try_next", ""))
    # On the instance: the class that raised it may not be importable here.
    error.code = document["code"]  # type: ignore[misc]
    error.retryable = document.get("retryable", False)  # type: ignore[misc]
    return error
