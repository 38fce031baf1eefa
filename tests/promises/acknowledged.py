"""Clients that send without pause, and remember what they were promised."""

from __future__ import annotations

import hashlib
import itertools
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx
from house import House
from uploads_made import options, photo


@dataclass(frozen=True)
class Sent:
    """An image that was answered with 201 or 202."""

    object_id: str
    name: str
    sha256: str


class Senders(AbstractContextManager["Senders"]):
    """Two that put photos into drafts, one that posts whole objects, until the service is gone."""

    def __init__(self, house: House, seed: int) -> None:
        self.sent: list[Sent] = []
        self.jobs: list[str] = []
        self.refused: list[str] = []
        self._url, self._numbers = house.server.client.base_url, itertools.count(seed * 100_000)
        self._threads = [threading.Thread(target=self._send, args=(work,)) for work in (self._put, self._put, self._post)]

    def __enter__(self) -> Senders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def _send(self, work: Any) -> None:
        try:
            with httpx.Client(base_url=self._url, timeout=20) as client:
                while True:
                    work(client)
        except httpx.TransportError:  # killed
            pass
        except httpx.HTTPStatusError as error:
            self.refused.append(error.response.text)

    def _put(self, client: httpx.Client) -> None:
        object_id = client.post("/v1/objects", json={}).raise_for_status().json()["id"]
        for number in itertools.islice(self._numbers, 10):
            content = photo(number)
            client.put(f"/v1/objects/{object_id}/images/{number}.jpg", content=content).raise_for_status()
            self.sent.append(Sent(object_id, str(number), hashlib.sha256(content).hexdigest()))

    def _post(self, client: httpx.Client) -> None:
        photos = {str(number): photo(number) for number in itertools.islice(self._numbers, 3)}
        files = [("photos", (f"{name}.jpg", content)) for name, content in photos.items()]
        answer = client.post("/v1/objects", files=files, data=options(profile="preview")).raise_for_status().json()
        self.jobs.append(answer["job"]["id"])
        self.sent += [Sent(answer["id"], name, hashlib.sha256(content).hexdigest()) for name, content in photos.items()]


def missing(house: House, senders: Senders) -> list[str]:
    """What of the promised is not there or not as it was sent, jobs too; and what was refused while the service lived."""
    wrong = senders.refused + wrong_images(house, senders.sent)
    for job_id in senders.jobs:
        if house.server.client.get(f"/v1/jobs/{job_id}").status_code != 200:
            wrong.append(f"{job_id} is not there")
    return wrong


def wrong_images(house: House, sent: list[Sent]) -> list[str]:
    """Rows and files: the row tells of the bytes that came, the file is what the row tells of what is kept."""
    kept: dict[str, dict[str, Any]] = {}
    wrong = []
    for one in sent:
        if one.object_id not in kept:
            listed = house.ask(f"/v1/objects/{one.object_id}/images")
            kept[one.object_id] = {image["photo"]: image for image in listed}
        image = kept[one.object_id].get(one.name)
        if image is None or image["sent_sha256"] != one.sha256:
            wrong.append(f"{one} is {image}")
            continue
        file = house.data / "objects" / one.object_id / "images" / f"{image['sha256']}.jpg"
        if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != image["sha256"]:
            wrong.append(f"{one}: {file} is not what it was")
    return wrong
