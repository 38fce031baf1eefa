"""How many GPU workers `snap6d serve` starts: one for each GPU that may be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.gpus import gpu_names
from workers.pipeline import PIPELINE


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that lists two GPUs, alone on the PATH."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho GPU-aaaa\necho GPU-bbbb\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


def test_each_listed_gpu_gets_one(listed: Path) -> None:
    assert gpu_names() == ["GPU-aaaa", "GPU-bbbb"]


@pytest.mark.parametrize(("visible", "names"), [("", []), ("-1", []), ("1", ["1"]), ("0,GPU-bbbb", ["0", "GPU-bbbb"])])
def test_what_the_operator_allows_counts(listed: Path, monkeypatch: pytest.MonkeyPatch, visible: str, names: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_names() == names


@pytest.mark.parametrize("script", [None, "#!/bin/sh\necho no devices were found\nexit 6\n"])
def test_without_a_gpu_there_is_none(listed: Path, script: str | None) -> None:
    listed.write_text(script) if script else listed.unlink()
    assert gpu_names() == []


def test_only_the_full_profile_wants_a_gpu() -> None:
    queues = {profile: {step.queue(profile) for step in PIPELINE.stages} for profile in PIPELINE.profile_names}
    assert queues == {"preview": {"cpu"}, "standard": {"cpu"}, "full": {"cpu", "gpu"}}
