"""A real Chromium without a window, and a service to visit. Run by `make test-console` only."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from served import Server, start_server
from visits import LOOKS, Look, Visit, visiting

# Pixels of a software renderer: the same on every machine. No name but this machine's own leads anywhere.
ARGUMENTS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
expect.set_options(timeout=20_000)  # two cores, shared with stages that train
ROOM = {"SNAP6D_MAX_FILE_BYTES": "2000000", "SNAP6D_MAX_UPLOAD_BYTES": "40000000", "SNAP6D_MAX_PHOTOS": "60"}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("SNAP6D_CHROMIUM") or shutil.which("chromium")
    assert chromium, "there is no Chromium: `make test-console` installs Debian's; elsewhere set SNAP6D_CHROMIUM to its path"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """On stand-in stages, for all tests that leave it as it is but for objects of their own."""
    server = start_server(tmp_path_factory.mktemp("console"), **ROOM)
    yield server
    server.stop()


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visit]]:
    """Opens a window at a service. At the end of the test each leaves a picture, and none may have done what it must not."""
    visits: list[Visit] = []
    with ExitStack() as windows:

        def enter(server: Server, look: Look = LOOKS[0]) -> Visit:
            visits.append(windows.enter_context(visiting(browser, str(server.client.base_url).rstrip("/"), look)))
            return visits[-1]

        yield enter
        for number, one in enumerate(visits):
            name = re.sub(r"\[.*", "", request.node.name).removeprefix("test_")
            one.picture(f"{name}-{number}" if number else name)
    faults = [fault for one in visits for fault in one.judged()]
    assert not faults, "\n".join(faults)


@pytest.fixture(params=LOOKS, ids=str)
def look(request: pytest.FixtureRequest) -> Look:
    found: Look = request.param
    return found
