"""From photos to a started job on stand-in stages: by keyboard, through reloads, through a service that dies."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conftest import ROOM
from pixels import drop_files
from playwright.sync_api import Page, expect
from served import Server, start_server
from uploads_made import photo, zipped
from visits import Look, Visit, fits_and_is_read_by_everybody

OPEN = Callable[..., Visit]
SLOW_BYTES_PER_S = 120_000


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of about 80 kB each, so that an upload can be caught in its middle."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(12):
        (folder / f"walk_{number:02}.jpg").write_bytes(photo(number, 320, 240))
    return sorted(folder.iterdir())


def arrived(server: Server, object_id: str) -> set[str]:
    return {row["photo"] for row in server.client.get(f"/v1/objects/{object_id}/images").json()}


def draft_of(page: Page) -> str:
    """Its id stands in the address as soon as the service knows of it."""
    expect(page).to_have_url(re.compile("#/new/obj_"))
    return page.url.rpartition("/")[2]


def choose(page: Page, photos: list[Path]) -> None:
    page.get_by_test_id("file-input").set_input_files(photos)


def slow_down(page: Page, bytes_per_s: float) -> None:
    """-1: as fast as it goes."""
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_s}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", conditions)


def wait_for_arrivals(page: Page, count: int, timeout_s: float = 60) -> None:
    """Of photos, by their tiles."""
    done = page.locator("[data-testid=photo-tile][data-state=arrived]")
    expect(done).to_have_count(count, timeout=1000 * timeout_s)


def caught_in_the_middle(page: Page, photos: list[Path]) -> str:
    """An upload of which some has arrived and some has not; the draft's id."""
    slow_down(page, SLOW_BYTES_PER_S)
    choose(page, photos)
    done = page.locator("[data-testid=photo-tile][data-state=arrived]")
    expect(done.nth(2)).to_be_visible(timeout=30_000)
    assert done.count() < len(photos), "it was too fast to be interrupted"
    return draft_of(page)


def test_every_part_of_the_form(visit: OPEN, service: Server, photos: list[Path], look: Look) -> None:
    seen = visit(service, look)
    page = seen.page
    seen.open("new")
    expect(page.get_by_role("heading", name="New object")).to_be_visible()
    fits_and_is_read_by_everybody(seen)
    seen.picture("form_empty")
    choose(page, photos[:4])
    wait_for_arrivals(page, 4)
    for part in ("section-place", "section-scale"):
        for way in page.get_by_test_id(part).get_by_role("radio").all():
            way.check()
            assert not seen.scrolls_sideways(), way.get_attribute("value")
    fits_and_is_read_by_everybody(seen)
    seen.open("")
    expect(page.get_by_test_id("object-card").first).to_be_visible()
    fits_and_is_read_by_everybody(seen)
    seen.picture("objects_some")


def test_from_photos_to_a_job_by_keyboard_alone(visit: OPEN, service: Server, photos: list[Path]) -> None:
    seen = visit(service)
    page, press = seen.page, seen.page.keyboard.press
    page.on("filechooser", lambda chooser: chooser.set_files(photos[:3]))
    seen.open("new")
    seen.tab_to(page.get_by_test_id("object-name"))
    page.keyboard.type("by keyboard")
    seen.tab_to(page.get_by_role("button", name="Choose photos"))
    press("Enter")
    object_id = draft_of(page)
    wait_for_arrivals(page, 3)
    seen.tab_to(page.get_by_role("radio", name="What the cameras look at"))
    press("ArrowDown")
    expect(page.get_by_role("radio", name="I draw a box")).to_be_checked()
    seen.tab_to(page.get_by_role("button", name="Begin in the middle"))
    press("Enter")
    seen.tab_to(page.get_by_role("radio", name="I don't know"))
    press("ArrowDown")
    seen.tab_to(page.get_by_test_id("tag-side"))
    page.keyboard.type("50")
    seen.tab_to(page.get_by_role("radio", name="Standard"))
    press("ArrowUp")
    expect(page.get_by_role("radio", name="Preview")).to_be_checked()
    start = page.get_by_test_id("start")
    expect(start).to_be_enabled()
    seen.tab_to(start)
    press("Enter")
    expect(page).to_have_url(re.compile(f"#/objects/{object_id}"))
    job = service.client.get("/v1/jobs", params={"object_id": object_id}).json()[0]
    assert service.wait(job["id"])["status"] == "succeeded"
    assert job["profile"] == "preview"
    known = service.client.get(f"/v1/objects/{object_id}").json()
    assert known["name"] == "by keyboard"
    assert known["options"]["tags"]["side_m"] == pytest.approx(0.05)
    assert len(known["options"]["box"]["box"]) == 4


def test_a_dropped_zip_is_as_good_as_its_photos(visit: OPEN, service: Server, photos: list[Path], tmp_path: Path) -> None:
    seen = visit(service)
    (tmp_path / "walk.zip").write_bytes(zipped({f"walk/{path.name}": path.read_bytes() for path in photos[:3]}))
    seen.open("new")
    drop_files(seen.page, seen.page.get_by_test_id("drop-zone"), [tmp_path / "walk.zip"])
    wait_for_arrivals(seen.page, 3)
    assert arrived(service, draft_of(seen.page)) == {path.stem for path in photos[:3]}


def test_what_is_no_photo_is_refused_and_the_others_arrive(visit: OPEN, service: Server, photos: list[Path], tmp_path: Path) -> None:
    seen = visit(service)
    seen.expect_refusals("status of 4(13|15|22)")
    (tmp_path / "text.jpg").write_text("no photo at all")
    seen.open("new")
    choose(seen.page, [photos[0], tmp_path / "text.jpg", photos[1]])
    wait_for_arrivals(seen.page, 2)
    refused = seen.page.get_by_test_id("upload-failed")
    expect(refused).to_contain_text("text.jpg")
    expect(refused.get_by_test_id("refusal")).not_to_be_empty()
    fits_and_is_read_by_everybody(seen)


def test_a_reload_in_the_middle_of_an_upload_loses_nothing(visit: OPEN, service: Server, photos: list[Path]) -> None:
    seen = visit(service)
    page = seen.page
    seen.open("new")
    page.get_by_test_id("object-name").fill("reloaded")
    object_id = caught_in_the_middle(page, photos)
    before = arrived(service, object_id)
    page.on("dialog", lambda dialog: dialog.accept())  # "leave this page?"
    page.reload()
    expect(page.get_by_test_id("object-name")).to_have_value("reloaded")
    assert draft_of(page) == object_id
    slow_down(page, -1)
    choose(page, photos)
    wait_for_arrivals(page, len(photos))
    assert before <= arrived(service, object_id) == {path.stem for path in photos}
    expect(page.get_by_test_id("upload")).to_contain_text("had arrived before")


@pytest.mark.timeout(300)
def test_a_service_killed_in_the_middle_of_an_upload(visit: OPEN, photos: list[Path], tmp_path: Path) -> None:
    server = start_server(tmp_path, **ROOM)
    seen = visit(server)
    seen.expect_refusals("ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_SOCKET|status of 503|ERR_INCOMPLETE")
    seen.open("new")
    object_id = caught_in_the_middle(seen.page, photos)
    kill(server)
    expect(seen.page.get_by_test_id("upload-waiting")).to_be_visible(timeout=30_000)
    slow_down(seen.page, -1)
    again = start_server(tmp_path, "--port", str(server.client.base_url.port), **ROOM)
    try:
        wait_for_arrivals(seen.page, len(photos))
        assert arrived(again, object_id) == {path.stem for path in photos}
        seen.page.get_by_test_id("start").click()
        expect(seen.page).to_have_url(re.compile(f"#/objects/{object_id}/watch"))
        seen.picture("killed_and_back")
        seen.open("")
    finally:
        again.stop()


def kill(server: Server) -> None:
    """Every process of it, at once."""
    family = [*psutil.Process(server.process.pid).children(recursive=True), psutil.Process(server.process.pid)]
    for process in family:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=15)
    server.client.close()
