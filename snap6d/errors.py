"""What may go wrong, as the service says it (RFC 9457 problems), in classes that a program can catch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from snap6d.results import Job


class Snap6DError(Exception):
    """`type`: the problem's slug, such as "not-found". `what` failed, and what to `try_next`; `detail` is both.

    `status`: of the HTTP answer; None where there was none, or where a job failed. `request_id`: by which the server's log knows it.
    """

    def __init__(self, what: str, *, try_next: str = "", type: str = "", status: int | None = None, request_id: str | None = None) -> None:
        self.what, self.try_next, self.type, self.status, self.request_id = what, try_next, type, status, request_id
        self.detail = f"{what}: {try_next}" if try_next else what
        super().__init__(self.detail)


class BadInput(Snap6DError):
    """An option, a photo, a matrix, a file that can't be right."""


class TooLarge(BadInput):
    """More photos, pixels or bytes than are taken."""


class NotFound(Snap6DError):
    """There is no such object, job, artifact, or it is somebody else's."""


class Conflict(Snap6DError):
    """Not in this state: a job is at work on the object, or is over already."""


class NotReady(Conflict):
    """The object can't be estimated yet."""


class Changed(Snap6DError):
    """The object is no longer what it was when it was read."""


class Unauthorized(Snap6DError):
    """An API key is needed, or this one is not known."""


class QuotaExceeded(Snap6DError):
    """More objects, bytes or computing than this tenant may have."""


class Busy(Snap6DError):
    """Too many at once, or no worker is there yet: later it may work."""


class DeadlinePassed(Snap6DError):
    """The poses were not found within the deadline."""


class StorageFull(Snap6DError):
    """The server's disk is full."""


class Unreachable(Snap6DError):
    """Nothing answers at the address, or the connection broke and did not come back."""


class ServerError(Snap6DError):
    """A defect of the server: its log knows the `request_id`."""


class JobFailed(Snap6DError):
    """The onboarding ended without an object. `type`, such as "capture-failed", `what` and `try_next` are those of its stage."""

    def __init__(self, job: Job) -> None:
        self.job, error = job, job.error
        what = error.what if error else f"job {job.id} was {job.status}"
        super().__init__(what, try_next=error.try_next if error else "", type=error.code if error else job.status)


class JobCanceled(JobFailed):
    """Somebody canceled it. `resume()` goes on with it."""


BY_TYPE: dict[str, type[Snap6DError]] = {
    "not-ready": NotReady,
    "changed": Changed,
    "quota-exceeded": QuotaExceeded,
    "storage-failed": StorageFull,
    "deadline-passed": DeadlinePassed,
}
BY_STATUS: dict[int, type[Snap6DError]] = {
    400: BadInput,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    408: Busy,
    409: Conflict,
    412: Changed,
    413: TooLarge,
    415: BadInput,
    422: BadInput,
    429: Busy,
    502: Busy,
    503: Busy,
    504: Busy,
    507: StorageFull,
}
RETRIED_TYPES = {"still-running", "digest-mismatch"}
MAYBE_DONE = {502, 504}
"""What a proxy says that has lost the server: nobody knows whether it did what was asked."""


def error_of(answer: httpx.Response) -> Snap6DError:
    """Of an answer that has been read. A proxy's page is an error too, though it says less."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    slug = str(problem.get("type", "")).rsplit("/", 1)[-1]
    kind = BY_TYPE.get(slug) or BY_STATUS.get(answer.status_code) or (ServerError if answer.status_code >= 500 else Snap6DError)
    what = problem.get("what") or problem.get("detail") or f"{answer.request.url.path} answered {answer.status_code}: {answer.text[:300]}"
    request_id = problem.get("request_id") or answer.headers.get("x-request-id")
    return kind(what, try_next=problem.get("try_next") or "", type=slug, status=answer.status_code, request_id=request_id)


def passes(error: Snap6DError, repeatable: bool) -> bool:
    """Whether the same request may be answered later, and may be sent again."""
    if error.status in MAYBE_DONE and not repeatable:
        return False
    return isinstance(error, Busy | StorageFull) or error.type in RETRIED_TYPES
