"""For the whole test session: one small rendered capture with exact truth, and the running service of served.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import real_servers
from made_once import made_once

from reconstruction.generated import CaptureConfig, GeneratedCapture, render_capture
from reconstruction.scene import View

pytest_plugins = ["served"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first. Beside it those that wait more than they compute; then the rest, which finds its kernels compiled."""
    items.sort(key=lambda item: ("test_whole_system" not in item.nodeid, item.path.parent.name in ("reconstruction", "surfemb")))


@pytest.fixture(scope="session")
def capture_config() -> CaptureConfig:
    return CaptureConfig(photos=24, held_out=6, width=480, height=360, depth=True)


@pytest.fixture(scope="session")
def generated_capture(capture_config: CaptureConfig, tmp_path_factory: pytest.TempPathFactory) -> GeneratedCapture:
    """24 photos and 6 held-out ones at 480 x 360, with depth. Read-only: tests copy what they change."""
    return GeneratedCapture.load(made_once(tmp_path_factory, "generated", lambda folder: render_capture(folder, capture_config)))


@pytest.fixture(scope="session")
def posed_views(generated_capture: GeneratedCapture, tmp_path_factory: pytest.TempPathFactory) -> list[View]:
    """The capture's photos undistorted, with true masks and true `cam_from_obj`: metric views in the object frame, no SfM."""
    return generated_capture.undistorted_views(tmp_path_factory.mktemp("posed") / "scale")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL for the session, nothing in it at first."""
    with real_servers.postgres() as url:
        yield url
