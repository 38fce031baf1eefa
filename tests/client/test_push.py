"""`snap6d push` and `snap6d status --url`: a service elsewhere, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from served import Server
from typer.testing import CliRunner
from uploads_made import photo

from reconstruction.capture import Capture, KnownLength, Prompt, SingleTag
from workers.command.cli import app


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"IMG_{number}.jpg").write_bytes(photo(number))
    return folder


def test_photos_are_pushed_and_more_of_them_later(server: Server, photos: Path) -> None:
    url = str(server.client.base_url)
    push = ["push", str(photos), "--url", url, "--json"]
    first = CliRunner().invoke(app, [*push, "--name", "mug", "--box", "IMG_1:1,2,30,40", "--tags", "tag36h11:50mm"])
    assert first.exit_code == 0, first.output
    *events, made = map(json.loads, first.stdout.splitlines())
    done = [event["stage"] for event in events if event["kind"] == "succeeded"]
    assert [stage for stage in done if stage != "photos"] == ["sfm", "scale", "surface"]  # sending, where it takes over a second
    assert made["status"] == "succeeded"
    file = server.data / "objects" / made["object_id"] / "capture" / "capture.json"
    assert Capture.load(file) == Capture("mug", Prompt("IMG_1.jpg", box=(1, 2, 30, 40)), SingleTag("tag36h11", 0.05))

    (photos / "IMG_7.jpg").write_bytes(photo(7))
    other = ["--point", "IMG_7:3,4", "--known-length", "height:20cm"]
    more = CliRunner().invoke(app, [*push, "--object", made["object_id"], *other, "--no-wait"])
    assert more.exit_code == 0, more.output
    job = server.wait(json.loads(more.stdout.splitlines()[-1])["job_id"])
    assert Capture.load(file) == Capture("mug", Prompt("IMG_7.jpg", point=(3, 4)), KnownLength(0.2))
    listed = CliRunner().invoke(app, ["status", "--url", url, "--json"])
    assert job["id"] in [json.loads(line)["id"] for line in listed.stdout.splitlines()]


def test_what_is_refused_is_said_in_one_line(server: Server, photos: Path, tmp_path: Path) -> None:
    url = str(server.client.base_url)
    for arguments, said in [
        ([str(photos), "--url", url, "--box", "IMG_9:1,2,3,4"], "IMG_9"),
        ([str(photos), "--url", url, "--name", "fail"], "overlap"),
        ([str(photos), "--url", url, "--object", "obj_none"], "obj_none"),
        ([str(photos), "--url", url, "--tags", "tag36h11:50mm", "--depth", str(photos)], "one source"),
        ([str(tmp_path), "--url", url], "no photos"),
        ([str(photos), "--url", "http://127.0.0.1:9"], "snap6d serve"),
    ]:
        result = CliRunner().invoke(app, ["push", *arguments])
        assert result.exit_code == 2, result.output
        assert said in result.stderr
        assert "Traceback" not in result.stderr
