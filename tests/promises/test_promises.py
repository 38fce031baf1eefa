"""The promises that need more than one test of a route: each a function, short in `make test`, long in `make chaos`.

What else holds the twelve promises is listed in benchmarks/promises/promises.py.
"""

from __future__ import annotations

import os
import random
import time

import kills
import psutil
import pytest
from acknowledged import Senders, missing
from crowd import Crowd
from effort import CHAOS, trials
from house import House, Say, lives, until
from soak import Soak
from uploads_made import options, photo

pytestmark = pytest.mark.timeout(900 if CHAOS else 120)
CANCELED_WITHIN_S = 15.0


def onboard(house: House, name: str, **more: str) -> tuple[str, str]:
    answer = house.server.client.post("/v1/objects", files={"photos": ("a.jpg", photo(1))}, data=options(name=name, **more))
    assert answer.status_code == 202, answer.text
    return answer.json()["id"], answer.json()["job"]["id"]


def test_08_cancelling_frees_memory_and_leaves_no_process(house: House, say: Say) -> None:
    took = []
    names = ["holds", *["holds", "holds-on"] * trials(0, 2)]
    for name in names:
        object_id, job_id = onboard(house, name)
        holders = house.data / "objects" / object_id / "holders"
        until(lambda path=holders: path.exists() and path.read_text(), 30)
        processes = [psutil.Process(int(pid)) for pid in holders.read_text().split()]
        until(lambda both=processes: sum(process.memory_info().rss for process in both) > 500 << 20, 15)
        assert house.server.client.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
        took.append(until(lambda both=processes: not any(lives(process) for process in both), 30))
        assert house.end(job_id)["status"] == "canceled"
    assert max(took) < CANCELED_WITHIN_S
    heedless = f", {max(took[2::2]):.1f} s where they heed no TERM" if took[2:] else ""
    say(f"500 MB and the processes that held them gone {max(took[:2]):.1f} s after the cancel at most{heedless}", len(took))


def test_05_many_clients_at_once(house: House, say: Say) -> None:
    clients, photos = trials(4, 32), trials(6, 100)
    if CHAOS:
        house.restart()
    _, job_id = onboard(house, "asked-about", profile="preview")
    house.end(job_id)
    crowd = Crowd(house, job_id, clients, photos)
    seen = crowd.let_in()
    assert seen.errors == []
    assert seen.acknowledged == clients * photos
    assert crowd.missing() == []
    say(seen.figure, clients * photos)
    assert seen.api_mib < 300
    assert seen.p99_ms < (100 if CHAOS else 5000)


def test_11_nothing_grows(house: House, say: Say) -> None:
    seconds = trials(2, int(os.environ.get("SNAP6D_SOAK_S", "300")))
    if CHAOS:
        house.restart()
    soak = Soak(house)
    soak.run(seconds)
    say(soak.figure, soak.requests)
    assert soak.errors == []
    assert soak.grown() == []


@pytest.mark.parametrize("frozen", ["worker", "worker and stage"] if CHAOS else ["worker and stage"])
def test_04_a_worker_that_slept_is_refused(house: House, say: Say, frozen: str) -> None:
    rounds = trials(1, 5)
    for _ in range(rounds):
        if CHAOS:
            house.restart()
        object_id, job_id = onboard(house, "long", profile="preview")
        until(lambda o=object_id: house.ledger.now(o), 30)
        worker = house.one("workers", "cpu")
        stage = psutil.Process(house.ledger.lines(object_id)[-1]["pid"])
        asleep = [worker] if frozen == "worker" else [worker, stage]
        with house.second_worker():
            with house.frozen(*asleep):
                until(lambda j=job_id: house.ask(f"/v1/jobs/{j}")["stages"][0]["attempts"] == 2, 30)
            until(lambda s=stage: not lives(s), 15)
            job = house.end(job_id)
        assert job["status"] == "succeeded", job
        assert set(house.ledger.committed(object_id).values()) == {1}
        assert f"job {job_id} belongs to another worker by now" in (house.data / "logs" / "worker-cpu.log").read_text()
        assert lives(worker)
    say(f"{rounds} of {rounds} stale workers refused, every stage committed once ({frozen} frozen)", rounds)


def test_01_kills_lose_nothing(house: House, say: Say) -> None:
    rounds, struck = trials(1, 7), []
    for seed in range(rounds):
        if seed:
            house.restart()
        struck += kills.strike(house, random.Random(seed), trials(3, 6))
    say(kills.figure(struck), len(struck))


def test_02_what_was_acknowledged_is_there_after_a_kill(house: House, say: Say) -> None:
    rounds, acknowledged = trials(1, 7), 0
    for seed in range(rounds):
        with Senders(house, seed) as senders:
            until(lambda s=senders: s.sent, 30)
            time.sleep(random.Random(seed).uniform(0.0, 2.0 if CHAOS else 0.5))
            house.kill()
        house.start()
        assert missing(house, senders) == []
        acknowledged += len(senders.sent)
    say(f"0 of {acknowledged} acknowledged images missing or changed after {rounds} kills of the whole service", rounds)
