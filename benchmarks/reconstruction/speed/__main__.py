"""Measures the speed of the surface training: against plain torch, by part, and without what makes it fast.

usage: python -m benchmarks.reconstruction.speed [--out runs/bench] [--object jug] [--steps 2000] [--no-variants] [--made FOLDER ...]

Everything is measured against something in the same run. The object is generated, photographed 40 times at 480 px, with true cameras and
masks. FOLDER: a finished object, whose stages' seconds are read. Writes OUT/speed.json. The seed is 0.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.reconstruction.speed.encoding import measure_encoding
from benchmarks.reconstruction.speed.scene import photograph
from benchmarks.reconstruction.speed.step import measure_steps
from benchmarks.reconstruction.speed.variants import measure_variants
from reconstruction.sdf.stage import SurfaceConfig
from reconstruction.workspace import Workspace

STAGES = ("sfm", "locate", "masks", "scale", "surface")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    parser.add_argument("--object", default="jug", choices=["jug", "mug"])
    parser.add_argument("--steps", type=int, default=2000, help="of each variant's training")
    parser.add_argument("--no-variants", action="store_true")
    parser.add_argument("--made", type=Path, nargs="*", default=[])
    a = parser.parse_args()
    console = Console()
    report: dict[str, Any] = {"torch": torch.__version__, "threads": torch.get_num_threads(), "load_at_start": os.getloadavg()[0]}
    report["encoding"] = measure_encoding()
    console.print(_table("65,536 points, forwards and backwards", "", report["encoding"]))
    scene = photograph(a.out / "speed", a.object, SurfaceConfig())
    report["object"], report["step"] = a.object, measure_steps(scene)
    console.print(_table("a step of training", "part", {part: {"ms": ms} for part, ms in report["step"]["ms_by_part"].items()}))
    console.print(f"{report['step']['steps_per_s']:.1f} steps/s, {report['step']['rays_per_s']:.0f} rays/s")
    if not a.no_variants:
        marks = [a.steps // 8, a.steps // 4, a.steps // 2, a.steps]
        report["variants"] = measure_variants(scene, marks, console.print)
        rows = {name: {f"at {r['steps']}": 100 * r["chamfer_over_diameter"] for r in row} for name, row in report["variants"].items()}
        console.print(_table("Chamfer, % of the diameter", "variant", rows))
    report["stages_s"] = {str(folder): stage_seconds(folder) for folder in a.made}
    if a.made:
        console.print(_table("seconds of a reconstruction", "object", report["stages_s"]))
    report["load_at_end"] = os.getloadavg()[0]
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "speed.json").write_text(json.dumps(report, indent=1))


def stage_seconds(folder: Path) -> dict[str, float]:
    """Of a finished object, from what its stages recorded."""
    workspace = Workspace(folder)
    return {name: manifest["seconds"] for name in STAGES if (manifest := workspace.manifest(name))}


def _table(title: str, first: str, rows: dict[str, dict[str, float]]) -> Table:
    columns = list(next(iter(rows.values())))
    table = Table(first, *columns, title=title)
    for name, row in rows.items():
        table.add_row(name, *(f"{row[column]:.3g}" if column in row else "" for column in columns))
    return table


if __name__ == "__main__":
    main()
