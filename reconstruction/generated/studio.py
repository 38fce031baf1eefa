"""Who stands where, and where the photographer goes: the capture's scene, its hand-held path, and the held-out shots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from reconstruction.generated.board import Board
from reconstruction.generated.scene import LensCamera, Light, Scene, Thing
from reconstruction.generated.shapes import box, disc, pebble
from reconstruction.generated.texture import Texture, make_texture, plain_texture
from reconstruction.rasterizers.cpu import CpuRasterizer
from reconstruction.scene import Camera, Lens, Mesh, RigidTransform
from reconstruction.scene.transforms import look_at

DISC_M = 0.03  # thickness of the turntable
ROOMY_M = 0.25  # objects larger than this are photographed from farther away
OBJECT = 0  # its place among the scene's things
UP = np.array([0.0, 0.0, 1.0])
Turn = tuple[float, float, float]
Visible = tuple[float, float]  # lowest and highest share of the object's outline that nothing hides
HALF_HIDDEN = 0.7  # below it what stands in front has to be large
UPRIGHT: Turn = (0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Arrangement:
    """What stands where on which table. Compared by identity: shots of one arrangement share its scene.

    turned_deg: on a turntable that has turned so far. The world stays with its disc, so that the room turns the other way.
    """

    world_from_obj: RigidTransform
    distractors: tuple[RigidTransform, ...]
    table_seed: int
    with_board: bool = True
    turned_deg: float | None = None


@dataclass(frozen=True)
class Shot:
    """One photo to take."""

    name: str
    arrangement: Arrangement
    cam_from_world: RigidTransform
    light: Light

    @property
    def cam_from_obj(self) -> RigidTransform:
        return self.cam_from_world @ self.arrangement.world_from_obj


def make_camera(width: int, height: int) -> tuple[Camera, Lens]:
    """Like a phone's main camera at this size; the principal point is a little off the middle."""
    focal = 0.82 * width
    camera = Camera(width, height, focal, focal * 1.002, 0.5 * width - 0.5 + 0.006 * width, 0.5 * height - 0.5 - 0.008 * height)
    return camera, Lens(-0.06, 0.035, 0.0006, -0.0004)


def standing(mesh: Mesh, x: float, y: float, yaw_deg: float, turned_deg: Turn = UPRIGHT) -> RigidTransform:
    """World pose of a mesh that touches the table from above, turned over about its own x, y and z before."""
    rotation = (Rotation.from_euler("z", yaw_deg, degrees=True) * Rotation.from_euler("xyz", turned_deg, degrees=True)).as_matrix()
    return RigidTransform(rotation, np.array([x, y, -(mesh.vertices @ rotation[2]).min()]))


class Studio:
    """Makes scenes and plans shots; everything follows from the seed.

    turned_deg: how the object lies, turned about its own x, y and z. setting: another table, walk and light for the same object.
    plain: neither object nor room has any texture.
    """

    def __init__(
        self, obj: Mesh, seed: int, turned_deg: Turn = UPRIGHT, setting: int = 0, *, plain: bool = False, board: Board = Board()
    ) -> None:
        self.obj, self.seed, self.turned_deg, self.setting, self.plain, self.board = obj, seed, turned_deg, setting, plain, board
        painted = make_texture(seed, patch_m=0.030, mark_m=0.017, contrast=0.55, saturation=0.75)
        self.object_texture = plain_texture(0.16) if plain else painted
        self.sheet = self.board.print(seed)
        small = [pebble(seed + 1, np.array([0.09, 0.07, 0.065])), box(np.array([0.07, 0.055, 0.085]))]
        self.distractors = [*small, box(np.ptp(obj.vertices, axis=0) * (0.55, 0.55, 0.85))]  # the last hides half of the object
        self.rest = standing(obj, 0.012, -0.009, 25.0, turned_deg)
        self.farther = max(1.0, obj.diameter / ROOMY_M)
        self._latest: tuple[Arrangement, Scene] | None = None

    def scene(self, arrangement: Arrangement) -> Scene:
        if self._latest is None or self._latest[0] is not arrangement:
            things = [Thing(self.obj, arrangement.world_from_obj, self.object_texture)]
            for k, (mesh, pose) in enumerate(zip(self.distractors, arrangement.distractors, strict=False)):
                things.append(Thing(mesh, pose, make_texture(self.seed + 20 + k, 0.025, 0.015)))
            things += self._surroundings(arrangement)
            self._latest = arrangement, Scene(things, self.board, self.sheet if arrangement.with_board else None)
        return self._latest[1]

    @property
    def _other_setting(self) -> list[int]:
        return [self.setting] if self.setting else []

    def _surroundings(self, arrangement: Arrangement) -> list[Thing]:
        seed, grey = arrangement.table_seed, plain_texture(0.5)
        table, walls, top = (grey, plain_texture(0.35), grey) if self.plain else (wood(seed), wallpaper(seed), felt(seed))
        still = ([] if self.plain else clutter(seed)) + room(table, walls)
        if arrangement.turned_deg is None:
            return still
        return [turntable(top)] + [turned(thing, arrangement.turned_deg) for thing in still]

    def path(self, count: int, from_above: int = 0) -> list[Shot]:
        """A hand-held walk: rings, low to high, each all round, with wobble in height, distance, aim and roll.

        Three rings, or two where few photos would leave too little overlap from one to the next. The last `from_above`
        photos make one more ring that looks into hollows.
        """
        rng = np.random.default_rng([self.seed, 1, *self._other_setting])
        heights = ((10, 27, 0.47), (30, 46, 0.43), (50, 65, 0.41)) if count >= 36 else ((15, 30, 0.46), (38, 58, 0.42))
        level = count - from_above
        rings = np.array_split(np.arange(level), (round(0.4 * level), round(0.76 * level)) if count >= 36 else 2)
        if from_above:
            heights, rings = (*heights, (70, 80, 0.42)), [*rings, np.arange(level, count)]
        places = (standing(self.distractors[0], 0.17, 0.16, 40.0), standing(self.distractors[1], -0.17, -0.17, 15.0))
        arrangement = Arrangement(self.rest, () if self.plain else places, self.seed + 100 + 1000 * self.setting)
        light = lamp(35.0 + 130 * self.setting, 52.0)
        shots = []
        for ring, (low, high, near) in zip(rings, heights, strict=True):
            phase = rng.uniform(0, 360)
            for k, index in enumerate(ring):
                turn = 360 * k / len(ring)
                elevation = (low + high) / 2 + (high - low) / 2 * np.sin(np.radians(2 * turn + phase)) + rng.normal(0, 1)
                azimuth = 200 + turn + 0.6 * low + rng.normal(0, 2.5)
                distance = self.farther * near * (1 + 0.13 * np.sin(np.radians(turn - phase)) + rng.normal(0, 0.03))
                target = self.rest.translation + rng.normal(0, 0.014, 3)
                pose = orbit(target, azimuth, max(9.0, elevation), distance, rng.normal(0, 4))
                shots.append(Shot(f"photo_{index:03d}", arrangement, pose, light))
        return shots

    def turntable_path(self, count: int, heights: int, turn_deg: float = 360.0) -> list[Shot]:
        """The camera on a tripod at a few heights in turn; the disc turns by `turn_deg` at each."""
        shots = []
        for height, members in enumerate(np.array_split(np.arange(count), heights)):
            elevation = 26.0 if heights == 1 else 18 + 36 * height / (heights - 1)
            cam_from_room = orbit(np.array([0.0, 0.01, 0.05]), 200.0, elevation, self.farther * (0.62 - 0.03 * height), 1.5)
            for k, index in enumerate(members):
                turn = turn_deg * k / len(members) + 5 * height
                room_from_world = RigidTransform(Rotation.from_euler("z", turn, degrees=True).as_matrix())
                light = lamp(35.0 - turn, 52.0)
                arrangement = Arrangement(self.rest, (), self.seed + 100, turned_deg=turn)
                shots.append(Shot(f"photo_{index:03d}", arrangement, cam_from_room @ room_from_world, light))
        return shots

    def held_out(self, index: int, camera: LensCamera, visible: Visible = (0.55, 1.1)) -> Shot:
        """Another viewpoint, another light, another table, the object turned and moved; every other shot has no board.

        The object is in view as a whole. Where `visible` ends below one, something stands between it and the camera.
        """
        rng = np.random.default_rng([self.seed, 2, index, *self._other_setting])
        coarse = LensCamera.behind(camera.resized(camera.width // 4, camera.height // 4), camera.lens)
        crowded = visible[1] < 1
        while True:
            x, y, yaw = rng.uniform((-0.05, -0.05, 0), (0.05, 0.05, 360))
            rest = standing(self.obj, x, y, yaw, self.turned_deg)
            azimuth, elevation = rng.uniform(0, 360), rng.uniform(14, 36 if crowded else 62)
            distance = self.farther * rng.uniform(0.42, 0.70)
            target = rest.translation + rng.uniform(-0.28, 0.28, 3) * distance * (0.7, 0.7, 0.4)
            cam_from_world = orbit(target, azimuth, elevation, distance, rng.normal(0, 8))
            light = lamp(rng.uniform(0, 360), rng.uniform(35, 70), rng)
            spots = [(0.24, 0.10), (-0.18, 0.22)]
            if crowded:  # one between the camera and the object, to one side
                spots[1] = around(azimuth + rng.choice([-1, 1]) * rng.uniform(4, 26), 0.145)
            if visible[1] < HALF_HIDDEN:
                spots = [(0.30, 0.10), (-0.22, 0.26), around(azimuth + rng.uniform(-25, 25), self._before_m)]
            places = tuple(
                standing(mesh, rest.translation[0] + x, rest.translation[1] + y, rng.uniform(0, 360))
                for mesh, (x, y) in zip(self.distractors, spots, strict=False)
            )
            arrangement = Arrangement(rest, places, self.seed + 300 + index, index % 2 == 0)
            shot = Shot(f"test_{index:03d}", arrangement, cam_from_world, light)
            depth = self._rasterizers[0].render(coarse, shot.cam_from_obj).depth
            whole = depth > 0
            if not whole.any() or whole[[0, -1]].any() or whole[:, [0, -1]].any():
                continue
            for rasterizer, place in zip(self._rasterizers[1:], places, strict=False):
                before = rasterizer.render(coarse, cam_from_world @ place).depth
                depth[(before > 0) & (before < depth)] = 0
            if visible[0] < (depth > 0).sum() / whole.sum() < visible[1]:
                return shot

    @cached_property
    def _rasterizers(self) -> list[CpuRasterizer]:
        """Of the object and what can stand before it, each alone: a shot is judged before its scene is built."""
        return [CpuRasterizer(mesh) for mesh in (self.obj, *self.distractors)]

    @property
    def _before_m(self) -> float:
        """So far from the object's middle the large thing before it does not touch it, however both are turned."""
        widths = [np.linalg.norm(np.ptp(mesh.vertices, axis=0)[:2]) for mesh in (self.obj, self.distractors[-1])]
        return float(sum(widths) / 2 + 0.01)


def around(azimuth_deg: float, distance: float) -> tuple[float, float]:
    """A place on the table, from the object's."""
    a = np.radians(azimuth_deg)
    return float(distance * np.cos(a)), float(distance * np.sin(a))


def orbit(target: Float[ndarray, "3"], azimuth_deg: float, elevation_deg: float, distance: float, roll_deg: float) -> RigidTransform:
    a, e = np.radians([azimuth_deg, elevation_deg])
    eye = target + distance * np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
    eye[2] = max(eye[2], 0.06)
    return look_at(eye, target, UP, roll_deg)


def lamp(azimuth_deg: float, elevation_deg: float, rng: np.random.Generator | None = None) -> Light:
    a, e = np.radians([azimuth_deg, elevation_deg])
    light = Light(np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)]))
    if rng is None:
        return light
    tint = 1 + rng.normal(0, 0.05, 3)
    return replace(light, strength=rng.uniform(0.45, 0.72), half_angle_deg=rng.uniform(1.5, 5), tint=tuple(tint.tolist()))


@lru_cache(maxsize=1)
def clutter(seed: int) -> list[Thing]:
    """Boxes and pebbles along the table's edge: landmarks for the cameras."""
    rng = np.random.default_rng([seed, 3])
    things = []
    for k, azimuth in enumerate(np.arange(0, 360, 36)):
        mesh = box(rng.uniform(0.08, 0.2, 3)) if k % 3 else pebble(seed + k, rng.uniform(0.1, 0.18, 3), 0.008)
        a = np.radians(azimuth + rng.uniform(-10, 10))
        pose = standing(mesh, 0.88 * np.cos(a), 0.80 * np.sin(a), rng.uniform(0, 360))
        things.append(Thing(mesh, pose, make_texture(seed + 40 + k, 0.05, 0.035, saturation=0.4)))
    return things


def room(table_texture: Texture, wall_texture: Texture) -> list[Thing]:
    table, walls = box(np.array([2.1, 1.95, 0.04])), box(np.array([4.4, 4.0, 2.7]))
    return [
        Thing(table, RigidTransform(translation=np.array([0, 0, -0.04])), table_texture),
        Thing(walls, RigidTransform(translation=np.array([0.2, 0.1, -0.75])), wall_texture, wall=True),
    ]


def wood(seed: int) -> Texture:
    return make_texture(seed + 60, 0.22, 0.05, contrast=0.75, saturation=0.16, brightness=0.26, spread=0.3)


def wallpaper(seed: int) -> Texture:
    return make_texture(seed + 61, 0.5, 0.22, contrast=0.6, saturation=0.2, spread=0.4)


def felt(seed: int) -> Texture:
    return make_texture(seed + 70, 0.05, 0.02, saturation=0.3)


def turntable(texture: Texture) -> Thing:
    """A disc whose top is z = 0; it lifts what stands on it off the table."""
    return Thing(disc(0.25, DISC_M), RigidTransform(translation=np.array([0, 0, -DISC_M])), texture)


def turned(thing: Thing, turned_deg: float) -> Thing:
    """A thing of the room below the turntable, in the frame of its disc."""
    world_from_room = RigidTransform(Rotation.from_euler("z", -turned_deg, degrees=True).as_matrix(), np.zeros(3))
    lower = RigidTransform(translation=np.array([0, 0, -DISC_M]))
    return replace(thing, world_from_thing=world_from_room @ lower @ thing.world_from_thing)
