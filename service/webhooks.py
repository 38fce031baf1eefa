"""Webhooks: be told when a job is over. Messages are signed after https://www.standardwebhooks.com and sent by the workers."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from service.access import Who
from service.context import Ctx
from service.idempotency import IdempotencyKey, digest, once
from service.options import Given
from workers.webhooks.addresses import MAX_URL, allowed_addresses, port_of, read_url
from workers.webhooks.store import DeliveryRow, WebhookRow, WebhookStore
from workers.webhooks.tables import EVENTS

router = APIRouter(tags=["webhooks"])
Event = Literal["job.succeeded", "job.failed", "job.canceled"]


class NewWebhook(Given):
    """Where messages go, over https to a public address, and about what: everything where `events` is not given."""

    url: Annotated[str, Field(min_length=1, max_length=MAX_URL)]
    events: Annotated[list[Event], Field(min_length=1, max_length=len(EVENTS))] | None = None


class Delivery(BaseModel):
    """A message. `id` is its webhook-id; `answer` is what came of the last attempt; `next_at` is when a due one is tried (again)."""

    id: str
    type: Event
    status: Literal["due", "delivered", "given up"]
    attempts: int
    answer: str | None
    created_at: float
    next_at: float | None

    @classmethod
    def of(cls, row: DeliveryRow) -> Delivery:
        return cls.model_validate({**row.__dict__, "next_at": row.next_at if row.status == "due" else None})


class Webhook(BaseModel):
    """`gone_at`: when the receiver answered 410. It gets nothing more since."""

    id: str
    url: str
    events: list[Event]
    gone_at: float | None
    created_at: float
    links: dict[str, str]

    @classmethod
    def of(cls, row: WebhookRow) -> Webhook:
        return cls.model_validate({**row.__dict__, "links": {"self": f"/v1/webhooks/{row.id}"}})


class CreatedWebhook(Webhook):
    """`secret` checks the signatures, with any library for Standard Webhooks. It is shown this once."""

    secret: str


class WebhookHistory(Webhook):
    """With its latest deliveries, newest first."""

    deliveries: list[Delivery]


@router.post("/webhooks", status_code=201, response_model=CreatedWebhook)
def create_webhook(wanted: NewWebhook, context: Ctx, who: Who, key: IdempotencyKey = None) -> Response:
    """From now on the URL is sent a POST for each job that ends: {type, timestamp, data}, tried again until it answers 2xx."""
    settings = context.settings
    url = read_url(wanted.url, settings.allow_private_webhooks)
    allowed_addresses(url.host, port_of(url), settings.allow_private_webhooks)
    with once(context.database, who.tenant, key, digest("POST /webhooks", wanted.model_dump())) as first:
        if first.earlier:
            return first.replay()
        events = sorted(set(wanted.events or EVENTS))
        row, secret = WebhookStore(context.database, who.tenant).create(str(url), events, settings.max_webhooks)
        body, location = CreatedWebhook(**Webhook.of(row).model_dump(), secret=secret).model_dump(mode="json"), f"/v1/webhooks/{row.id}"
        with context.database.write() as db:
            first.keep(db, 201, body, location)
        return JSONResponse(body, 201, {"Location": location})


@router.get("/webhooks")
def list_webhooks(context: Ctx, who: Who) -> list[Webhook]:
    return [Webhook.of(row) for row in WebhookStore(context.database, who.tenant).all()]


@router.get("/webhooks/{webhook_id}")
def get_webhook(webhook_id: str, context: Ctx, who: Who) -> WebhookHistory:
    """The webhook and what became of its latest messages."""
    row = WebhookStore(context.database, who.tenant).get(webhook_id)
    return WebhookHistory(**Webhook.of(row).model_dump(), deliveries=[Delivery.of(delivery) for delivery in row.deliveries])


@router.delete("/webhooks/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: str, context: Ctx, who: Who) -> None:
    """What was still to be delivered to it is dropped."""
    WebhookStore(context.database, who.tenant).delete(webhook_id)
