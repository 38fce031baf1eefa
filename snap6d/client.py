"""`Snap6D`: a service by its address."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from snap6d.errors import BadInput
from snap6d.jobs import Jobs
from snap6d.objects import HasId, Objects
from snap6d.options import numbers
from snap6d.photos import PathLikeStr
from snap6d.reading import read
from snap6d.results import Estimate, Info
from snap6d.transport import Transport
from snap6d.webhooks import Webhooks

Numbers = Iterable[Any]
"""A tuple, nested ones, an array."""


class Snap6D:
    """url: such as http://127.0.0.1:8000. api_key: made by `snap6d keys make` on the server, where it asks for one.

    timeout: seconds without a byte after which a connection counts as broken. patience: seconds for which requests are tried again,
    where connections break, the server restarts, or says that it is busy or full. What would be done twice by that is not.
    Threads may share one. Closes its connections as a context manager, or by `close()`.
    """

    def __init__(self, url: str, api_key: str | None = None, timeout: float = 60.0, patience: float = 120.0) -> None:
        self._transport = Transport(url, api_key, timeout, patience)
        self.jobs = Jobs(self._transport)
        self.objects = Objects(self._transport, self.jobs)
        self.webhooks = Webhooks(self._transport)

    def __enter__(self) -> Snap6D:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def info(self) -> Info:
        """Version, stages, profiles, limits."""
        return read(Info, self._transport.json("GET", "/v1/info"))

    def estimate(
        self,
        image: PathLikeStr | bytes,
        objects: str | HasId | Sequence[str | HasId],
        *,
        K: Numbers | None = None,
        dist: Numbers | None = None,
        depth: PathLikeStr | bytes | None = None,
        depth_scale: float = 0.001,
        boxes: Iterable[Numbers] | None = None,
        max_instances: int = 1,
        deadline_ms: int | None = None,
    ) -> Estimate:
        """Where the objects are in the image: their poses in its camera, best first, none where none was found.

        image: a file, or its bytes. K: fx, fy, cx, cy in pixels, or 3 x 3; without it EXIF, else a guess, and lower scores.
        dist: OpenCV's k1, k2, p1, p2[, k3]. depth: a 16-bit PNG registered to the image; times `depth_scale`: metres.
        boxes: x0, y0, x1, y1 in pixels of the upright image, around the objects. max_instances: of each object, at most so many.
        Raises NotReady for an object that is not ready, BadInput, DeadlinePassed, Busy.
        """
        named = [objects] if isinstance(objects, str) or not isinstance(objects, Sequence) else objects
        options: dict[str, Any] = {
            "object_ids": [one if isinstance(one, str) else one.id for one in named],
            "K": None if K is None else numbers(K),
            "dist": None if dist is None else numbers(dist),
            "boxes": None if boxes is None else [numbers(box) for box in boxes],
            "depth_scale": depth_scale,
            "max_instances": max_instances,
            "deadline_ms": deadline_ms,
        }
        files = {"image": _file(image), **({"depth": _file(depth)} if depth is not None else {})}
        waits_s = deadline_ms / 1000 if deadline_ms else None
        answer = self._transport.json(
            "POST",
            "/v1/estimate",
            repeatable=True,
            files=files,
            data={"options": json.dumps({name: value for name, value in options.items() if value is not None})},
            timeout=self._transport.timeout_s + (waits_s or self._transport.timeout_s),  # the server's own deadline comes first
            patience_s=waits_s,
        )
        return read(Estimate, answer)


def _file(given: PathLikeStr | bytes) -> tuple[str, bytes]:
    """A form's file: its name and its bytes."""
    if isinstance(given, bytes):
        return "image", given
    path = Path(given)
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} can't be read ({error.strerror})", try_next="check the path", type="bad-input") from error
