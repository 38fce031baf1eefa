"""Renders the capture and its truth to a folder, and reads them back."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.capture import Box, TagBoard
from reconstruction.generated.board import DISC_BOARD, FAMILY, Board
from reconstruction.generated.scene import Exposure, LensCamera
from reconstruction.generated.shading import solid_color
from reconstruction.generated.shapes import jug
from reconstruction.generated.studio import OBJECT, UPRIGHT, Shot, Studio, Turn, Visible, make_camera
from reconstruction.rasterizers.cpu import CpuRasterizer
from reconstruction.scene import Camera, Lens, Mesh, RigidTransform, View
from reconstruction.scene.images import read_mask, read_photo, write_depth, write_mask, write_photo
from reconstruction.stage import Progress, silent

_LAST = Path("truth") / "board_from_obj.json"
"""Written when everything else is."""


@dataclass(frozen=True)
class CaptureConfig:
    """`photos` on a hand-held path for onboarding, `from_above` of them steep; `held_out` others for testing the poses.

    visible: of the held-out photos in turn, how much of the object's outline nothing hides. depth: a sensor's, for all photos.
    turntable_heights: instead of the walk, a camera on a tripod at so many heights while object and board turn on a disc, by `turn_deg`
    at each; the room stands still. plain: neither object nor room has any texture; only the board has.
    turned_deg: the object turned over about its own x, y and z; setting: another table, walk and light. Both leave the object,
    its paint and the truth frame as they are, so that two captures of one object can be made.
    """

    photos: int = 50
    from_above: int = 0
    held_out: int = 24
    visible: tuple[Visible, ...] = ((0.55, 0.93), (0.55, 1.1), (0.55, 1.1))
    width: int = 720
    height: int = 540
    seed: int = 7
    depth: bool = False
    workers: int = 2
    turntable_heights: int = 0
    turn_deg: float = 360.0
    plain: bool = False
    turned_deg: Turn = UPRIGHT
    setting: int = 0

    def studio(self, obj: Mesh) -> Studio:
        board = DISC_BOARD if self.turntable_heights else Board()
        return Studio(obj, self.seed, self.turned_deg, self.setting, plain=self.plain, board=board)


@dataclass(frozen=True)
class GeneratedPhoto:
    """A photo as taken, through the lens, with its truth. visible: the share of the object's outline that is not hidden."""

    name: str
    path: Path
    mask_path: Path
    cam_from_obj: RigidTransform
    cam_from_board: RigidTransform
    visible: float


@dataclass(frozen=True)
class GeneratedCapture:
    """A rendered capture on disk. `obj` is the truth frame: origin at the centre of the object's box, z up, metres."""

    root: Path
    camera: Camera
    lens: Lens
    photos: list[GeneratedPhoto]
    held_out: list[GeneratedPhoto]
    board_from_obj: RigidTransform

    @classmethod
    def load(cls, root: Path) -> GeneratedCapture:
        doc = json.loads((root / "truth" / "cameras.json").read_text())
        held_out = json.loads((root / "truth" / "heldout.json").read_text())
        return cls(
            root,
            Camera.from_json(doc["camera"]),
            Lens(**doc["lens"]),
            [_photo_from_json(root, "photos", row) for row in doc["photos"]],
            [_photo_from_json(root, "heldout", row) for row in held_out],
            RigidTransform.from_json(json.loads((root / _LAST).read_text())),
        )

    @property
    def photo_dir(self) -> Path:
        return self.root / "photos"

    @property
    def depth_dir(self) -> Path:
        """Only there when the config asked for depth."""
        return self.root / "depth"

    @property
    def held_out_depth_dir(self) -> Path:
        """Of the held-out photos; only there when the config asked for depth."""
        return self.root / "heldout_depth"

    @property
    def board_path(self) -> Path:
        return self.root / "board.json"

    @cached_property
    def mesh(self) -> Mesh:
        return Mesh.load(self.root / "truth" / "mesh.ply")

    def board(self) -> TagBoard:
        doc = json.loads(self.board_path.read_text())
        return TagBoard(FAMILY, {int(k): v for k, v in doc.items() if k.isdigit()})

    def box(self, photo: GeneratedPhoto, margin_px: float = 3) -> Box:
        """Around the visible object in the photo as taken: the box a user would draw."""
        rows, columns = np.nonzero(read_mask(photo.mask_path))
        x0, x1, y0, y1 = columns.min(), columns.max(), rows.min(), rows.max()
        return (float(x0 - margin_px), float(y0 - margin_px), float(x1 + margin_px), float(y1 + margin_px))

    def undistorted_views(self, folder: Path) -> list[View]:
        """Writes undistorted photos and masks into folder/photos and folder/masks; views in the object frame, true poses."""
        for name in ("photos", "masks"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        views = []
        for photo in self.photos:
            photo_path, mask_path = folder / "photos" / f"{photo.name}.png", folder / "masks" / f"{photo.name}.png"
            write_photo(photo_path, self.lens.undistort(read_photo(photo.path), self.camera))
            mask = self.lens.undistort(read_mask(photo.mask_path).astype(np.uint8) * 255, self.camera)
            write_mask(mask_path, mask > 127)
            views.append(View(photo.name, self.camera, photo.cam_from_obj, photo_path, mask_path))
        return views


def load_or_render(out: Path, config: CaptureConfig, progress: Progress = silent, make_obj: Callable[[], Mesh] = jug) -> GeneratedCapture:
    """The capture in `out`, if it is whole and was rendered with this config, or with depth besides; else as `render_capture`."""
    return GeneratedCapture.load(out) if _is_there(out, config) else render_capture(out, config, progress, make_obj())


def _is_there(out: Path, config: CaptureConfig) -> bool:
    if not (out / _LAST).exists():
        return False
    there = json.loads((out / "truth" / "cameras.json").read_text())["config"]
    wanted = json.loads(json.dumps(asdict(config)))
    without_effect = {"workers"} if config.depth else {"workers", "depth"}
    return all(there.get(name) == value for name, value in wanted.items() if name not in without_effect)


def render_capture(out: Path, config: CaptureConfig, progress: Progress = silent, obj: Mesh | None = None) -> GeneratedCapture:
    """Renders everything below `out`, the same for the same config. About a second of CPU a photo at 720 x 540.

    obj: in metres, z up, origin at the centre of its box; `jug()` unless given. It shows its own colours, or is painted here.
    """
    for name in ("photos", "heldout", "truth/masks", *(["depth", "heldout_depth"] if config.depth else [])):
        (out / name).mkdir(parents=True, exist_ok=True)
    (out / _LAST).unlink(missing_ok=True)
    mesh = obj or jug()
    studio = config.studio(mesh)
    replace(mesh, colors=_vertex_colors(studio)).save(out / "truth" / "mesh.ply")
    studio.board.save(out / "board.json")
    camera, lens = make_camera(config.width, config.height)
    jobs = [(False, i) for i in range(config.photos)] + [(True, i) for i in range(config.held_out)]
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(config.workers, get_context("spawn"), _open_studio, (mesh, config, out)) as pool:
        for done, row in enumerate(pool.map(_take, jobs), 1):
            rows.append(row)
            progress(done, len(jobs), row["name"])
    board_from_obj = studio.board.world_from_board().inverse() @ studio.rest
    truth = {"camera": camera.to_json(), "lens": asdict(lens), "config": asdict(config), "photos": rows[: config.photos]}
    (out / "truth" / "cameras.json").write_text(json.dumps(truth, indent=1))
    (out / "truth" / "heldout.json").write_text(json.dumps(rows[config.photos :], indent=1))
    (out / _LAST).write_text(json.dumps(board_from_obj.to_json()))
    return GeneratedCapture.load(out)


@dataclass
class _Darkroom:
    """What each rendering process keeps between photos."""

    studio: Studio
    path: list[Shot]
    camera: LensCamera
    out: Path
    config: CaptureConfig


_darkroom: _Darkroom


def _open_studio(mesh: Mesh, config: CaptureConfig, out: Path) -> None:
    global _darkroom
    cv2.setNumThreads(1)
    studio = config.studio(mesh)
    heights = config.turntable_heights
    path = studio.turntable_path(config.photos, heights, config.turn_deg) if heights else studio.path(config.photos, config.from_above)
    _darkroom = _Darkroom(studio, path, LensCamera.behind(*make_camera(config.width, config.height)), out, config)


def _take(job: tuple[bool, int]) -> dict[str, Any]:
    """Renders one shot (held out or not, its index), writes its files, returns its row of truth."""
    held_out, index = job
    studio, camera, out = _darkroom.studio, _darkroom.camera, _darkroom.out
    visible = _darkroom.config.visible
    shot = studio.held_out(index, camera, visible[index % len(visible)]) if held_out else _darkroom.path[index]
    rng = np.random.default_rng([_darkroom.config.seed, 4, held_out, index])
    scene = studio.scene(shot.arrangement)
    exposure = scene.expose(camera, shot.cam_from_world, shot.light)
    folder = out / ("heldout" if held_out else "photos")
    write_photo(folder / f"{shot.name}.jpg", develop(exposure.linear, rng), quality=94)
    mask = scene.thing_seen(camera, shot.cam_from_world) == OBJECT
    write_mask(out / "truth" / "masks" / f"{shot.name}.png", mask)
    if _darkroom.config.depth:
        write_depth(out / ("heldout_depth" if held_out else "depth") / f"{shot.name}.png", sensor_depth(exposure, rng))
    alone = CpuRasterizer(studio.obj).render(camera, shot.cam_from_obj).mask
    return {
        "name": shot.name,
        "cam_from_obj": shot.cam_from_obj.to_json(),
        "cam_from_board": (shot.cam_from_world @ studio.board.world_from_board()).to_json(),
        "visible": float(mask.sum() / alone.sum()),
    }


def develop(linear: Float[ndarray, "h w 3"], rng: np.random.Generator) -> UInt8[ndarray, "h w 3"]:
    """What a phone makes of the light: exposure, white balance, vignetting, blur, shot and read noise, gamma."""
    height, width, _ = linear.shape
    gains = np.exp(rng.normal(0, 0.09) + rng.normal(0, 0.03, 3))
    y, x = np.mgrid[:height, :width]
    radius2 = ((x - width / 2) ** 2 + (y - height / 2) ** 2) / (width**2 + height**2) * 4
    light = linear * gains * (1 - 0.22 * radius2)[..., None]
    light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.35, 0.6))
    light += rng.normal(0, 1, light.shape) * np.sqrt(0.00003 + 0.0005 * light.clip(0))
    return (255 * light.clip(0, 1) ** (1 / 2.2)).round().astype(np.uint8)


def sensor_depth(exposure: Exposure, rng: np.random.Generator) -> Float[ndarray, "h w"]:
    """Metres, as a consumer sensor gives it: noise that grows with the square of the distance, flying pixels at edges, holes."""
    height, width, _ = exposure.linear.shape
    n = exposure.depth.shape[1] // width
    depth = np.median(exposure.depth.reshape(height, n, width, n).transpose(0, 2, 1, 3).reshape(height, width, -1), axis=-1)
    depth += rng.normal(0, 1, depth.shape) * 0.0012 * (depth / 0.5) ** 2
    return np.where(rng.random(depth.shape) < 0.02, 0, depth).astype(np.float32)


def _vertex_colors(studio: Studio) -> UInt8[ndarray, "n 3"]:
    if studio.obj.colors is not None:
        return studio.obj.colors
    texture, color = studio.object_texture, np.zeros(3)
    rows = []
    for x, y, z in studio.obj.vertices:
        solid_color(x, y, z, 0.0016, texture.parameters(), texture.palette, color)
        rows.append(color ** (1 / 2.2) * 255)
    return np.array(rows).clip(0, 255).astype(np.uint8)


def _photo_from_json(root: Path, folder: str, row: dict[str, Any]) -> GeneratedPhoto:
    name = row["name"]
    return GeneratedPhoto(
        name,
        root / folder / f"{name}.jpg",
        root / "truth" / "masks" / f"{name}.png",
        RigidTransform.from_json(row["cam_from_obj"]),
        RigidTransform.from_json(row["cam_from_board"]),
        float(row["visible"]),
    )
