"""One service for all promises: it is restarted, killed and flooded."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from house import House, Say


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House.open(tmp_path_factory.mktemp("house"))
    yield house
    house.server.stop()


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Say:
    """Puts a figure and the number of trials into the report of the tests, where `make chaos` finds them."""

    def said(figure: str, trials: int) -> None:
        record_property("figure", figure)
        record_property("trials", trials)
        print(figure)

    return said
