"""Those who wait for a decoder wait apart from those who only ask."""

from __future__ import annotations

import asyncio
import threading

from fastapi.concurrency import run_in_threadpool

from service.threads import IMAGES, Threads

CROWD = 60  # more than the common threads are


def test_who_only_asks_never_waits_behind_uploads() -> None:
    opened, inside, most, lock = threading.Event(), 0, 0, threading.Lock()

    def decode(number: int) -> int:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        opened.wait(20)
        with lock:
            inside -= 1
        return number

    async def crowd() -> tuple[str, list[int]]:
        threads = Threads(IMAGES)
        uploads = [asyncio.create_task(threads.run(decode, number)) for number in range(CROWD)]
        for _ in range(200):
            await asyncio.sleep(0.05 if inside < IMAGES else 0)
        answer = await asyncio.wait_for(run_in_threadpool(lambda: "a job"), 10)
        assert not any(upload.done() for upload in uploads)
        opened.set()
        return answer, await asyncio.gather(*uploads)

    answer, decoded = asyncio.run(crowd())
    assert answer == "a job"
    assert decoded == list(range(CROWD))
    assert most == IMAGES
