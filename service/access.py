"""Who asks, and what they may see: an API key's tenant, and the rows of that tenant alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from reconstruction.errors import PipelineError
from service.context import Ctx
from service.problems import QuotaExceeded
from service.settings import ServiceSettings
from workers.logs import bind
from workers.rows.jobs import JobStore
from workers.rows.objects import DEFAULT_TENANT, ObjectStore

_bearer = HTTPBearer(auto_error=False, description="An API key, made by `snap6d keys make`. Not needed while none was ever made.")


class Unauthorized(PipelineError):
    code = "unauthorized"


@dataclass(frozen=True)
class Caller:
    """The stores know the tenant: no route can forget to ask for it."""

    tenant: str
    objects: ObjectStore
    jobs: JobStore
    settings: ServiceSettings

    def require_room(self, more_objects: int = 0, more_bytes: int = 0) -> None:
        """Raises QuotaExceeded where the tenant would have more than it may."""
        used, limits = self.objects.usage(), self.settings
        if used.objects + more_objects > limits.quota_objects:
            raise QuotaExceeded(f"{used.objects} objects are all that you may have", try_next="DELETE one that is no longer needed")
        if used.bytes + more_bytes > limits.quota_bytes:
            taken = f"{used.bytes / 1e9:.2f} of {limits.quota_bytes / 1e9:.2f} GB are taken"
            raise QuotaExceeded(taken, try_next="DELETE objects that are no longer needed, or send fewer photos")
        if used.compute_s >= limits.quota_compute_s:
            spent = f"{used.compute_s / 3600:.1f} of {limits.quota_compute_s / 3600:.1f} hours of computing are spent"
            raise QuotaExceeded(spent, try_next="ask whoever runs the service for more (SNAP6D_QUOTA_COMPUTE_S)")


def _caller(request: Request, context: Ctx, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    """Raises Unauthorized."""
    tenant = context.keys.tenant_of(given.credentials) if given else None
    if tenant is None:
        if given is not None:
            raise Unauthorized("this API key is unknown or revoked", try_next="make one by `snap6d keys make` on the server")
        if context.settings.require_keys or context.keys.any():
            advice = "send the header `Authorization: Bearer KEY`; `snap6d keys make` on the server makes one"
            raise Unauthorized("an API key is needed", try_next=advice)
        tenant = DEFAULT_TENANT
    return Caller(tenant, ObjectStore(context.database, tenant), context.jobs_of(tenant), context.settings)


async def _named(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    """Not in a thread of the pool, whose context is lost: the request's log lines name the tenant."""
    bind(tenant=caller.tenant)
    return caller


Who = Annotated[Caller, Depends(_named)]
