"""A table-top scene: things with textures, one light, rendered through a real lens with cast shadows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from reconstruction.generated.board import Board
from reconstruction.generated.shading import shade
from reconstruction.generated.texture import Texture
from reconstruction.rasterizers.cpu import CpuRasterizer
from reconstruction.scene import Camera, Lens, Mesh, RigidTransform

SHADOW_OFFSET_M = 0.0008  # lifts a shadow ray off the surface it starts from
MOST_ALBEDO = 0.85  # of white paint


@dataclass(frozen=True)
class Thing:
    """A mesh with colours shows those, one without shows the texture. `wall` things cast no shadow: they are the room itself."""

    mesh: Mesh
    world_from_thing: RigidTransform
    texture: Texture
    wall: bool = False


@dataclass(frozen=True)
class Light:
    """A soft lamp far away: unit direction towards it, its half-angle, and how much comes from it instead of all round."""

    direction: Float[ndarray, "3"]
    half_angle_deg: float = 3.0
    strength: float = 0.62
    tint: tuple[float, float, float] = (1.0, 0.98, 0.94)


@dataclass(frozen=True)
class LensCamera(Camera):
    """A camera whose rays go through a real lens: pixel grids are those of the distorted photo."""

    lens: Lens = field(default_factory=Lens)

    @classmethod
    def behind(cls, camera: Camera, lens: Lens) -> LensCamera:
        return cls(**camera.to_json(), lens=lens)  # type: ignore[arg-type]

    def rays(self) -> Float[ndarray, "h w 3"]:
        return _lens_rays(self)


@lru_cache(maxsize=4)
def _lens_rays(camera: LensCamera) -> Float[ndarray, "h w 3"]:
    grid = np.stack(np.meshgrid(np.arange(camera.width), np.arange(camera.height)), -1).reshape(-1, 2).astype(float)
    straight = camera.lens.undistort_pixels(grid, camera)
    return camera.unproject(straight, np.ones(len(straight))).reshape(camera.height, camera.width, 3)


@dataclass(frozen=True)
class Exposure:
    """What a render gives: linear RGB of each pixel, and the z-depth in metres of each of its n x n rays (0 = none)."""

    linear: Float[ndarray, "h w 3"]
    depth: Float[ndarray, "n*h n*w"]


class Scene:
    """`sheet` is the board's printed image, or None for a bare table; it lies on z = 0, centred on the origin."""

    def __init__(self, things: list[Thing], board: Board, sheet: UInt8[ndarray, "n n"] | None) -> None:
        self.things = things
        meshes = [thing.mesh.transformed(thing.world_from_thing) for thing in things]
        starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
        faces = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)])
        self.mesh = Mesh(np.concatenate([mesh.vertices for mesh in meshes]), faces.astype(np.int32))
        self.normals = np.concatenate([thing.world_from_thing.rotate(thing.mesh.vertex_normals) for thing in things])
        self.face_thing = np.repeat(np.arange(len(things), dtype=np.int32), [len(mesh.faces) for mesh in meshes])
        self.wall = np.array([thing.wall for thing in things])
        self.painted = np.array([thing.mesh.colors is not None for thing in things])
        self.paint = np.concatenate([_linear_colors(thing.mesh) for thing in things])
        self.rasterizer = CpuRasterizer(self.mesh)
        self.sheet = np.zeros((1, 1), np.uint8) if sheet is None else sheet
        self.sheet_m = 0.0 if sheet is None else board.sheet_mm / 1000

    def expose(self, camera: LensCamera, cam_from_world: RigidTransform, light: Light, supersample: int = 2) -> Exposure:
        """Renders with `supersample` squared rays a pixel."""
        n = supersample
        fine = LensCamera.behind(camera.resized(n * camera.width, n * camera.height), camera.lens)
        raster = self.rasterizer.render(fine, cam_from_world)
        world_from_cam = cam_from_world.inverse()
        origin = world_from_cam.translation
        directions = world_from_cam.rotate(fine.rays()).reshape(-1, 3)
        face = raster.face.reshape(-1)
        points = origin + directions * raster.depth.reshape(-1, 1)
        lit = self._lit(points, directions, fine.width, light)
        linear = shade(
            face,
            raster.barycentric.reshape(-1, 3),
            points,
            directions,
            raster.depth.reshape(-1) / camera.fx,
            lit,
            self.mesh.faces,
            self.normals,
            self.paint,
            self.face_thing,
            self.wall,
            self.painted,
            np.stack([thing.world_from_thing.inverse().matrix for thing in self.things]),
            np.stack([thing.texture.parameters() for thing in self.things]),
            np.stack([thing.texture.palette for thing in self.things]),
            self._footprints(),
            self.sheet,
            self.sheet_m,
            light.direction,
            light.strength,
            np.array(light.tint),
        )
        return Exposure(linear.reshape(camera.height, n, camera.width, n, 3).mean((1, 3)), raster.depth)

    def thing_seen(self, camera: LensCamera, cam_from_world: RigidTransform) -> Int[ndarray, "h w"]:
        """Index of the thing at each pixel, -1 for none; no light, no supersampling."""
        face = self.rasterizer.render(camera, cam_from_world).face
        return np.where(face >= 0, self.face_thing[face], -1)

    def _lit(self, points: ndarray, directions: ndarray, width: int, light: Light) -> ndarray:
        """Whether each sample sees its quarter of the lamp; the 2 x 2 neighbours together give a soft edge.

        The quarters are turned from pixel to pixel, so that the edge is grainy like a photo's instead of striped.
        """
        index = np.arange(len(points))
        column, row = index % width, index // width
        quarter = (column % 2) + 2 * (row % 2)
        turn = ((column // 2 * 73 + row // 2 * 151) % 64) / 64 * (2 * np.pi) + quarter * (np.pi / 2)
        side = np.cross(light.direction, (0.0, 0.0, 1.0))
        side /= np.linalg.norm(side)
        up = np.cross(side, light.direction)
        spread = np.tan(np.radians(light.half_angle_deg)) * 0.7
        offset = spread * np.array([np.cos(turn), np.sin(turn)])
        rays = (light.direction + offset[0][:, None] * side + offset[1][:, None] * up).astype(np.float32)
        origins = (points + SHADOW_OFFSET_M * (light.direction - directions)).astype(np.float32)
        hit = self.rasterizer.scene.run(origins, rays, output=1)["primID"].astype(np.int64)
        return (hit < 0) | self.wall[self.face_thing[hit]]

    def _footprints(self) -> Float[ndarray, "k 3"]:
        """x, y and radius of what stands on the table, for the dark rim where it touches."""
        rows = []
        for thing in self.things:
            low = thing.world_from_thing.apply(thing.mesh.vertices)
            base = low[low[:, 2] < low[:, 2].min() + 0.02]
            if not thing.wall and abs(base[:, 2].min()) < 0.005:
                rows.append([*base[:, :2].mean(0), np.ptp(base[:, :2], axis=0).mean() / 2])
        return np.array(rows).reshape(-1, 3)


def _linear_colors(mesh: Mesh) -> Float[ndarray, "n 3"]:
    """What share of the light each vertex gives back, from its sRGB colour; zero where the mesh has no colours."""
    if mesh.colors is None:
        return np.zeros((len(mesh.vertices), 3), np.float32)
    return ((mesh.colors / 255) ** 2.2 * MOST_ALBEDO).astype(np.float32)
