"""Which GPUs this machine has, without asking CUDA: what asks it keeps some of their memory. No torch here."""

from __future__ import annotations

import os
import subprocess


def gpu_names() -> list[str]:
    """Of the GPUs that may be used here, one worker each: as CUDA_VISIBLE_DEVICES has them, else as nvidia-smi lists them."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [name for name in allowed.split(",") if name.strip() not in ("", "-1")]
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.split()
