"""SIGKILL to the API, the worker or the stage, at moments that a seed picks."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from house import House, until, with_ignored_absence
from promise_stages import CHECKPOINT_STEPS, NAMES, STEP_S
from sqlalchemy import Connection, func, select
from uploads_made import options, photo

from workers.rows.database import Database
from workers.rows.tables import ATTEMPTS, JOBS

MAX_HITS = 2  # of one stage: the third would rightly be its last


@dataclass(frozen=True)
class Strike:
    """What was killed, in which stage (of which object; None: between two), and what of it had to be done again."""

    target: str
    at: tuple[str, str] | None
    again_s: float = 0.0


def strike(house: House, rng: random.Random, kills: int) -> list[Strike]:
    """Jobs, and so many kills while they run. Fails where a job does, or a stage's output is put in its place twice."""
    jobs = {}
    for number in range(1 + kills // 4):
        answer = house.server.client.post("/v1/objects", files={"photos": ("a.jpg", photo(number))}, data=options())
        assert answer.status_code == 202, answer.text
        jobs[answer.json()["id"]] = answer.json()["job"]["id"]
    targets = ["worker", "stage", "api"] * (kills // 3)
    rng.shuffle(targets)
    struck = [found for target in targets if (found := _kill(house, rng, target, list(jobs)))]
    for job_id in jobs.values():
        job = house.end(job_id)
        assert job["status"] == "succeeded", job
        assert max(stage["attempts"] for stage in job["stages"]) <= MAX_HITS + 1
        assert set(_successes(house, job_id).values()) <= {1}
    committed = house.ledger.committed(*jobs)
    assert set(committed.values()) == {1}, committed
    return _with_repeats(house, struck, list(jobs))


def figure(struck: list[Strike]) -> str:
    """In words."""
    where = Counter(s.at[1] if s.at else "between" for s in struck if s.target != "api")
    hits = ", ".join(f"{where[name]} in {name}" for name in (*NAMES, "between"))
    whom = ", ".join(f"{count} of the {target}" for target, count in sorted(Counter(s.target for s in struck).items()))
    most = max(s.again_s for s in struck)
    return (
        f"0 of {len(struck)} kills lost anything or committed anything twice ({whom}; of worker and stage {hits}); "
        f"at most {most:.1f} s of work again for a kill, with a checkpoint every {CHECKPOINT_STEPS * STEP_S:.1f} s"
    )


def _kill(house: House, rng: random.Random, target: str, objects: list[str]) -> Strike | None:
    """A little later; None where all is done by then."""
    time.sleep(rng.uniform(0.1, 1.5))
    if target == "api":
        at = house.ledger.now(*objects)
        with_ignored_absence(house.one("service.app:from_environment").kill)
        return Strike(target, at)
    words = ("workers", "cpu") if target == "worker" else ("workers.stage_process",)
    until(lambda: _done(house, objects) or (_spared(house, objects) and house.find(*words)), 40)
    if _done(house, objects):
        return None
    at = house.ledger.now(*objects)
    killed = house.one(*words)
    with_ignored_absence(killed.kill)
    psutil.wait_procs([killed], timeout=10)
    return Strike(target, house.ledger.now(*objects) or at)


def _done(house: House, objects: list[str]) -> bool:
    return len(house.ledger.committed(*objects)) == len(NAMES) * len(objects)


def _spared(house: House, objects: list[str]) -> bool:
    """Whether what runs now was not begun too often already. A stage may be killed before it writes a first line: the rows count."""
    running = select(func.count()).select_from(JOBS.join(ATTEMPTS)).where(JOBS.c.object_id.in_(objects), JOBS.c.status == "running")
    with _rows(house) as db:
        begun = db.execute(running.group_by(JOBS.c.id, ATTEMPTS.c.stage)).scalars()
        return all(times <= MAX_HITS for times in begun)


def _with_repeats(house: House, struck: list[Strike], objects: list[str]) -> list[Strike]:
    """Steps that were done again, shared among the kills that hit the stage."""
    hits = Counter(s.at for s in struck if s.at and s.target != "api")
    seconds = {at: steps * STEP_S for at, steps in house.ledger.repeated(*objects).items() if steps}
    assert set(seconds) <= set(hits), "work was done again that no kill had interrupted"
    for at, again_s in seconds.items():
        assert again_s <= hits[at] * (CHECKPOINT_STEPS + 1) * STEP_S
    return [Strike(s.target, s.at, seconds.get(s.at, 0.0) / hits[s.at] if s.at and s.target != "api" else 0.0) for s in struck]


def _successes(house: House, job_id: str) -> dict[str, int]:
    """Attempts of each stage whose result counted."""
    succeeded = select(ATTEMPTS.c.stage, func.count()).where(ATTEMPTS.c.job_id == job_id, ATTEMPTS.c.status == "succeeded")
    with _rows(house) as db:
        return {row[0]: row[1] for row in db.execute(succeeded.group_by(ATTEMPTS.c.stage))}


@contextmanager
def _rows(house: House) -> Iterator[Connection]:
    database = Database(f"sqlite:///{house.data / 'snap6d.sqlite'}")
    try:
        with database.read() as db:
            yield db
    finally:
        database.close()
