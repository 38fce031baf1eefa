"""The whole path through the page, on photos with exact truth: upload, box, board, onboarding, model, a pose in an image.

SNAP6D_CONSOLE_PROFILE: `preview`, what people use, or `small`, which trains for a third of the time and is less exact.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixels import drawn_on, drop_files, overlap, save_small, share_of_ink
from playwright.sync_api import Browser, Locator, Page, expect
from served import ROOT, STAND_INS, Server, start_server
from visits import PICTURES, Look, Visit, fits_and_is_read_by_everybody, visiting

from reconstruction.generated import CaptureConfig, GeneratedCapture, render_capture
from reconstruction.generated.capture import GeneratedPhoto
from reconstruction.scene.images import read_mask
from service.settings import ServiceSettings

OPEN = Callable[..., Visit]
PROFILE = os.environ.get("SNAP6D_CONSOLE_PROFILE", "preview")
CAPTURES = {
    "preview": CaptureConfig(held_out=6),
    "small": CaptureConfig(photos=24, held_out=6, width=480, height=360),
}
PIPELINES = {"preview": "workers.pipeline:PIPELINE", "small": "small_pipeline:PIPELINE"}
MAX_SECONDS = 3600  # two cores, shared with whoever else is at it
README_SIZE = {"width": 1280, "height": 800}

pytestmark = pytest.mark.timeout(MAX_SECONDS + 600)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> GeneratedCapture:
    return render_capture(tmp_path_factory.mktemp("walk"), CAPTURES[PROFILE])


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Real stages, and the limits that everybody has."""
    fields = ServiceSettings.model_fields
    usual = {name: str(fields[name.removeprefix("SNAP6D_").lower()].default) for name in STAND_INS if name.startswith("SNAP6D_")}
    settings = {**usual, "SNAP6D_PIPELINE": PIPELINES[PROFILE], "SNAP6D_GPU_WORKERS": "0"}
    server = start_server(tmp_path_factory.mktemp("real"), **settings)
    yield server
    server.stop()


@dataclass(frozen=True)
class Onboarded:
    server: Server
    capture: GeneratedCapture
    object_id: str

    @property
    def asked_about(self) -> GeneratedPhoto:
        """The held-out photo with least before the object."""
        return max(self.capture.held_out, key=lambda photo: photo.visible)


@pytest.fixture(scope="module")
def onboarded(browser: Browser, real: Server, capture: GeneratedCapture) -> Onboarded:
    """All of it by the page: photos, box and board in, started, and watched to its end."""
    with visiting(browser, str(real.client.base_url).rstrip("/"), Look()) as seen:
        object_id = fill_in_and_start(seen, real, capture)
        watch_it_grow(seen, Following(real, object_id))
        ask_while_it_trains(seen, Onboarded(real, capture, object_id))
        watch_it_end(seen, Following(real, object_id))
        assert seen.judged() == [], "\n".join(seen.judged())
    # The first question loads the object, which takes longer than the page waits where the machine is busy.
    question = {"options": json.dumps({"object_ids": [object_id], "deadline_ms": 290_000})}
    first = real.client.post("/v1/estimate", data=question, files={"image": capture.held_out[0].path.read_bytes()}, timeout=300)
    assert first.status_code == 200, first.text
    return Onboarded(real, capture, object_id)


def fill_in_and_start(seen: Visit, server: Server, capture: GeneratedCapture) -> str:
    page = seen.page
    prompted = max(capture.photos, key=lambda photo: (photo.visible, -abs(capture.photos.index(photo) - len(capture.photos) // 2)))
    seen.open("new")
    page.get_by_role("radio", name=PROFILE.capitalize()).check()
    page.get_by_test_id("object-name").fill("generated jug")
    page.get_by_test_id("file-input").set_input_files([photo.path for photo in capture.photos])
    expect(page.locator("[data-testid=photo-tile][data-state=arrived]")).to_have_count(len(capture.photos), timeout=300_000)
    page.get_by_role("radio", name="I draw a box").check()
    page.get_by_test_id("marked-photo").select_option(prompted.name)
    box = capture.box(prompted)
    draw(page, page.get_by_test_id("marker"), box, capture.camera.width)
    page.get_by_role("radio", name="A printed board").check()
    page.get_by_test_id("board-file").set_input_files(capture.board_path)
    expect(page.get_by_test_id("board-tags")).to_be_visible()
    expect(page.get_by_test_id("start")).to_be_enabled()
    seen.picture("form_filled")
    page.set_viewport_size(README_SIZE)
    to_the_top(page.get_by_test_id("section-place"))
    for_readme(page, "onboard")
    page.get_by_test_id("start").click()
    expect(page).to_have_url(re.compile("#/objects/obj_[^/]+/watch"))
    object_id = page.url.split("/objects/")[1].split("/")[0]
    kept = server.client.get(f"/v1/objects/{object_id}").json()["options"]["box"]
    assert kept["photo"].startswith(prompted.name)
    assert np.allclose(kept["box"], box, atol=2)
    return object_id


def draw(page: Page, marker: Locator, box: tuple[float, ...], width: int) -> None:
    """Drags from corner to corner; `box` in pixels of a photo so wide."""
    marker.scroll_into_view_if_needed()
    frame = marker.bounding_box()
    assert frame
    at = [(frame["x"] + (x + 0.5) * frame["width"] / width, frame["y"] + (y + 0.5) * frame["width"] / width) for x, y in (box[:2], box[2:])]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=5)
    page.mouse.up()


@dataclass(frozen=True)
class Following:
    server: Server
    object_id: str

    def job(self) -> dict[str, Any]:
        found: dict[str, Any] = self.server.client.get("/v1/jobs", params={"object_id": self.object_id}).json()[0]
        return found

    def has_run(self, stage: str) -> bool:
        return any(one["name"] == stage and one["status"] == "succeeded" for one in self.job()["stages"])

    def until(self, there: Callable[[], bool]) -> None:
        """Fails as soon as the job has."""
        deadline = time.monotonic() + MAX_SECONDS
        while not there():
            job = self.job()
            assert job["status"] in ("queued", "running", "succeeded"), job["error"]
            assert time.monotonic() < deadline, job["stages"]
            time.sleep(1)


def watch_it_grow(seen: Visit, following: Following) -> None:
    """Each part is looked at as soon as it says that there is something."""
    page = seen.page
    for part in ("cameras", "coverage", "surface", "training"):
        tab = page.get_by_test_id(f"part-{part}")
        following.until(lambda tab=tab: "not-yet" not in (tab.get_attribute("class") or ""))
        tab.click()
        if part == "training":
            expect(page.get_by_test_id("curve").first).to_be_visible()
        else:
            following.until(lambda: share_of_ink(page.locator(".seen canvas").first) > 0.003)
        seen.picture(f"watch_{part}_live")


def ask_while_it_trains(seen: Visit, onboarded: Onboarded) -> None:
    """The surface is done for those who watch, and the first networks answer on the page, whatever they find."""
    following = Following(onboarded.server, onboarded.object_id)
    following.until(lambda: following.has_run("early"))
    seen.page.get_by_test_id("part-surface").click()
    expect(seen.page.get_by_test_id("mesh-words")).to_contain_text("The finished mesh")
    expect(seen.page.locator(".heldout img")).to_be_visible()
    seen.picture("watch_surface_done")
    seen.open(f"objects/{onboarded.object_id}/use")
    expect(seen.page.get_by_test_id("early")).to_be_visible()
    assert ask(seen.page, onboarded)["networks"] == "early"
    seen.picture("use_early")


def watch_it_end(seen: Visit, following: Following) -> None:
    page = seen.page
    seen.open(f"objects/{following.object_id}/watch")
    page.get_by_test_id("part-photos").click()
    page.get_by_test_id("masks-toggle").click()
    following.until(lambda: page.get_by_test_id("run").get_attribute("data-status") == "succeeded")
    seen.picture("watch_photos")


def test_the_model_turns(visit: OPEN, onboarded: Onboarded) -> None:
    seen = visit(onboarded.server)
    seen.open(f"objects/{onboarded.object_id}/use")
    turntable = seen.page.get_by_test_id("turntable")
    expect(turntable).to_be_visible()
    seen.tab_to(turntable)
    seen.page.wait_for_function("canvas => canvas.width > 300", arg=turntable.element_handle())
    before = drawn_on(turntable)
    assert share_of_ink(turntable) > 0.05, "the canvas is blank"
    for _ in range(5):
        seen.page.keyboard.press("ArrowRight")
    seen.page.wait_for_timeout(500)
    after = drawn_on(turntable)
    assert np.abs(before.astype(int) - after).max(axis=-1).mean() > 1, "nothing turned"


def test_an_image_dropped_has_its_pose_drawn_where_the_truth_is(visit: OPEN, onboarded: Onboarded) -> None:
    seen = visit(onboarded.server)
    answer = ask_about(seen, onboarded)
    shown = seen.page.get_by_test_id("answer")
    score = answer["poses"][0]["score"]
    expect(shown).to_contain_text(f"{score:.2f}")
    shown.get_by_role("button", name="Solid").click()
    shown.get_by_label("Opacity").fill("1")
    mask = read_mask(onboarded.asked_about.mask_path)
    assert overlap(drawn_on(seen.page.get_by_test_id("overlay-mesh")), mask) > (0.9 if PROFILE == "preview" else 0.8)
    assert share_of_ink(seen.page.get_by_test_id("render-mesh")) > 0.01


@pytest.mark.parametrize("lines", ["curl", "Python"])
def test_the_lines_to_copy_answer_the_same(visit: OPEN, onboarded: Onboarded, lines: str) -> None:
    seen = visit(onboarded.server)
    pose = ask_about(seen, onboarded)["poses"][0]
    seen.page.get_by_role("button", name=re.compile(f"Copy .*{lines}")).click()
    copied = seen.page.evaluate("navigator.clipboard.readText()")
    command = ["bash", "-euc", copied] if lines == "curl" else [sys.executable, "-c", copied]
    folder, environment = onboarded.asked_about.path.parent, {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout
    if lines == "curl":
        again = json.loads(said)["poses"][0]
        assert np.allclose(again["R"] + again["t"], pose["R"] + pose["t"], atol=1e-3)
    else:
        numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", said)]
        assert np.allclose(np.array(numbers[1:13]).reshape(3, 4)[:, 3], pose["t"], atol=1e-3), said


def test_what_is_to_take_away_arrives_whole(visit: OPEN, onboarded: Onboarded, tmp_path: Path) -> None:
    seen = visit(onboarded.server)
    seen.open(f"objects/{onboarded.object_id}/use")
    sizes = {row["name"]: row["bytes"] for row in onboarded.server.client.get(f"/v1/objects/{onboarded.object_id}/artifacts").json()}
    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Download mesh.ply").click()
    download.value.save_as(tmp_path / "mesh.ply")
    assert (tmp_path / "mesh.ply").stat().st_size == sizes["mesh.ply"]


def test_every_page_with_all_that_there_is(visit: OPEN, onboarded: Onboarded, look: Look) -> None:
    seen = visit(onboarded.server, look)
    parts = ("photos", "cameras", "coverage", "surface", "training", "log")
    for name, route in {"objects": "", **{f"watch_{part}": f"objects/{onboarded.object_id}/watch/{part}" for part in parts}}.items():
        seen.open(route)
        seen.page.wait_for_load_state("networkidle")
        fits_and_is_read_by_everybody(seen)
        seen.picture(name)
    ask_about(seen, onboarded)
    fits_and_is_read_by_everybody(seen)
    seen.picture("use")


def test_a_picture_for_the_readme(visit: OPEN, onboarded: Onboarded) -> None:
    seen = visit(onboarded.server)
    seen.page.set_viewport_size(README_SIZE)
    ask_about(seen, onboarded)
    to_the_top(seen.page.get_by_test_id("answer"))
    for_readme(seen.page, "use")
    seen.open(f"objects/{onboarded.object_id}/watch/cameras")
    Following(onboarded.server, onboarded.object_id).until(lambda: share_of_ink(seen.page.locator(".seen canvas").first) > 0.003)
    for_readme(seen.page, "watch")


def ask_about(seen: Visit, onboarded: Onboarded) -> dict[str, Any]:
    """The API's answer, as it is shown."""
    seen.open(f"objects/{onboarded.object_id}/use")
    found = ask(seen.page, onboarded)
    seen.page.get_by_test_id("answer").wait_for()
    assert found["poses"], "not found"
    return found


def ask(page: Page, onboarded: Onboarded) -> dict[str, Any]:
    """Drops the photo, types its camera, and waits for the API to answer."""
    photo, camera, lens = onboarded.asked_about, onboarded.capture.camera, onboarded.capture.lens
    drop_files(page, page.get_by_test_id("drop"), [photo.path])
    for name in ("fx", "fy", "cx", "cy"):
        page.get_by_label(name, exact=True).fill(str(getattr(camera, name)))
    page.get_by_label("Lens").fill(", ".join(str(value) for value in lens.coefficients))
    with page.expect_response(re.compile("/v1/estimate$"), timeout=120_000) as response:
        page.get_by_role("button", name="Find the object").click()
    answer: dict[str, Any] = response.value.json()
    return answer


def to_the_top(element: Locator) -> None:
    element.evaluate("element => scrollTo(0, element.getBoundingClientRect().top + scrollY - 24)")


def for_readme(page: Page, name: str) -> None:
    """`make pictures` puts these into docs/."""
    save_small(page.screenshot(animations="disabled"), PICTURES / f"console-{name}.jpg")
