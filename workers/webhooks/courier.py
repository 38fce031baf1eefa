"""Delivers what is due. Runs in the onboarding workers, beside their work, never in the API."""

from __future__ import annotations

import logging
import threading
import time
from importlib.metadata import version

import httpcore

from reconstruction.errors import PipelineError
from workers.rows.database import Database
from workers.settings import Settings
from workers.webhooks.addresses import Resolve, look_up
from workers.webhooks.outbox import Answer, Delivery, Outbox
from workers.webhooks.sending import post
from workers.webhooks.signing import signed_headers

AT_ONCE = 8
KEPT_S = 30 * 86400.0
FORGET_EVERY_S = 3600.0
_log = logging.getLogger("snap6d")


class Courier:
    """Any number of them may serve one database."""

    def __init__(self, database: Database, settings: Settings, resolve: Resolve = look_up) -> None:
        self._outbox = Outbox(database, settings.lease_s + settings.webhook_timeout_s, settings.webhook_retry_s)
        self._settings, self._resolve = settings, resolve

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping`: looks once a beat, and goes on at once while there is something to deliver."""
        forgot = -FORGET_EVERY_S
        while not stopping.is_set():
            delivered = 0
            try:
                delivered = self.deliver_due()
                if time.monotonic() - forgot > FORGET_EVERY_S:
                    self._outbox.forget(KEPT_S)
                    forgot = time.monotonic()
            except Exception:  # the next look may find the database again
                _log.exception("courier")
            if not delivered:
                stopping.wait(self._settings.beat_s)

    def deliver_due(self) -> int:
        """Tries each delivery that it could claim once, side by side; gives their number."""
        deliveries = self._outbox.claim(AT_ONCE)
        # Daemons: a worker that leaves does not wait for a slow receiver; another courier will try again.
        threads = [threading.Thread(target=self._deliver, args=(delivery,), daemon=True) for delivery in deliveries]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(deliveries)

    def _deliver(self, delivery: Delivery) -> None:
        answer = self._try(delivery)
        if not answer.delivered:
            _log.warning("webhook %s, message %s, attempt %d: %s", delivery.webhook_id, delivery.id, delivery.attempts, answer.text)
        self._outbox.settle(delivery, answer)

    def _try(self, delivery: Delivery) -> Answer:
        body, settings = delivery.payload.encode(), self._settings
        headers = {"Content-Type": "application/json", "User-Agent": f"snap6d/{version('snap6d')}"}
        headers |= signed_headers(delivery.secret, delivery.id, int(time.time()), body)
        try:
            status = post(delivery.url, headers, body, settings.webhook_timeout_s, settings.allow_private_webhooks, self._resolve)
        except PipelineError as error:
            return Answer(None, str(error))
        except httpcore.TimeoutException:
            return Answer(None, f"no answer within {settings.webhook_timeout_s:g} s")
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return Answer(None, f"{type(error).__name__}: {error}"[:500])
        except Exception as error:  # a defect, which must not make this one due for ever
            _log.exception("message %s", delivery.id)
            return Answer(None, f"not sent: {type(error).__name__}")
        return Answer(status, f"HTTP {status}{': redirects are not followed' if 300 <= status < 400 else ''}")
