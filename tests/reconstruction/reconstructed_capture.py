"""The generated capture after SfM: what several test files share."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from reconstruction.generated import GeneratedCapture
from reconstruction.workspace import Workspace


@dataclass(frozen=True)
class Reconstructed:
    """`workspace` holds capture/ and sfm/. Read-only: tests copy the folder to add to it."""

    workspace: Workspace
    truth: GeneratedCapture
    messages: list[str]
    """What the stage said while it ran."""

    def copy(self, folder: Path) -> Workspace:
        shutil.copytree(self.workspace.root, folder)
        return Workspace(folder)
