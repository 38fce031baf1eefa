"""What is on every page: it loads, fits, is read by everybody, and says what to do where it can't go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from served import ROOT, Server, start_server
from visits import Look, Visit, fits_and_is_read_by_everybody

OPEN = Callable[..., Visit]


def make_key(data: Path) -> str:
    command = [sys.executable, "-m", "workers.command.cli", "keys", "make", "--tenant", "ours", "--data", str(data)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("locked")
    key = make_key(data)
    server = start_server(data)
    server.client.headers["Authorization"] = f"Bearer {key}"
    yield server
    server.stop()


def test_nothing_there_yet(visit: OPEN, locked: Server, look: Look) -> None:
    seen = visit(locked, look)
    seen.page.add_init_script(f"sessionStorage.setItem('snap6d.key', '{locked.client.headers['Authorization'].removeprefix('Bearer ')}')")
    seen.open()
    expect(seen.page.get_by_text("No objects yet")).to_be_visible()
    fits_and_is_read_by_everybody(seen)
    seen.page.locator("main").get_by_role("link", name="New object").click()
    expect(seen.page).to_have_url(f"{seen.url}/#/new")


def test_no_such_page_and_no_such_object(visit: OPEN, service: Server, look: Look) -> None:
    seen = visit(service, look)
    seen.expect_refusals("status of 404")
    seen.open("nowhere")
    expect(seen.page.get_by_text("There is no such page")).to_be_visible()
    fits_and_is_read_by_everybody(seen)
    seen.open("objects/obj_none")
    expect(seen.page.get_by_role("alert")).to_contain_text("obj_none")
    fits_and_is_read_by_everybody(seen)


def test_a_key_is_asked_for(visit: OPEN, locked: Server, look: Look) -> None:
    seen = visit(locked, look)
    seen.expect_refusals("status of 401")
    seen.open()
    field = seen.page.get_by_label("API key")
    expect(field).to_be_visible()
    fits_and_is_read_by_everybody(seen)
    seen.tab_to(field)
    seen.page.keyboard.type("s6d_guess\n")
    expect(seen.page.get_by_text("That key opens nothing here")).to_be_visible()
    field.fill(locked.client.headers["Authorization"].removeprefix("Bearer "))
    field.press("Enter")
    expect(seen.page.get_by_text("No objects yet")).to_be_visible()
    seen.page.reload()
    expect(seen.page.get_by_text("No objects yet")).to_be_visible()


def test_the_keyboard_leads_past_the_bar(visit: OPEN, service: Server) -> None:
    seen = visit(service)
    seen.open()
    skip = seen.page.get_by_role("link", name="Skip to content")
    seen.tab_to(skip)
    seen.page.keyboard.press("Enter")
    expect(seen.page.locator("main")).to_be_focused()
