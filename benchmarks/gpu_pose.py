"""The correspondence networks on a GPU: how fast they train, and how good they get in a given time, `full` beside `standard`.

usage: python benchmarks/gpu_pose.py [--out gpu_pose.json] [--minutes 5] [--profiles standard full] [--device cuda] [--tiny]

Needs torch, numpy and OpenCV only. A painted mug, known as an equation, is photographed on the device itself (sphere tracing) on made-up
surroundings, in made-up light, with things in front of it; the product's own networks, loss and optimiser are trained on that. Poses of
unseen crops come from the most likely matches by OpenCV's RANSAC: without the product's scoring and refinement, so its answers are better
than these. `--tiny` is a minute on a CPU, to see that it runs. The seed is 0.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))
if importlib.util.find_spec("safetensors") is None:  # nothing is saved or loaded here
    for name, held in {"safetensors": ("SafetensorError", "safe_open"), "safetensors.torch": ("load_file", "save_file")}.items():
        sys.modules[name] = types.ModuleType(name)
        for kind in held:
            setattr(sys.modules[name], kind, type(kind, (Exception,), {}))

from benchmarks.gpu_surface import SCALE, mug, now, paint, slope, surface_points
from surfemb.learning.loss import Batch, correspondence_losses
from surfemb.learning.network import FULL_NETWORK, CorrespondenceModel, NetworkConfig
from surfemb.learning.optimiser import Optimiser, OptimiserConfig

PROFILES = {"standard": NetworkConfig(), "full": FULL_NETWORK}
THRESHOLDS = (0.02, 0.05, 0.10)
REACH = 0.55  # unit-cube lengths from the middle to the mug's farthest point, about
BLOTS = (6, 45), 0.13  # of the paint: some pixels wide and more
PROBES = 5000  # surface points that matches are sought among


@dataclass(frozen=True, eq=False)
class Crops:
    """Object points in metres, as the networks take them; zero off the object. visible: share of the outline that nothing hides."""

    images: Tensor  # (b, s, s, 3) uint8
    mask: Tensor  # (b, s, s) bool
    points: Tensor  # (b, s, s, 3)
    visible: Tensor  # (b,)
    cam_from_obj: Tensor  # (b, 3, 4)
    intrinsics: Tensor  # (b, 3): focal length, principal point


class Camera:
    """Makes crops on its device; the same for the same seed."""

    def __init__(self, px: int, device: str, seed: int) -> None:
        self.px, self.device = px, device
        self.random = torch.Generator(device).manual_seed(seed)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.random, device=self.device)

    def take(self, count: int, occluded: float = 0.5) -> Crops:
        turn, centre, intrinsics = self._place(count)
        ticks = torch.arange(self.px, device=self.device, dtype=torch.float32)
        y, x = torch.meshgrid(ticks, ticks, indexing="ij")
        focal, middle = intrinsics[:, 0, None, None], intrinsics[:, 1:, None, None]
        local = torch.stack([(x - middle[:, 0]) / focal, (y - middle[:, 1]) / focal, torch.ones(count, *x.shape, device=self.device)], -1)
        directions = functional.normalize(torch.einsum("bhwi,bij->bhwj", local, turn), dim=-1)
        at, hit = _trace(centre[:, None, None], directions)
        image, covered = self._in_front(torch.where(hit[..., None], self._lit(at), self._blots(count)), occluded)
        mask = hit & ~covered
        visible = mask.flatten(1).sum(1) / hit.flatten(1).sum(1).clamp(min=1)
        image = image * self.uniform(count, 1, 1, 3, low=0.8, high=1.2) + 0.02 * torch.randn(
            image.shape, generator=self.random, device=self.device
        )
        points = (at - 0.5) / SCALE * mask[..., None]
        shift = torch.einsum("bij,bj->bi", turn, (0.5 - centre) / SCALE)
        pixels = (255 * image.clamp(0, 1)).round().to(torch.uint8)
        return Crops(pixels, mask, points, visible, torch.cat([turn, shift[..., None]], 2), intrinsics)

    def _place(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """cam_from_unit rotations, camera centres, intrinsics: the mug at about 1 / 1.3 of the crop, up to 30 degrees of roll."""
        up, around, roll = (self.uniform(count, low=math.radians(a), high=math.radians(b)) for a, b in ((-5, 75), (0, 360), (-30, 30)))
        back = torch.stack([up.cos() * around.cos(), up.cos() * around.sin(), up.sin()], 1)
        right = functional.normalize(torch.linalg.cross(torch.tensor([[0.0, 0.0, 1.0]], device=self.device).expand_as(back), back), dim=1)
        down = torch.linalg.cross(right, back)
        c, s = roll.cos()[:, None], roll.sin()[:, None]
        turn = torch.stack([c * right + s * down, c * down - s * right, -back], 1)
        distance = self.uniform(count, low=2.0, high=5.0)
        focal = self.px * distance / (2 * REACH * self.uniform(count, low=1.05, high=1.7))
        middle = self.px / 2 - 0.5 + self.px * self.uniform(count, 2, low=-0.1, high=0.1)
        return turn, 0.5 + distance[:, None] * back, torch.cat([focal[:, None], middle], 1)

    def _lit(self, at: Tensor) -> Tensor:
        lamp = functional.normalize(torch.randn(len(at), 1, 1, 3, generator=self.random, device=self.device), dim=-1)
        shade = (functional.normalize(slope(mug, at), dim=-1) * lamp).sum(-1, keepdim=True)
        return paint(at, *BLOTS) * (0.75 + self.uniform(len(at), 1, 1, 1, high=0.5) * shade)

    def _blots(self, count: int) -> Tensor:
        """Coloured noise, coarse and fine."""
        layers = [self.uniform(count, 3, cells, cells) for cells in (3, 9, 27)]
        grown = [functional.interpolate(layer, (self.px, self.px), mode="bicubic", align_corners=False) for layer in layers]
        return torch.stack(grown).mean(0).permute(0, 2, 3, 1)

    def _in_front(self, image: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """An ellipse of other blots over `share` of the crops, off the middle."""
        count, ticks = len(image), torch.linspace(-1, 1, self.px, device=self.device)
        angle, size = self.uniform(count, high=2 * math.pi), self.uniform(count, 2, low=0.3, high=0.8)
        there = self.uniform(count, low=0.3, high=0.8)
        x, y = ticks[None, None] - (there * angle.cos())[:, None, None], ticks[None, :, None] - (there * angle.sin())[:, None, None]
        covered = (x / size[:, :1, None]) ** 2 + (y / size[:, 1:, None]) ** 2 < 1
        covered &= (self.uniform(count) < share)[:, None, None]
        return torch.where(covered[..., None], self._blots(count), image), covered


def _trace(centre: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Where each ray meets the mug, and whether it does."""
    far = (centre - 0.5).norm(dim=-1).expand(directions.shape[:-1]) - 0.9
    for _ in range(70):
        far = far + mug(centre + far[..., None] * directions)
    at = centre + far[..., None] * directions
    return at, (mug(at).abs() < 2e-3) & ((at - 0.5).norm(dim=-1) < 1)


def batch_of(crops: Crops, surface: Tensor, pixels: int, random: torch.Generator) -> Batch:
    """`pixels` visible pixels of each crop, drawn with replacement, and as many points of the surface as in a training (1,024)."""
    mask = crops.mask.flatten(1)
    shown = mask.any(1)
    drawn = torch.multinomial(mask.float() + (~shown)[:, None], pixels, replacement=True, generator=random)
    points = crops.points.flatten(1, 2).gather(1, drawn[..., None].expand(-1, -1, 3))
    near = surface[torch.randint(len(surface), (1024,), generator=random, device=surface.device)]
    return Batch(crops.images, crops.mask, drawn, points, shown, _along(near, random))


def _along(points: Tensor, random: torch.Generator) -> Tensor:
    """Points of the mug beside those: new ones every time, else the key network would learn the given ones by heart."""
    moved = (points + 0.003 * torch.randn(points.shape, generator=random, device=points.device)) * SCALE + 0.5
    for _ in range(3):
        moved = moved - mug(moved)[..., None] * slope(mug, moved)
    return (moved - 0.5) / SCALE


class Training:
    def __init__(self, network: NetworkConfig, surface: Tensor, a: argparse.Namespace, steps: int) -> None:
        torch.manual_seed(0)
        radius = float(surface.norm(dim=1).max())
        model = CorrespondenceModel(network, radius).to(a.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.state, self.surface, self.a = Optimiser(model, OptimiserConfig(), steps), surface, a
        self.camera = Camera(network.crop_px, a.device, seed=1)
        self.batch = self.make()

    def make(self) -> Batch:
        return batch_of(self.camera.take(self.a.batch), self.surface, self.a.pixels, self.camera.random)

    def learn(self, batch: Batch) -> float:
        self.state.model.train()
        losses = correspondence_losses(self.state.model, batch, half=self.a.device != "cpu")
        self.state.update(losses)
        return float(losses.contrast.detach())

    def rates(self, steps: int) -> dict[str, float]:
        """Samples a second: the crops alone, the networks alone, one after the other."""
        jobs = {"crops": self.make, "networks": lambda: self.learn(self.batch), "both": lambda: self.learn(self.make())}
        found = {}
        for name, job in jobs.items():
            for _ in range(3):
                job()
            started = now(self.a.device)
            for _ in range(steps):
                job()
            found[name] = steps * self.a.batch / (now(self.a.device) - started)
        return found


@torch.inference_mode()
def recall(model: CorrespondenceModel, surface: Tensor, diameter: float, a: argparse.Namespace) -> dict[str, Any]:
    """By ADD, of unseen crops without and with things in front."""
    pick = torch.randperm(len(surface), generator=torch.Generator().manual_seed(0))[:PROBES].to(a.device)
    probes, keys = surface[pick].cpu().numpy(), model.key(surface[pick])
    report: dict[str, Any] = {}
    for name, occluded in (("all visible", 0.0), ("partly hidden", 1.0)):
        camera, errors = Camera(model.config.crop_px, a.device, seed=2), []
        while len(errors) < a.images:
            crops = camera.take(min(16, a.images), occluded)
            logits, queries = model.query(crops.images.permute(0, 3, 1, 2).float() / 255)
            errors += [
                _error(logits[i] > 0, queries[i], keys, probes, crops, i, diameter) for i in range(len(logits)) if crops.visible[i] >= 0.4
            ]
        errors = errors[: a.images]
        report[name] = {f"recall_{t:.2f}d": sum(e < t for e in errors) / len(errors) for t in THRESHOLDS} | {
            "median": float(np.median(errors))
        }
    return report


def _error(seen: Tensor, queries: Tensor, keys: Tensor, probes: np.ndarray, crops: Crops, i: int, diameter: float) -> float:
    """ADD over the diameter; infinite without an answer."""
    rows, columns = seen.nonzero(as_tuple=True)
    if len(rows) < 12:
        return math.inf
    likeliest = torch.cat([(part @ keys.T).argmax(1) for part in torch.split(queries[rows, columns], 8192)])
    focal, cx, cy = crops.intrinsics[i].tolist()
    matrix = np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1]])
    pixels = torch.stack([columns, rows], 1).double().cpu().numpy()
    cv2.setRNGSeed(0)
    points = probes[likeliest.cpu().numpy()].astype(float)
    done, turn, shift, _ = cv2.solvePnPRansac(
        points, pixels, matrix, None, iterationsCount=500, reprojectionError=3.0, flags=cv2.SOLVEPNP_EPNP
    )
    if not done:
        return math.inf
    truth = crops.cam_from_obj[i].double().cpu().numpy()
    there = probes @ cv2.Rodrigues(turn)[0].T + shift[:, 0]
    return float(np.linalg.norm(there - probes @ truth[:, :3].T - truth[:, 3], axis=1).mean() / diameter)


def measure(network: NetworkConfig, surface: Tensor, diameter: float, a: argparse.Namespace) -> dict[str, Any]:
    """Trains for `a.minutes` by the rate measured before, then asks."""
    rates = Training(network, surface, a, 1000).rates(a.rated)
    steps = a.steps or max(100, int(60 * a.minutes * rates["both"] / a.batch))
    print(f"  {json.dumps(rates)}; {steps} steps", flush=True)
    training, started = Training(network, surface, a, steps), now(a.device)
    if a.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    for step in range(steps):
        contrast = training.learn(training.make())
        if (step + 1) % max(1, steps // 10) == 0:
            print(f"  step {step + 1}, {now(a.device) - started:.0f} s, contrast {contrast:.2f}", flush=True)
    seconds = now(a.device) - started
    peak = torch.cuda.max_memory_allocated() / 2**20 if a.device != "cpu" else 0.0
    model = training.state.averaged
    found = {"samples_per_s": rates, "steps": steps, "train_s": round(seconds, 1), "peak_mib": round(peak, 1), "contrast": contrast}
    return {**found, **recall(model, surface, diameter, a), "network_ms": _latency(model, a)}


@torch.inference_mode()
def _latency(model: CorrespondenceModel, a: argparse.Namespace) -> float:
    """Of one crop, mask and embeddings."""
    crop = torch.rand(1, 3, model.config.crop_px, model.config.crop_px, device=a.device)
    for _ in range(3):
        model.query(crop)
    started = now(a.device)
    for _ in range(a.rated):
        model.query(crop)
    return 1000 * (now(a.device) - started) / a.rated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu_pose.json"))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--profiles", nargs="+", choices=list(PROFILES), default=list(PROFILES))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--pixels", type=int, default=512)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true")
    a = parser.parse_args()
    a.rated, a.steps, cells, networks = 50, 0, 256, PROFILES
    if a.tiny:
        a.batch, a.pixels, a.images, a.rated, a.steps, cells = 4, 64, 8, 2, 60, 64
        networks = {name: NetworkConfig(crop_px=px, widths=(16, 32, 64)) for name, px in (("standard", 48), ("full", 64))}
    surface = (surface_points(mug, cells, a.device) - 0.5) / SCALE
    diameter = float(
        torch.pdist(surface[torch.randperm(len(surface), generator=torch.Generator().manual_seed(0))[:2000].to(a.device)]).max()
    )
    name = torch.cuda.get_device_name() if a.device.startswith("cuda") else "cpu"
    report: dict[str, Any] = {"device": name, "torch": torch.__version__, "arguments": {**vars(a), "out": str(a.out)}}
    for profile in a.profiles:
        print(profile, flush=True)
        report[profile] = measure(networks[profile], surface, diameter, a)
        a.out.write_text(json.dumps(report, indent=1))
        print(json.dumps(report[profile]), flush=True)


if __name__ == "__main__":
    main()
