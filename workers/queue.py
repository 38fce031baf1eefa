"""The broker: wake-ups for onboarding, questions and answers for estimates. JSON only; imports no torch.

Nothing here is needed for a job to be done, only for it to be done soon: a wake-up that is lost is sent again by the next
worker that looks for due jobs. An estimate that is lost is answered by its deadline.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import kombu
from celery import Celery
from kombu.mixins import ConsumerMixin

from reconstruction.errors import PipelineError
from workers.files.storage import Storage
from workers.logs import request_id
from workers.pipeline import CPU as CPU
from workers.pipeline import ESTIMATE as ESTIMATE
from workers.pipeline import GPU as GPU

ONBOARD_TASK, ESTIMATE_TASK = "snap6d.onboard", "snap6d.estimate"
REQUEST_ID = "snap6d_request_id"  # a header of messages: whose request it was, for the log of the worker
_log = logging.getLogger(__name__)


class NoBroker(PipelineError):
    code = "no-broker"
    retryable = True


def socket_url(socket: Path) -> str:
    """The broker URL of a Redis that listens on a unix socket."""
    return f"redis+socket://{socket}"


def celery_app(broker_url: str) -> Celery:
    """Messages are wake-ups: acknowledged early, never stored as results."""
    app = Celery("snap6d", broker=broker_url)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_default_queue=CPU,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_connect_timeout": 5},
    )
    return app


def send(app: Celery, task: str, queue: str, argument: Any, expires_s: float) -> None:
    """Raises NoBroker where the broker can't be reached."""
    try:
        app.send_task(task, args=[argument], queue=queue, expires=expires_s, retry=False, headers={REQUEST_ID: request_id()})
    except Exception as error:  # each transport has exceptions of its own
        raise NoBroker(f"the message broker does not answer ({error})", try_next="try again in a moment, or restart the service") from error


def wake(app: Celery, job_id: str, queue: str = CPU) -> None:
    """Says "look at this job" to a worker. Silent when the broker is down: workers look for due jobs by themselves."""
    try:
        send(app, ONBOARD_TASK, queue, job_id, expires_s=3600)
    except NoBroker as error:
        _log.warning("job %s waits for a worker to look for it: %s", job_id, error)


class Mailbox:
    """Asks the estimate workers. One reply queue and one listening thread a process; answers are matched by id."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._waiting: dict[str, Future[dict[str, Any]]] = {}
        self._listener = _Listener(app.connection_for_read(), self._deliver)
        threading.Thread(target=self._listener.run, name="mailbox", daemon=True).start()

    def ask(self, question: dict[str, Any], deadline: float) -> Future[dict[str, Any]]:
        """Sends the question; the future holds the answer as sent by the worker. Cancel it when nobody waits for it any more.

        deadline: seconds since 1970; a worker that comes to the question later, or finds its image gone, skips it. Raises NoBroker.
        """
        key = uuid.uuid4().hex
        future: Future[dict[str, Any]] = Future()
        self._waiting[key] = future
        future.add_done_callback(lambda _: self._waiting.pop(key, None))
        envelope = {"question": question, "reply_to": self._listener.queue.name, "key": key, "deadline": deadline}
        try:
            send(self._app, ESTIMATE_TASK, ESTIMATE, envelope, expires_s=max(0.0, deadline - time.time()))
        except NoBroker:
            future.cancel()
            raise
        return future

    def close(self) -> None:
        self._listener.should_stop = True

    def _deliver(self, key: str, answer: dict[str, Any]) -> None:
        future = self._waiting.get(key)
        if future is not None and future.set_running_or_notify_cancel():
            future.set_result(answer)


def is_awaited(storage: Storage, question: dict[str, Any], deadline: float) -> bool:
    """Whether someone still waits for the answer: who asked takes the image back when he goes."""
    return time.time() < deadline and storage.is_lent(question["image"])


def reply(app: Celery, envelope: dict[str, Any], answer: dict[str, Any]) -> None:
    """The worker's answer to an envelope of `Mailbox.ask`."""
    with app.producer_or_acquire() as producer:
        producer.publish(answer, exchange="", routing_key=envelope["reply_to"], correlation_id=envelope["key"], serializer="json")


class _Listener(ConsumerMixin):  # type: ignore[misc]  # untyped library
    """Reconnects by itself; `should_stop` ends it within a second."""

    def __init__(self, connection: kombu.Connection, deliver: Any) -> None:
        self.connection = connection
        self.queue = kombu.Queue(f"reply.{uuid.uuid4().hex}", exchange="", routing_key="", auto_delete=True, durable=False)
        self._deliver = deliver

    def get_consumers(self, consumer: Any, channel: Any) -> list[Any]:
        return [consumer([self.queue], accept=["json"], callbacks=[self._receive], no_ack=True)]

    def _receive(self, body: dict[str, Any], message: Any) -> None:
        self._deliver(message.properties.get("correlation_id", ""), body)
