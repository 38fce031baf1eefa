"""The surface training on a GPU: is it right, how fast is it, against plain torch in the same run.

usage: python benchmarks/gpu_surface.py [--out gpu_surface.json] [--steps 6000] [--views 60] [--px 400] [--device cuda] [--tiny]

Needs torch and numpy only. A mug with a deep hollow, known as an equation, is photographed here by sphere tracing and trained with the
product's own code; the error is measured against the equation. `--tiny` is a minute on a CPU, to see that it runs. The seed is 0.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))
if importlib.util.find_spec("jaxtyping") is None:  # shapes in signatures: names without a meaning at run time
    sys.modules["jaxtyping"] = types.ModuleType("jaxtyping")
    for kind in ("Bool", "Float", "Int", "UInt8"):
        setattr(sys.modules["jaxtyping"], kind, type(kind, (), {"__class_getitem__": lambda item: object}))

from reconstruction.encodings import Encoding, HashGridConfig, make_encoding
from reconstruction.errors import BackendMissing
from reconstruction.sdf import pool, train
from reconstruction.sdf.field import FieldConfig, SurfaceField
from reconstruction.sdf.labels import EDGE, OBJECT, OUTSIDE
from reconstruction.sdf.pool import RayPool, pass_near, pool_rows
from reconstruction.sdf.sampling import scan
from reconstruction.sdf.train import Trainer, TrainingConfig

GOAL = 0.003  # Chamfer over the diameter
SCALE = 7.0  # cube units a metre: the mug fills the unit cube but for a margin


# --- the object, in the unit cube -----------------------------------------------------------------------------------


def mug(points: Tensor) -> Tensor:
    """Exact distance, negative inside: a profile of three strokes turned about z, 5 mm thick, and a handle of 11 mm."""
    p = (points - 0.5) / SCALE + points.new_tensor([0.018, 0.0, 0.05])
    radius, z = p[..., :2].norm(dim=-1), p[..., 2]
    corners = [(0.0, 0.005), (0.036, 0.005), (0.040, 0.009), (0.040, 0.095)]
    strokes = [_to_stroke(radius, z, *a, *b) for a, b in pairwise(corners)]
    body = torch.stack(strokes).amin(0) - 0.0025
    across = (p[..., 0] - 0.045).hypot(z - 0.050) - 0.028
    handle = across.hypot(p[..., 1]) - 0.0055
    # the handle ends in the wall: what would come out of it inside the mug is cut away
    return SCALE * torch.minimum(body, torch.maximum(handle, 0.040 - radius))


def _to_stroke(x: Tensor, y: Tensor, ax: float, ay: float, bx: float, by: float) -> Tensor:
    ux, uy = bx - ax, by - ay
    along = (((x - ax) * ux + (y - ay) * uy) / (ux * ux + uy * uy)).clamp(0, 1)
    return (x - ax - along * ux).hypot(y - ay - along * uy)


def slope(distance: Callable[[Tensor], Tensor], points: Tensor, step: float = 1e-3) -> Tensor:
    """By differences over twice the step."""
    shifts = step * torch.eye(3, device=points.device)
    return torch.stack([(distance(points + s) - distance(points - s)) / (2 * step) for s in shifts], -1)


def paint(points: Tensor, waves_per_unit: tuple[float, float] = (20, 140), strength: float = 0.11) -> Tensor:
    """A colour at every point: waves in all directions, a millimetre to two centimetres long, so that no two places look alike."""
    rng = np.random.default_rng(0)
    turns = rng.normal(size=(24, 3)) * np.geomspace(*waves_per_unit, 24)[:, None]
    mixture = rng.normal(size=(24, 3)) * strength
    waves = torch.sin(points @ points.new_tensor(turns.T.tolist()) + torch.arange(24, device=points.device))
    return (0.5 + waves @ points.new_tensor(mixture.tolist())).clamp(0.02, 0.98)


# --- its photos --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Photo:
    """directions: of the pixels, length one. depth: along them, infinite where nothing is hit. Rows of the image first."""

    centre: Tensor  # (3,)
    cam_from_unit: Tensor  # (3, 3)
    focal: float
    directions: Tensor  # (h, w, 3)
    depth: Tensor  # (h, w)
    colour: Tensor  # (h, w, 3), uint8

    @property
    def labels(self) -> Tensor:
        hit = self.depth.isfinite()
        inner = -functional.max_pool2d(-hit[None].float(), 3, 1, 1)[0] > 0.5
        return torch.where(inner, OBJECT, torch.where(hit, EDGE, OUTSIDE)).to(torch.uint8)

    def look_up(self, image: Tensor, points: Tensor) -> Tensor:
        """The image's value where each point is seen; zero beyond its border."""
        local = (points - self.centre) @ self.cam_from_unit.T
        side = len(image)
        pixel = (self.focal * local[:, :2] / local[:, 2:] + side / 2 - 0.5).round().long()
        inside = ((pixel >= 0) & (pixel < side)).all(1)
        x, y = pixel.clamp(0, side - 1).unbind(1)
        return image[y, x] * inside


def photograph(count: int, px: int, device: str) -> list[Photo]:
    """From all around, 10 to 75 degrees up, in a spiral."""
    photos = []
    for k in range(count):
        up, turn = math.radians(10 + 65 * k / max(1, count - 1)), 2.39996 * k
        back = torch.tensor([math.cos(up) * math.cos(turn), math.cos(up) * math.sin(turn), math.sin(up)], device=device)
        right = functional.normalize(torch.linalg.cross(torch.tensor([0.0, 0.0, 1.0], device=device), back), dim=0)
        cam_from_unit = torch.stack([right, torch.linalg.cross(right, back), -back])  # x right, y down, z forward
        centre, focal = 0.5 + 2.6 * back, 2.2 * px
        ticks = torch.arange(px, device=device) + 0.5 - px / 2
        y, x = torch.meshgrid(ticks, ticks, indexing="ij")
        local = torch.stack([x / focal, y / focal, torch.ones_like(x)], -1)
        directions = functional.normalize(local @ cam_from_unit, dim=-1)
        depth = _trace(centre, directions)
        at = centre + depth.nan_to_num(posinf=0.0)[..., None] * directions
        light = (functional.normalize(slope(mug, at), dim=-1) @ at.new_tensor([0.3, 0.2, 0.93])).clamp(min=0)
        colour = paint(at) * (0.35 + 0.65 * light[..., None]) * depth.isfinite()[..., None]
        photos.append(Photo(centre, cam_from_unit, focal, directions, depth, (255 * colour).round().to(torch.uint8)))
    return photos


def _trace(centre: Tensor, directions: Tensor) -> Tensor:
    at = torch.full(directions.shape[:-1], 1.5, device=directions.device)
    for _ in range(160):
        at = at + mug(centre + at[..., None] * directions)
    return torch.where((mug(centre + at[..., None] * directions).abs() < 1e-3) & (at < 4), at, math.inf)


# --- the start: what outlines and rough depths say ---------------------------------------------------------------------


def starting_distances(photos: list[Photo], cells: int, hollows: bool) -> Tensor:
    """Of the outlines' hull at the grid nodes; with `hollows`, less what depths that are 1 % off see through, as stereo would give."""
    nodes = grid_nodes(cells, photos[0].depth.device)
    inside = torch.ones(len(nodes), dtype=torch.bool, device=nodes.device)
    free, solid = torch.zeros(len(nodes), device=nodes.device), torch.zeros(len(nodes), device=nodes.device)
    noise = torch.Generator(nodes.device).manual_seed(0)
    for photo in photos:
        depth = photo.depth.nan_to_num(posinf=0.0)
        inside &= photo.look_up(depth, nodes) > 0
        off = 0.01 * torch.randn(depth.shape, generator=noise, device=depth.device)
        seen, far = photo.look_up(depth * (1 + off / 2.6), nodes), (nodes - photo.centre).norm(dim=1)
        free += (seen > 0) & (far < seen - 1.5 / cells)
        solid += (seen > 0) & ((far - seen).abs() <= 1.5 / cells)
    if hollows:
        inside &= ~((free > 0) & (2 * solid <= free))
    return _blurred(_distances(inside.reshape((cells + 1,) * 3), nodes) - 0.5 / cells * (1 - 2 * inside.reshape((cells + 1,) * 3).float()))


def _distances(inside: Tensor, nodes: Tensor) -> Tensor:
    """Signed, from each node to the nearest one on the other side."""
    grown = functional.max_pool3d(inside[None].float(), 3, 1, 1)[0] > 0.5
    shrunk = -functional.max_pool3d(-inside[None].float(), 3, 1, 1)[0] > 0.5
    outer, inner = nodes[(grown & ~inside).reshape(-1)], nodes[(inside & ~shrunk).reshape(-1)]
    flat = inside.reshape(-1)
    distances = torch.empty(len(nodes), device=nodes.device)
    distances[flat] = -nearest(nodes[flat], outer)[0]
    distances[~flat] = nearest(nodes[~flat], inner)[0]
    return distances.reshape(inside.shape)


def _blurred(grid: Tensor) -> Tensor:
    kernel = torch.exp(-0.5 * torch.arange(-2.0, 3.0, device=grid.device) ** 2)
    kernel = torch.einsum("i,j,k->ijk", *(kernel / kernel.sum(),) * 3)
    return functional.conv3d(functional.pad(grid[None, None], (2,) * 6, mode="replicate"), kernel[None, None])[0, 0]


def grid_nodes(cells: int, device: Any) -> Tensor:
    axis = torch.linspace(0, 1, cells + 1, device=device)
    return torch.cartesian_prod(axis, axis, axis)


def nearest(points: Tensor, others: Tensor, at_once: int = 1 << 27) -> tuple[Tensor, Tensor]:
    """Distance to the nearest of the others, and its index."""
    parts = [torch.cdist(part, others).min(1) for part in torch.split(points, max(1, at_once // len(others)))]
    return torch.cat([p.values for p in parts]), torch.cat([p.indices for p in parts])


# --- training and measuring ----------------------------------------------------------------------------------------------


def make_trainer(photos: list[Photo], distances: Tensor, field: FieldConfig, training: TrainingConfig, encoding: str) -> Trainer:
    torch.manual_seed(0)
    surface = SurfaceField(field, encoding)
    surface.set_base(distances)
    surface.to(distances.device)
    rows = []
    for index, photo in enumerate(photos):
        directions = photo.directions.reshape(-1, 3)
        near = pass_near(photo.centre, directions, distances, 0.03)
        rows.append(pool_rows(index, near, directions, photo.colour, photo.labels))
    pool = RayPool(torch.stack([photo.centre for photo in photos]), *(torch.cat(column) for column in zip(*rows, strict=True)))
    return Trainer(surface, pool, training, torch.zeros(0, 3, device=distances.device))


def chamfer(found: Tensor, truth: Tensor, surface: Callable[[Tensor], Tensor], diameter: float) -> float:
    """Mean of both ways over the diameter: the found points by the equation, the true ones by the planes of the found ones."""
    if not len(found):
        return 1.0
    there = mug(found).abs().mean()
    distance, index = nearest(truth, found)
    normal = functional.normalize(slope(surface, found[index]), dim=1)
    plane = ((truth - found[index]) * normal).sum(1).abs()
    back = torch.where(distance < 0.01, plane, distance).mean()  # beyond, the nearest point's plane says nothing
    return float((there + back) / 2 / diameter)


def surface_points(distance: Callable[[Tensor], Tensor], cells: int, device: Any, most: int = 200_000) -> Tensor:
    """Where the distance changes sign along the edges of a grid, brought onto the surface; above the foot, that no photo sees."""
    nodes = grid_nodes(cells, device)
    values = torch.cat([distance(part) for part in torch.split(nodes, 1 << 18)]).reshape((cells + 1,) * 3)
    nodes = nodes.reshape(*values.shape, 3)
    points = []
    for axis in range(3):
        a, b = values.narrow(axis, 0, cells), values.narrow(axis, 1, cells)
        crossed = (a < 0) != (b < 0)
        start, end = nodes.narrow(axis, 0, cells)[crossed], nodes.narrow(axis, 1, cells)[crossed]
        points.append(start + (end - start) * (a / (a - b))[crossed][:, None])
    found = torch.cat(points)
    pick = torch.randperm(len(found), generator=torch.Generator().manual_seed(0))[:most].to(device)
    found = found[pick]
    for _ in range(2):
        gradient = slope(distance, found)
        step = distance(found)[:, None] * gradient / gradient.square().sum(1, keepdim=True).clamp(min=0.25)
        found = found - step * (0.5 / cells / step.norm(dim=1, keepdim=True).clamp(min=1e-9)).clamp(max=1)
    return found[found[:, 2] > 0.5 + SCALE * (0.004 - 0.05)]


def train_to_goal(trainer: Trainer, truth: Tensor, diameter: float, cells: int, every: int) -> dict[str, Any]:
    """The error along the training, its seconds (looking not counted), and where the goal is reached for good."""
    device, seconds, curve = truth.device, 0.0, []

    def distance(points: Tensor) -> Tensor:
        with torch.no_grad():
            return trainer.surface.distance(points.contiguous(), trainer.surface.config.distance.levels)

    while True:
        error = chamfer(surface_points(distance, cells, device), truth, distance, diameter)
        curve.append({"steps": trainer.step, "seconds": round(seconds, 2), "chamfer_over_diameter": round(error, 5)})
        print(f"  {curve[-1]}", flush=True)
        if trainer.step >= trainer.config.steps:
            break
        started = now(device)
        while trainer.step % every or trainer.step == curve[-1]["steps"]:
            trainer.run_step()
        seconds += now(device) - started
    beyond = [i for i, row in enumerate(curve) if row["chamfer_over_diameter"] > GOAL]
    reached = curve[beyond[-1] + 1 :][:1] if beyond else curve[:1]
    return {"curve": curve, "goal": GOAL, "reached": reached[0] if reached else None, **_rates(trainer.step, trainer.config, seconds)}


def measure_rate(trainer: Trainer, warm_up: int, steps: int) -> dict[str, float]:
    """In the middle of the schedule, where all levels are learnt."""
    device = trainer.pool.centres.device
    trainer.step = trainer.config.steps // 2
    for _ in range(warm_up):
        trainer.run_step()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    started = now(device)
    for _ in range(steps):
        losses = trainer.run_step()
    rates = _rates(steps, trainer.config, now(device) - started)
    peak = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else 0.0
    return {**rates, "peak_mib": round(peak, 1), "colour_loss": float(losses["colour"])}


def _rates(steps: int, training: TrainingConfig, seconds: float) -> dict[str, float]:
    return {"steps_per_s": steps / seconds, "rays_per_s": steps * training.rays / seconds}


def now(device: torch.device | str) -> float:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


# --- parity ---------------------------------------------------------------------------------------------------------------


def installed_encodings(device: str) -> Iterator[str]:
    for name in ("triton", "numba", "tcnn"):
        try:
            make_encoding(HashGridConfig(2, 4, 8, 10), name)
        except BackendMissing as error:
            print(f"{name}: {error}")
            continue
        if device == "cpu" if name == "numba" else device != "cpu":
            yield name


def compare_encoding(name: str, device: str, count: int) -> dict[str, Any]:
    """Largest differences from plain torch, relative to the largest value, and milliseconds of both, forwards and backwards."""
    config = FieldConfig().colour
    torch.manual_seed(0)
    plain, other = make_encoding(config, "torch").to(device), make_encoding(config, name).to(device)
    points = torch.rand(count, 3, device=device)
    kicks = torch.randn(count, config.width, device=device), torch.randn(count, config.width, 3, device=device)
    report: dict[str, Any] = {}
    if name != "tcnn":  # its table and its grid are laid out in its own way
        torch.nn.init.normal_(plain.table)  # type: ignore[arg-type]
        other.load_state_dict(plain.state_dict())
        found, expected = _pass(other, points, *kicks), _pass(plain, points, *kicks)
        for what, a, b in zip(("features", "jacobian", "gradient"), found, expected, strict=True):
            report[what] = float((a - b).abs().max() / b.abs().max())
    for key, encoding in (("ms", other), ("eager_ms", plain)):
        _pass(encoding, points, *kicks)
        started = now(points.device)
        for _ in range(5):
            _pass(encoding, points, *kicks)
        report[key] = 200 * (now(points.device) - started)
    return {**report, "ratio": report["eager_ms"] / report["ms"]}


def _pass(encoding: Encoding, points: Tensor, by_features: Tensor, by_jacobian: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    encoding.zero_grad(set_to_none=True)
    features, jacobian = encoding.with_jacobian(points, encoding.config.levels)
    ((features * by_features).sum() + (jacobian * by_jacobian).sum()).backward()  # type: ignore[no-untyped-call]
    return features.detach(), jacobian.detach(), next(encoding.parameters()).grad  # type: ignore[return-value]


def compare_bf16(device: str, encoding: str, count: int = 20_000) -> dict[str, float]:
    """Colours of one field, its colour network in bfloat16 and in float32: largest and mean difference, of one."""
    torch.manual_seed(0)
    fields = [SurfaceField(replace(FieldConfig(), colour_dtype=kind), encoding).to(device) for kind in ("float32", "bfloat16")]
    fields[1].load_state_dict(fields[0].state_dict())
    points, directions = torch.rand(count, 3, device=device), functional.normalize(torch.randn(count, 3, device=device), dim=1)
    with torch.no_grad():
        exact, rough = (field.colour(points, directions, directions, 8) for field in fields)
    return {"largest": float((exact - rough).abs().max()), "mean": float((exact - rough).abs().mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu_surface.json"))
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--views", type=int, default=60)
    parser.add_argument("--px", type=int, default=400)
    parser.add_argument("--rays", type=int, default=4096)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true")
    a = parser.parse_args()
    field, cells, every, rated, count = FieldConfig(), 256, max(1, a.steps // 24), 300, 1 << 20
    if a.tiny:
        a.views, a.px, a.rays, a.samples, a.steps = 12, 64, 256, 12, 40
        field = FieldConfig(HashGridConfig(4, 8, 32, 12), HashGridConfig(4, 8, 32, 12), base_cells=32, hidden=32)
        cells, every, rated, count = 48, 20, 5, 4096
    training = TrainingConfig(steps=a.steps, rays=a.rays, samples=a.samples)
    if a.device == "cpu" and importlib.util.find_spec("numba") is None:
        pool.place_samples = train.place_samples = scan  # what a GPU runs; the march for CPUs is compiled by numba
    name = torch.cuda.get_device_name() if a.device.startswith("cuda") else "cpu"
    report: dict[str, Any] = {
        "device": name,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "arguments": {**vars(a), "out": str(a.out)},
    }

    def note(key: str, value: Any) -> None:
        report[key] = value
        a.out.write_text(json.dumps(report, indent=1))
        print(key, json.dumps(value), flush=True)

    others = list(installed_encodings(a.device))
    best = others[0] if others else "torch"
    note("encodings", {other: compare_encoding(other, a.device, count) for other in others})
    note("bf16_colours", compare_bf16(a.device, best))
    photos = photograph(a.views, a.px, a.device)
    truth = surface_points(mug, cells, a.device, most=20_000)
    corners = surface_points(mug, 64, a.device)
    diameter = float(torch.cdist(corners[::4], corners[::4]).max())
    opened, hull = (starting_distances(photos, field.base_cells, hollows) for hollows in (True, False))
    rates = {}
    for key, encoding, kind in [(best, best, "float32"), (f"{best}, bf16", best, "bfloat16"), ("plain torch", "torch", "float32")]:
        trainer = make_trainer(photos, opened, replace(field, colour_dtype=kind), training, encoding)
        rates[key] = measure_rate(trainer, rated // 5, rated)
    rates["ratio"] = {key: row["steps_per_s"] / rates["plain torch"]["steps_per_s"] for key, row in rates.items()}
    note("rates", rates)
    for key, distances, kind in [("opened", opened, "float32"), ("opened, bf16", opened, "bfloat16"), ("hull", hull, "float32")]:
        trainer = make_trainer(photos, distances, replace(field, colour_dtype=kind), training, best)
        note(f"from {key}", train_to_goal(trainer, truth, diameter, cells, every))


if __name__ == "__main__":
    main()
