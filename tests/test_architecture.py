"""Imports go one way, and the API loads no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "reconstruction": {"reconstruction"},
    "surfemb": {"reconstruction", "surfemb"},
    "workers": {"reconstruction", "surfemb", "workers", "snap6d"},
    "service": {"reconstruction", "workers", "service"},
    "snap6d": {"snap6d"},
}
ROOMS = ("split", "symmetry", "samples", "learning", "estimation", "judging", "bop")
"""Of surfemb: each knows those before it only."""
# All that the API may see of the packages that do the work: names and rows, nothing that computes.
LIGHT = {
    "reconstruction.capture",
    "reconstruction.capture_warnings",
    "reconstruction.errors",
    "reconstruction.formats",
    "reconstruction.heif",
    "reconstruction.verdicts",
    "reconstruction.workspace",
    "workers.failures",
    "workers.files.opening",
    "workers.files.space",
    "workers.files.storage",
    "workers.logs",
    "workers.pipeline",
    "workers.queue",
    "workers.rows.beats",
    "workers.rows.census",
    "workers.rows.database",
    "workers.rows.events",
    "workers.rows.forecast",
    "workers.rows.jobs",
    "workers.rows.keys",
    "workers.rows.objects",
    "workers.rows.parts",
    "workers.rows.tables",
    "workers.settings",
    "workers.webhooks.addresses",
    "workers.webhooks.store",
    "workers.webhooks.tables",
}


def imported_modules(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for module in imported_modules(path):
            top = module.partition(".")[0]
            assert top not in ALLOWED or top in ALLOWED[package], f"{path.relative_to(ROOT)} imports {module}"
            assert top != "tests", f"{path.relative_to(ROOT)} imports from the tests"


def test_the_rooms_of_surfemb_know_those_before_them() -> None:
    for k, room in enumerate(ROOMS):
        known = ROOMS[: k + 1]
        for path in [*(ROOT / "surfemb").glob(f"{room}.py"), *(ROOT / "surfemb" / room).glob("*.py")]:
            used = {module.split(".")[1] for module in imported_modules(path) if module.startswith("surfemb.")}
            assert used <= set(known), f"{path.relative_to(ROOT)} imports from {used - set(known)}"


ROS = {"geometry_msgs", "rclpy", "rosidl_runtime_py", "sensor_msgs", "tf2_ros", "vision_msgs"}


def test_the_client_needs_httpx_and_nothing_else() -> None:
    for path in (ROOT / "snap6d").rglob("*.py"):
        others = {module.partition(".")[0] for module in imported_modules(path)} - set(sys.stdlib_module_names)
        allowed = ROS if path == ROOT / "snap6d" / "ros2" / "node.py" else set()
        assert others <= {"httpx", "snap6d"} | allowed, f"{path.name} imports {others}"


def test_the_service_sees_names_and_rows_only() -> None:
    for path in (ROOT / "service").rglob("*.py"):
        ours = {module for module in imported_modules(path) if module.partition(".")[0] in ("reconstruction", "surfemb", "workers")}
        assert ours <= LIGHT, f"{path.name} imports {ours - LIGHT}"


LOADED_WITHOUT_TORCH = (
    "service.app",
    *(f"workers.{name}" for name in ("rows.jobs", "rows.claims", "queue", "pipeline", "files.bucket_storage", "command.cli")),
    "snap6d",
)


@pytest.mark.parametrize("module", LOADED_WITHOUT_TORCH)
def test_no_torch_is_loaded(module: str) -> None:
    heavy = "torch", "cv2", "numba", "pycolmap", "trimesh", "numpy", "scipy"
    program = f"import sys, {module}; found = [m for m in {heavy} if m in sys.modules]; sys.exit(', '.join(found) or None)"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, f"{module} loads {result.stderr.strip()}"
