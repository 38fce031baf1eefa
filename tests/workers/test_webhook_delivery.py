"""What a receiver hears of jobs: signed, at least once, not without the row's change that it tells of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from receiver import Receiver, receiving
from standardwebhooks import WebhookVerificationError

from reconstruction.errors import CaptureError
from workers.rows.claims import ClaimStore, LeaseLost
from workers.rows.database import Database
from workers.rows.jobs import Conflict, JobStore, NotFound
from workers.rows.tables import new_id
from workers.settings import Settings
from workers.webhooks.courier import Courier
from workers.webhooks.outbox import Answer, Outbox
from workers.webhooks.store import DeliveryRow, WebhookStore
from workers.webhooks.tables import EVENTS

ROOT = Path(__file__).parents[2]


class House:
    """Rows, and one courier whose patience is short."""

    def __init__(self, folder: Path, retry_s: tuple[float, ...] = (0.0, 0.0)) -> None:
        self.url = f"sqlite:///{folder / 'rows.sqlite'}"
        self.database = Database(self.url)
        self.jobs = JobStore(self.database, ("sfm",), "default")
        self.claims = ClaimStore(self.database, "stand_in:PIPELINE")
        self.hooks = WebhookStore(self.database, "default")
        settings = Settings(allow_private_webhooks=True, webhook_timeout_s=1.0, webhook_retry_s=retry_s)
        self.courier = Courier(self.database, settings)

    def hook(self, url: str, *events: str) -> tuple[str, str]:
        row, secret = self.hooks.create(url, list(events or EVENTS), 10)
        return row.id, secret

    def new_job(self) -> str:
        return self.jobs.onboard(new_id("obj"), "mug", "standard").id

    def end_job(self, status: str = "succeeded", error: CaptureError | None = None) -> str:
        claim = self.claims.claim(self.new_job(), "w")
        assert claim is not None
        self.claims.finish(claim, status, error)
        return claim.job_id

    def deliveries(self, hook_id: str) -> list[DeliveryRow]:
        return list(self.hooks.get(hook_id).deliveries)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_the_end_of_a_job_is_told_signed_and_once(house: House, receiver: Receiver) -> None:
    hook_id, secret = house.hook(receiver.url)
    job_id = house.end_job()
    assert house.courier.deliver_due() == 1
    assert house.courier.deliver_due() == 0
    (message,) = receiver.messages
    told = message.verified(secret)
    assert (told["type"], told["data"]["id"], told["data"]["status"]) == ("job.succeeded", job_id, "succeeded")
    assert told["data"]["object_id"] == house.jobs.get(job_id).object_id
    assert told["timestamp"].endswith("+00:00")
    assert message.headers["content-type"] == "application/json"
    assert [(d.id, d.status, d.attempts, d.answer) for d in house.deliveries(hook_id)] == [(message.id, "delivered", 1, "HTTP 204")]
    with pytest.raises(WebhookVerificationError):
        replace(message, body=message.body.replace(b"succeeded", b"forged")).verified(secret)
    with pytest.raises(WebhookVerificationError):
        message.verified(house.hook(receiver.url)[1])


def test_a_failure_says_why_and_only_what_was_asked_for_is_told(house: House, receiver: Receiver) -> None:
    _, secret = house.hook(receiver.url, "job.failed", "job.canceled")
    house.end_job("succeeded")
    house.end_job("failed", CaptureError("no overlap", try_next="add photos"))
    house.courier.deliver_due()
    house.jobs.cancel(house.new_job())
    house.courier.deliver_due()
    failed, canceled = (message.verified(secret) for message in receiver.messages)
    assert failed["data"]["error"]["try_next"] == "add photos"
    assert canceled["type"] == "job.canceled"


def test_it_is_tried_again_until_it_is_heard(house: House, receiver: Receiver) -> None:
    receiver.statuses = [500, 302]
    hook_id, secret = house.hook(receiver.url)
    house.end_job()
    for attempt, answer in enumerate(("HTTP 500", "HTTP 302: redirects are not followed", "HTTP 204"), 1):
        assert house.courier.deliver_due() == 1
        assert [(d.attempts, d.answer) for d in house.deliveries(hook_id)] == [(attempt, answer)]
    assert len({message.id for message in receiver.messages}) == 1
    assert [message.path for message in receiver.messages] == ["/hook"] * 3
    assert all(message.verified(secret) for message in receiver.messages)


def test_it_waits_between_attempts_and_is_given_up_after_the_last(tmp_path: Path, receiver: Receiver) -> None:
    house = House(tmp_path, retry_s=(0.0, 500.0))
    receiver.statuses = [503] * 5
    hook_id, _ = house.hook(receiver.url)
    house.end_job()
    assert [house.courier.deliver_due() for _ in range(3)] == [1, 1, 0]
    assert 490 < house.deliveries(hook_id)[0].next_at - time.time() < 501
    hasty = Outbox(house.database, 10.0, ())
    house.end_job()
    (delivery,) = hasty.claim(10)
    hasty.settle(delivery, Answer(None, "ConnectError"))
    assert house.deliveries(hook_id)[0].status == "given up"


def test_nobody_there_is_a_failed_attempt(house: House, receiver: Receiver) -> None:
    hook_id, _ = house.hook("http://127.0.0.1:1/hook")
    house.end_job()
    house.courier.deliver_due()
    (delivery,) = house.deliveries(hook_id)
    assert (delivery.status, delivery.attempts) == ("due", 1)
    assert "ConnectError" in (delivery.answer or "")


def test_a_receiver_that_is_gone_hears_nothing_more(house: House, receiver: Receiver) -> None:
    receiver.statuses = [410]
    hook_id, _ = house.hook(receiver.url)
    house.end_job()
    house.end_job()
    house.courier.deliver_due()
    assert house.hooks.get(hook_id).gone_at is not None
    assert [delivery.status for delivery in house.deliveries(hook_id)] == ["given up"] * 2
    house.end_job()
    assert house.courier.deliver_due() == 0
    assert len(receiver.messages) == 1


def test_a_receiver_that_dawdles_is_left_and_holds_nobody_up(house: House, receiver: Receiver) -> None:
    receiver.hold = 30.0
    slow, _ = house.hook(receiver.url)
    with receiving() as quick:
        house.hook(quick.url)
        house.end_job()
        house.end_job()
        started = time.monotonic()
        assert house.courier.deliver_due() == 2  # one of each
        assert time.monotonic() - started < 5
        assert (len(receiver.messages), len(quick.messages)) == (1, 1)
    assert "no answer within 1 s" in (house.deliveries(slow)[-1].answer or "")


def test_a_process_killed_after_the_end_of_a_job_has_lost_nothing(house: House, receiver: Receiver) -> None:
    hook_id, secret = house.hook(receiver.url)
    job_id = house.new_job()
    program = (
        "import os, signal, sys; from workers.rows.claims import ClaimStore; from workers.rows.database import Database\n"
        "claims = ClaimStore(Database(sys.argv[1]), 'p'); claims.finish(claims.claim(sys.argv[2], 'w'), 'succeeded')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    process = subprocess.run([sys.executable, "-c", program, house.url, job_id], cwd=ROOT, env=dict(os.environ), timeout=60, check=False)
    assert process.returncode == -signal.SIGKILL
    assert [delivery.status for delivery in house.deliveries(hook_id)] == ["due"]
    house.courier.deliver_due()
    assert receiver.messages[0].verified(secret)["data"]["id"] == job_id


def test_an_end_that_does_not_happen_is_not_told(house: House) -> None:
    hook_id, _ = house.hook("http://127.0.0.1:1/hook")
    claim = house.claims.claim(house.new_job(), "w")
    assert claim is not None
    with pytest.raises(LeaseLost):
        house.claims.finish(replace(claim, token=0), "succeeded")
    house.jobs.cancel(claim.job_id)  # a running one: it is told when it has stopped
    assert house.deliveries(hook_id) == []


def test_of_many_couriers_one_goes_and_another_when_it_does_not_come_back(house: House) -> None:
    hook_id, _ = house.hook("http://127.0.0.1:1/hook")
    house.end_job()
    hasty, patient = Outbox(house.database, -1.0, (60.0,)), Outbox(house.database, 60.0, (60.0,))
    (lost,) = hasty.claim(10)  # its lease is over at once
    claimed: list[int] = []
    threads = [threading.Thread(target=lambda: claimed.append(len(patient.claim(10)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [0] * 7 + [1]
    hasty.settle(lost, Answer(500, "HTTP 500"))  # back late: not heard
    assert [(d.status, d.attempts, d.answer) for d in house.deliveries(hook_id)] == [("due", 2, None)]


def test_webhooks_of_others_are_not_there(house: House) -> None:
    stranger = WebhookStore(house.database, "stranger")
    row, _ = stranger.create("http://127.0.0.1:1/hook", list(EVENTS), 1)
    house.end_job()
    assert stranger.get(row.id).deliveries == ()
    assert house.hooks.all() == []
    with pytest.raises(NotFound):
        house.hooks.get(row.id)
    with pytest.raises(NotFound):
        house.hooks.delete(row.id)
    with pytest.raises(Conflict, match="1 webhooks already"):
        stranger.create("http://127.0.0.1:1/hook", list(EVENTS), 1)


def test_what_is_over_is_forgotten_in_time_and_what_is_deleted_at_once(house: House, receiver: Receiver) -> None:
    hook_id, _ = house.hook(receiver.url)
    house.end_job()
    house.courier.deliver_due()
    house.end_job()
    outbox = Outbox(house.database, 60.0, ())
    outbox.forget(60.0)
    assert len(house.deliveries(hook_id)) == 2
    outbox.forget(-1.0)
    assert [delivery.status for delivery in house.deliveries(hook_id)] == ["due"]
    house.hooks.delete(hook_id)
    assert house.courier.deliver_due() == 0
