"""The whole path through the page, on photos with exact truth: upload, box, board, onboarding, model, a pose in an image.

SNAP6D_CONSOLE_PROFILE: `preview`, what people use, or `small`, which trains for a third of the time and is less exact.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixels import drawn_on, drop_files, overlap, save_small, share_of_ink
from playwright.sync_api import Browser, Page, expect
from served import ROOT, STAND_INS, Server, start_server
from visits import PICTURES, Look, Visit, fits_and_is_read_by_everybody

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
    for name, route in {"objects": "", "watch": f"objects/{onboarded.object_id}/watch"}.items():
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
    for_readme(seen.page, "use")
    seen.open(f"objects/{onboarded.object_id}/watch")
    seen.page.wait_for_load_state("networkidle")
    for_readme(seen.page, "watch")


def ask_about(seen: Visit, onboarded: Onboarded) -> dict[str, Any]:
    """Drops the photo, types its camera, and waits for the answer: the API's, as it is shown."""
    photo, camera, lens = onboarded.asked_about, onboarded.capture.camera, onboarded.capture.lens
    page = seen.page
    seen.open(f"objects/{onboarded.object_id}/use")
    drop_files(page, page.get_by_test_id("drop"), [photo.path])
    for name in ("fx", "fy", "cx", "cy"):
        page.get_by_label(name, exact=True).fill(str(getattr(camera, name)))
    page.get_by_label("Lens").fill(", ".join(str(value) for value in lens.coefficients))
    with page.expect_response(re.compile("/v1/estimate$"), timeout=120_000) as response:
        page.get_by_role("button", name="Find the object").click()
    page.get_by_test_id("answer").wait_for()
    found: dict[str, Any] = response.value.json()
    assert found["poses"], "not found"
    return found


def for_readme(page: Page, name: str) -> None:
    """`make pictures` puts these into docs/."""
    save_small(page.screenshot(animations="disabled"), PICTURES / f"console-{name}.png")


@pytest.fixture(scope="module")
def onboarded(browser: Browser, real: Server, capture: GeneratedCapture) -> Onboarded:
    raise NotImplementedError
