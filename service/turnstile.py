"""How many may be in the house at a time, in all and of one caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service.problems import Busy, TooManyRequests


class Turnstile:
    """Lets so many in at a time; the next is refused before its upload is read. Coroutines of one event loop: no lock."""

    def __init__(self, places: int, places_per_caller: int, who: str = "images are waiting") -> None:
        self._places, self._places_per_caller, self._who = places, places_per_caller, who
        self._inside: Counter[str] = Counter()

    @contextmanager
    def enter(self, caller: str) -> Iterator[None]:
        """Raises Busy where nobody more may enter, TooManyRequests where this caller has its share already."""
        if self._inside.total() >= self._places:
            raise Busy(f"{self._inside.total()} {self._who} already", try_next="send it again in a few seconds")
        if self._inside[caller] >= self._places_per_caller:
            advice = "ask again once one of them is done"
            raise TooManyRequests(f"{self._inside[caller]} {self._who} already, all of them yours", try_next=advice)
        self._inside[caller] += 1
        try:
            yield
        finally:
            self._inside[caller] -= 1
            self._inside += Counter()  # forgets callers that have left
