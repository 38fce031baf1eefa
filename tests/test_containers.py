"""The container files, read: nobody here can build them, so at least what they say must hold together."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[1] / "docker"
IMAGES = sorted(path.name for path in DOCKER.glob("Dockerfile.*"))


def instructions(name: str) -> list[tuple[str, str]]:
    """(INSTRUCTION, arguments), continuation lines joined."""
    text = re.sub(r"\\\n", " ", (DOCKER / name).read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def services() -> dict[str, str]:
    """The text of each service in the compose file."""
    block = re.search(r"^services:\n(.*?)^volumes:", (DOCKER / "compose.yaml").read_text(), re.S | re.M)
    assert block
    parts = re.split(r"^  ([\w-]+):\n", block.group(1), flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_there_is_an_image_for_each_kind_of_process() -> None:
    assert IMAGES == ["Dockerfile.api", "Dockerfile.worker-cpu", "Dockerfile.worker-gpu"]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_without_rights_and_says_whether_it_is_well(name: str) -> None:
    last_stage = "\n".join(f"{word} {rest}" for word, rest in instructions(name)).rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER (?!root)\w+", last_stage, re.M)
    assert "HEALTHCHECK" in last_stage
    assert "VOLUME /data" in last_stage
    assert "SNAP6D_DATA=/data" in last_stage


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_copied_and_run_exists(name: str) -> None:
    root = DOCKER.parent
    for word, rest in instructions(name):
        if word == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (root / source).exists(), source
        if word in ("CMD", "ENTRYPOINT") and rest.startswith("["):
            command = json.loads(rest)
            if "-m" in command:
                module = command[command.index("-m") + 1]
                assert (root / f"{module.replace('.', '/')}.py").exists(), module


def test_the_api_image_holds_no_torch() -> None:
    text = " ".join(rest for _, rest in instructions("Dockerfile.api"))
    assert "torch" not in text
    assert "--no-deps ." in text


def test_the_services_are_hardened_and_complete() -> None:
    found = services()
    assert {"redis", "api", "worker-onboard", "worker-estimate", "worker-gpu"} == set(found)
    for name, text in found.items():
        assert re.search(r"<<: \*(hardened|snap6d)", text), name
        dockerfile = re.search(r"dockerfile: docker/([\w.-]+)", text)
        assert dockerfile is None or dockerfile.group(1) in IMAGES
    shared = (DOCKER / "compose.yaml").read_text().partition("services:")[0]
    assert "read_only: true" in shared
    assert "SNAP6D_BROKER_URL" in shared
    assert "127.0.0.1:8000:8000" in found["api"]
    assert "[cpu]" in found["worker-onboard"]
    assert "[estimate]" in found["worker-estimate"]
