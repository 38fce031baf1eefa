"""Objects: made from photos, looked at, changed, trained again, deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, Unpack
from urllib.parse import quote

import httpx

from snap6d.downloads import download
from snap6d.errors import Snap6DError
from snap6d.jobs import Jobs
from snap6d.onboarding import Onboarding
from snap6d.options import Options, as_json
from snap6d.pages import PAGE, pages
from snap6d.photos import File, PathLikeStr, Photos, find_companions, find_photos
from snap6d.progress import Count, counting
from snap6d.reading import read
from snap6d.results import Artifact, Image, Object, Sent
from snap6d.transport import Transport, new_key
from snap6d.uploads import send_files


class HasId(Protocol):
    @property
    def id(self) -> str: ...


class Objects:
    """`service.objects`. An object is named by its id, or given as Object or Onboarding.

    Every method raises Snap6DError and its like, NotFound for an object that there is not.
    """

    def __init__(self, transport: Transport, jobs: Jobs) -> None:
        self._transport, self._jobs = transport, jobs

    def create(
        self,
        photos: Photos,
        *,
        masks: PathLikeStr | None = None,
        depth: PathLikeStr | None = None,
        progress: bool | Count = False,
        key: str | None = None,
        **options: Unpack[Options],
    ) -> Onboarding:
        """Sends the photos and starts the onboarding; `wait()` on what it returns.

        photos: a folder, a list of paths, or a video. masks: a folder of images, white on the object, called like their photos.
        depth: a folder of 16-bit PNGs registered to the photos and called like them, in mm unless `depth_unit_m` says otherwise;
        they give the scale. progress: True shows it, a function is called with (done, total). key: the same call with the same key
        within a day goes on where an earlier one broke off. For the rest see Options.
        """
        files = _files(photos, masks, depth)  # what can't be sent is said before anything is made
        if depth is not None and not {"board", "tags", "known_length"} & set(options):
            options.setdefault("depth_unit_m", 0.001)
        key = key or new_key()
        draft = self.draft(key=key, **options)
        try:
            self._send(draft, files, progress)
            return self.train(draft, key=f"{key}.train")
        except (Snap6DError, KeyboardInterrupt) as error:
            error.add_note(f"the draft {draft.id} is kept: objects.upload and objects.train go on with it")
            raise

    def draft(self, *, key: str | None = None, **options: Unpack[Options]) -> Object:
        """An object without photos. With the `key` of an earlier draft: that one."""
        given = {name: value for name, value in as_json(options).items() if value is not None}
        return read(Object, self._transport.json("POST", "/v1/objects", json=given, key=key or new_key()))

    def upload(
        self,
        object: str | HasId,
        photos: Photos,
        *,
        masks: PathLikeStr | None = None,
        depth: PathLikeStr | None = None,
        progress: bool | Count = False,
    ) -> Sent:
        """Sends what is not there yet, or was something else. After a breakdown the same call goes on.

        Raises BadInput and TooLarge for a photo that is refused, Conflict while a job is at work on the object.
        """
        return self._send(object, _files(photos, masks, depth), progress)

    def train(
        self, object: str | HasId, *, from_stage: str | None = None, profile: str | None = None, key: str | None = None
    ) -> Onboarding:
        """Onboards a draft, or an object again: stages whose input has not changed are kept, those from `from_stage` on are not.

        profile: another than in the object's options. Raises BadInput where photos and options don't go together, Conflict while
        a job is at work on the object.
        """
        wish = {name: value for name, value in {"from_stage": from_stage, "profile": profile}.items() if value is not None}
        accepted = self._transport.json("POST", f"/v1/objects/{_id(object)}/train", json=wish, key=key or new_key())
        return Onboarding(self, self._jobs, accepted["id"], accepted["job"]["id"])

    def get(self, object: str | HasId) -> Object:
        return _with_etag(self._transport.send("GET", f"/v1/objects/{_id(object)}"))

    def all(self, page: int = PAGE) -> Iterator[Object]:
        """Newest first, read `page` at a time as they are asked for."""
        return (read(Object, row) for row in pages(self._transport, "/v1/objects", page))

    def change(self, object: str | HasId, **options: Unpack[Options]) -> Object:
        """Changes what is named, for the next training; None takes an option back.

        Given an Object that was read by `get`: only if it is still that; raises Changed.
        """
        given = as_json(options)
        name = given.pop("name", None)
        etag = getattr(object, "etag", "")
        body = {**({"name": name} if name else {}), "options": given}
        headers = {"If-Match": etag} if etag else {}
        return _with_etag(self._transport.send("PATCH", f"/v1/objects/{_id(object)}", json=body, headers=headers))

    def delete(self, object: str | HasId) -> None:
        """With its photos and everything made from them. Raises Conflict while a job is at work on it."""
        self._transport.send("DELETE", f"/v1/objects/{_id(object)}")

    def images(self, object: str | HasId) -> Sequence[Image]:
        """A verdict for each photo, as far as it is known by now."""
        return [read(Image, row) for row in self._transport.json("GET", f"/v1/objects/{_id(object)}/images")]

    def artifacts(self, object: str | HasId) -> Sequence[Artifact]:
        """What has been made so far."""
        return [read(Artifact, row) for row in self._transport.json("GET", f"/v1/objects/{_id(object)}/artifacts")]

    def download(self, object: str | HasId, name: str, path: PathLikeStr) -> Path:
        """Writes an artifact, such as mesh.glb, to `path`, or into it where it is a folder; gives where it is.

        A download that broke off goes on, in another process too, if the artifact is still the same.
        """
        return download(self._transport, _id(object), name, Path(path))

    def _send(self, object: str | HasId, files: list[File], progress: bool | Count) -> Sent:
        with counting(progress, "photos") as count:
            return send_files(self._transport, _id(object), files, count)


def _files(photos: Photos, masks: PathLikeStr | None, depth: PathLikeStr | None) -> list[File]:
    files = find_photos(photos)
    return [*files, *find_companions(masks, "masks", files), *find_companions(depth, "depth", files)]


def _id(object: str | HasId) -> str:
    return quote(object if isinstance(object, str) else object.id, safe="")


def _with_etag(answer: httpx.Response) -> Object:
    return read(Object, {**answer.json(), "etag": answer.headers.get("etag", "")})
