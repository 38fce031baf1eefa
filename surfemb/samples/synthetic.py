"""Stage `synthetic`: new views of the surface, and pictures to put behind and in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.errors import SurfaceError
from reconstruction.rasterizers import Raster, Rasterizer, make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform, View
from reconstruction.scene.images import write_mask, write_photo
from reconstruction.scene.view import load_views, save_views
from reconstruction.stage import Progress, Quality, Stage, StageContext, silent
from surfemb.samples.backgrounds import folder_pictures, surroundings, texture, write_pictures
from surfemb.samples.viewpoints import NEAREST, ViewRange, projected_box
from surfemb.split import split_views

Shade = Callable[[Float[ndarray, "n 3"], Float[ndarray, "n 3"], Float[ndarray, "n 3"]], Float[ndarray, "n 3"]]
"""points_obj (metres), directions_obj (unit, camera to point), normals_obj -> RGB in [0, 1]."""


@dataclass(frozen=True)
class SyntheticConfig:
    """views: how many, `px` square each, the object at `1 / padding` of the side.

    directions: those of the capture, `margin_deg` beyond its elevations, all around; or any at all. stretch: factors on the
    capture's nearest and farthest distance. shading: the surface's colour field, or the mesh's vertex colours.
    backgrounds, textures: how many pieces of the capture's photos (and as many of `folder`), how many generated.
    """

    views: int = 1500
    px: int = 208
    padding: float = 1.1
    directions: Literal["capture", "any"] = "capture"
    margin_deg: float = 10.0
    stretch: tuple[float, float] = (0.7, 1.5)
    shading: Literal["field", "vertex"] = "field"
    backgrounds: int = 200
    textures: int = 80
    folder: str | None = None
    rasterizer: str = "cpu"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class RenderedView:
    """photo: RGB, black beside the object."""

    photo: UInt8[ndarray, "h w 3"]
    mask: ndarray
    camera: Camera
    cam_from_obj: RigidTransform


def render_views(mesh: Mesh, shade: Shade, view_range: ViewRange, config: SyntheticConfig) -> Iterator[RenderedView]:
    """Views from random directions, each through a camera that looks at the middle of the object's outline."""
    rasterizer = make_rasterizer(mesh, config.rasterizer)
    reach = np.linalg.norm(mesh.vertices, axis=1).max()
    for index in range(config.views):
        rng = np.random.default_rng((config.seed, index))
        if config.directions == "any":
            cam_from_obj = view_range.sample_any(rng, config.stretch)
        else:
            cam_from_obj = view_range.sample(rng, config.margin_deg, config.stretch)
        depth = cam_from_obj.translation[2]
        if depth < NEAREST * reach:  # the camera may not enter the object
            cam_from_obj = RigidTransform(cam_from_obj.rotation, cam_from_obj.translation * (NEAREST * reach / depth))
        wide = Camera(1000, 1000, 1000.0, 1000.0, 499.5, 499.5)
        box = projected_box(wide, cam_from_obj, mesh.vertices)
        assert box is not None
        crop = wide.crop_towards(box, config.px, config.padding)
        yield render_view(rasterizer, shade, crop.camera, crop.crop_from_cam @ cam_from_obj)


def render_view(rasterizer: Rasterizer, shade: Shade, camera: Camera, cam_from_obj: RigidTransform) -> RenderedView:
    raster = rasterizer.render(camera, cam_from_obj)
    photo = np.zeros((camera.height, camera.width, 3), np.uint8)
    photo[raster.mask] = (_colors(raster, shade, cam_from_obj) * 255).round().clip(0, 255)
    return RenderedView(photo, raster.mask, camera, cam_from_obj)


def _colors(raster: Raster, shade: Shade, cam_from_obj: RigidTransform) -> Float[ndarray, "n 3"]:
    seen = raster.mask
    points = raster.coordinates()[seen]
    directions = points - cam_from_obj.inverse().translation.astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    normals = raster.interpolate(raster.mesh.vertex_normals)[seen]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return shade(points, directions, normals)


def make_shader(config: SyntheticConfig, mesh: Mesh, field_path: Path) -> Shade:
    """The colour field of the surface, or the colours of its mesh. Raises SurfaceError where the mesh has none."""
    if config.shading == "field":
        from reconstruction.sdf.model import SurfaceModel

        return SurfaceModel.load(field_path).shade
    if mesh.colors is None:
        raise SurfaceError("the mesh has no vertex colours", try_next='use shading = "field" or run the surface stage again')
    from scipy.spatial import cKDTree

    tree, colors = cKDTree(mesh.vertices), mesh.colors / np.float32(255)

    def nearest_vertices(points: ndarray, directions: ndarray, normals: ndarray) -> ndarray:
        distance, index = tree.query(points, 3)
        weight = 1 / (np.asarray(distance) + 1e-9)
        return np.einsum("nk,nkc->nc", weight / weight.sum(1, keepdims=True), colors[index]).astype(np.float32)

    return nearest_vertices


def write_views(rendered: Iterator[RenderedView], count: int, out: Path, progress: Progress = silent) -> list[View]:
    """Writes photos and masks below `out` as they come."""
    for name in ("photos", "masks"):
        (out / name).mkdir(parents=True, exist_ok=True)
    views = []
    for index, view in enumerate(rendered):
        name = f"rendered_{index:05d}"
        photo_path, mask_path = out / "photos" / f"{name}.jpg", out / "masks" / f"{name}.png"
        write_photo(photo_path, view.photo)
        write_mask(mask_path, view.mask)
        views.append(View(name, view.camera, view.cam_from_obj, photo_path, mask_path))
        if index % 25 == 0:
            progress(index, count, "rendering views")
    return views


def write_backgrounds(views: list[View], mesh: Mesh, config: SyntheticConfig, folder: Path) -> dict[str, int]:
    folder.mkdir()
    rng = np.random.default_rng((config.seed, 3))
    counts = {
        "capture": write_pictures(folder, "capture", surroundings(views, mesh.vertices, config.backgrounds, config.seed)),
        "texture": write_pictures(folder, "texture", (texture(rng) for _ in range(config.textures))),
    }
    if config.folder is not None:
        counts["folder"] = write_pictures(folder, "folder", folder_pictures(Path(config.folder), config.backgrounds, config.seed))
    return counts


def run(config: SyntheticConfig, context: StageContext) -> Quality:
    workspace = context.workspace
    mesh = Mesh.load(workspace.mesh)
    views = load_views(workspace.views)
    train, _ = split_views(views)
    view_range = ViewRange.of(views, mesh.vertices)
    rendered = render_views(mesh, make_shader(config, mesh, workspace.field), view_range, config)
    save_views(context.out / "views.json", write_views(rendered, config.views, context.out, context.progress))
    counts = write_backgrounds(train, mesh, config, context.out / "backgrounds")
    context.progress(config.views, config.views, "views and backgrounds written")
    return {"views": config.views, "backgrounds": counts, "range": view_range.to_json()}


SYNTHETIC = Stage("synthetic", 1, ("scale", "surface"), run)
