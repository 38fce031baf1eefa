"""What people look for, at the top of the object's folder: mesh, board pose, report."""

from __future__ import annotations

import json
import math
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reconstruction.capture_warnings import collect_warnings
from reconstruction.workspace import Workspace

PACKAGES = ("snap6d", "numpy", "opencv-python-headless", "pycolmap", "torch", "numba", "poselib", "embreex")
BACKEND_FIELDS = ("masker", "encoding", "rasterizer", "backend", "device")


def publish(object_dir: Path, stages: list[str]) -> None:
    """Copies what people look for to the top of the folder and writes report.json. Each appears whole or not at all."""
    workspace = Workspace(object_dir)
    for name, source in published(workspace).items():
        if source.exists():
            _replace(object_dir / name, source.read_bytes())
        else:
            (object_dir / name).unlink(missing_ok=True)
    _replace(object_dir / "report.json", json.dumps(finite(report(workspace, stages)), indent=1).encode())


def published(workspace: Workspace) -> dict[str, Path]:
    """Name at the top of the folder -> where the stage left it."""
    same_name = (workspace.mesh, workspace.mesh_glb, workspace.board_from_obj, workspace.coverage, workspace.coverage_picture)
    return {path.name: path for path in same_name} | {"photos.json": workspace.photo_verdicts, "heldout.png": workspace.heldout_picture}


def report(workspace: Workspace, stages: list[str]) -> dict[str, Any]:
    """Warnings, seconds and quality of every stage, what held-out photos say, the backends that ran, and their versions."""
    manifests = {name: workspace.manifest(name) or {} for name in stages}
    scale = _json(workspace.scale)
    coverage = _json(workspace.coverage)
    return {
        "warnings": collect_warnings(m.get("quality", {}) for m in manifests.values()),
        "seconds": {"total": round(sum(m.get("seconds", 0.0) for m in manifests.values()), 2)}
        | {name: m.get("seconds") for name, m in manifests.items()},
        "quality": {name: m.get("quality", {}) for name, m in manifests.items()},
        "heldout": _heldout(manifests.get("surface", {}).get("quality", {})),
        "coverage": {key: value for key, value in coverage.items() if key not in ("histogram", "directions")},
        "scale": {key: scale[key] for key in ("source", "units", "rel_std") if key in scale},
        "backends": {name: backends for name, m in manifests.items() if (backends := _backends(m))},
        "versions": {"python": platform.python_version()} | {name: found for name in PACKAGES if (found := _version(name))},
    }


def finite(value: Any) -> Any:
    """The same JSON without NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def _heldout(quality: dict[str, Any]) -> dict[str, Any]:
    """How well the finished surface shows the photos it was not trained on: means, and each photo's own."""
    means = {name.replace("_heldout", ""): value for name, value in quality.items() if "_heldout" in name}
    return means | {"photos": quality["heldout"], "picture": "heldout.png"} if means else {}


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def _backends(manifest: dict[str, Any]) -> dict[str, str]:
    """What the stage says it ran with, else what its config asked for."""
    said = {**manifest.get("config", {}), **manifest.get("quality", {})}
    return {field: said[field] for field in BACKEND_FIELDS if isinstance(said.get(field), str)}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
