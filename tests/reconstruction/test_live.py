"""What people watch: it appears whole, is made seldom, harms nothing, and says the same wherever the same training runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from reconstruction.live import SHARE, Curve, Live
from reconstruction.masks.overlays import LONGEST_PX, OUTLINE, outlined
from reconstruction.scene import Camera, RigidTransform, View
from reconstruction.scene.transforms import look_at
from reconstruction.sfm.cloud import MOST_POINTS, cloud_document
from reconstruction.sfm.sparse import SparsePoints


def test_a_file_is_replaced_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    live, shown = Live(tmp_path / "live" / "sfm"), tmp_path / "live" / "sfm" / "a.txt"
    live.show("a.txt", lambda: b"one", 30)
    assert shown.read_bytes() == b"one"
    now += 29
    live.show("a.txt", lambda: b"two", 30)
    live.show("b.txt", lambda: b"another", 30)
    assert shown.read_bytes() == b"one"
    now += 2
    live.show("a.txt", lambda: b"two", 30)
    assert shown.read_bytes() == b"two"
    assert sorted(path.name for path in shown.parent.iterdir()) == ["a.txt", "b.txt"]


def test_what_takes_long_is_made_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, made = 0.0, 0

    def slow() -> bytes:
        nonlocal now, made
        now, made = now + 2.0, made + 1
        return b""

    monkeypatch.setattr(time, "monotonic", lambda: now)
    live = Live(tmp_path)
    while now < 3600:
        live.show("a", slow, 1.0)
        now += 1.0
    assert 2.0 * made / 3600 <= 1.1 * SHARE


def test_what_fails_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live = Live(tmp_path / "live")
    live.show("a", lambda: (_ for _ in ()).throw(ValueError("there is no surface yet")), 0)
    (tmp_path / "live").write_text("no folder can be made here")
    live.show("a", lambda: b"", 0)
    Live().show("a", lambda: b"", 0)
    said = capsys.readouterr().err
    assert "there is no surface yet" in said
    assert "FileExistsError" in said


@pytest.mark.parametrize("steps", [3, 499, 500, 501, 6000, 100_000])
def test_a_curve_has_few_rows_and_always_the_last(steps: int) -> None:
    whole, first, second = (Curve(steps) for _ in range(3))
    for step in range(1, steps + 1):
        whole.note(step, loss=1 / step, other=float("nan"))
        (first if step <= steps // 2 else second).note(step, loss=1 / step, other=float("nan"))
        if step == steps // 2:
            second.go_on(first.rows)
    told = json.loads(whole.encoded())
    assert min(steps, 200) <= len(told["rows"]) <= 500
    assert told["rows"][-1]["step"] == told["steps"] == steps
    assert told["rows"][0]["other"] is None
    assert second.encoded() == whole.encoded()


def ring(roll_deg: float, count: int = 12) -> list[View]:
    """Cameras around the origin, z up, turned about their axes by up to so much."""
    views = []
    for k, roll in enumerate(np.radians(np.linspace(-roll_deg, roll_deg, count))):
        angle = 2 * np.pi * k / count
        pose = look_at(np.array([np.cos(angle), np.sin(angle), 0.7]), np.zeros(3), np.array([0.0, 0, 1]))
        turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        views.append(View(f"{k:02}", Camera(800, 600, 700, 700, 399.5, 299.5), RigidTransform(turn, np.zeros(3)) @ pose, Path("none.jpg")))
    return views


def test_the_cloud_holds_what_most_photos_saw() -> None:
    count = MOST_POINTS + 500
    rng = np.random.default_rng(0)
    xyz, rgb = rng.normal(size=(count, 3)), rng.integers(0, 255, (count, 3), dtype=np.uint8)
    twice = np.arange(MOST_POINTS - 100)  # of the others some are kept
    observed = np.concatenate([np.arange(count), twice])
    points = SparsePoints(xyz, rgb, np.zeros(len(observed), np.int32), observed)
    document = json.loads(json.dumps(cloud_document(points, ring(5))))
    rows = np.array(document["points"])
    assert rows.shape == (MOST_POINTS, 6)
    np.testing.assert_allclose(rows[: len(twice), :3], xyz[twice], atol=1e-4)
    assert (rows[: len(twice), 3:] == rgb[twice]).all()
    np.testing.assert_allclose(document["up"], [0, 0, 1], atol=0.05)
    camera = document["cameras"][3]
    assert camera["name"] == "03"
    assert (camera["fov_x_deg"], camera["aspect"]) == pytest.approx((59.49, 4 / 3), abs=0.01)
    assert np.shape(camera["cam_from_world"]["R"]) == (9,)


def test_up_is_not_told_where_photos_were_held_in_all_ways() -> None:
    points = SparsePoints(np.zeros((1, 3)), np.zeros((1, 3), np.uint8), np.zeros(1, np.int32), np.zeros(1, np.int32))
    assert cloud_document(points, ring(90))["up"] is None


@pytest.mark.parametrize("size", [(1600, 1200), (600, 800), (300, 200)])
def test_an_overlay_has_the_outline_and_nothing_else(size: tuple[int, int]) -> None:
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2, height // 2), height // 4, 1, -1)
    shown = outlined(np.full((height // 2, width // 2, 3), 90, np.uint8), mask.astype(bool))
    assert max(shown.shape) == min(LONGEST_PX, *sorted(size)[1:])
    line = (np.abs(shown.astype(int) - OUTLINE[1][0]).sum(-1) < 60).nonzero()
    away = np.hypot(line[1] - shown.shape[1] / 2, line[0] - shown.shape[0] / 2)
    assert len(away) > 100
    np.testing.assert_allclose(away, shown.shape[0] / 4, atol=3)
    assert (shown[0] == 90).all()
