"""Training samples: a view through a jittered virtual camera, other surroundings, things in front, and the truth of every pixel.

Real and rendered views go the same way. What a pixel sees always comes from the mesh, rasterized at that very virtual camera;
a real photo's mask says which of it is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy.spatial import ConvexHull

from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Crop, Mesh, RigidTransform, View
from surfemb.samples.augment import AugmentConfig, Augmenter
from surfemb.samples.backgrounds import Backgrounds
from surfemb.samples.looks import LooksConfig, change_looks
from surfemb.samples.occluders import Occluder, random_occluder
from surfemb.samples.viewpoints import Box, projected_box


@dataclass(frozen=True)
class CropConfig:
    """padding: crop side over the object's longer side. offset: standard deviation of the object's place, in crop sides.

    real_share: of the samples that come from photos; of those `p_keep` keep their surroundings. roll_deg: 180 is any in-plane turn.
    stored_px, stored_padding: how much of a photo around the object is kept in memory. occluder_area: over the object's box.
    coordinate_noise: standard deviation over the object's radius. p_cut: of samples that reach over an image's border, black beyond it.
    """

    padding: tuple[float, float] = (1.05, 1.7)
    offset: float = 0.08
    roll_deg: float = 45.0
    real_share: float = 0.5
    p_keep: float = 0.5
    p_negative: float = 0.08
    p_occlude: float = 0.5
    p_cut: float = 0.1
    occluder_area: tuple[float, float] = (0.1, 0.7)
    least_visible: float = 0.2
    coordinate_noise: float = 1e-3
    stored_px: int = 320
    stored_padding: float = 2.4
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass(frozen=True, eq=False)
class CropSample:
    """image: RGB. mask: pixels where the object is visible. coordinates: metres, object frame, zero off the mask.

    camera and crop_from_obj: of the crop; None where there is no object.
    """

    image: UInt8[ndarray, "s s 3"]
    mask: Bool[ndarray, "s s"]
    coordinates: Float[ndarray, "s s 3"]
    camera: Camera | None = None
    crop_from_obj: RigidTransform | None = None


@dataclass(frozen=True, eq=False)
class _Source:
    """An encoded picture of the object with its mask: a hundred photos or a thousand renders fit into memory."""

    camera: Camera
    cam_from_obj: RigidTransform
    photo: bytes
    mask: bytes

    def pixels(self) -> tuple[UInt8[ndarray, "h w 3"], UInt8[ndarray, "h w"]]:
        photo = cv2.imdecode(np.frombuffer(self.photo, np.uint8), cv2.IMREAD_COLOR_RGB)
        mask = cv2.imdecode(np.frombuffer(self.mask, np.uint8), cv2.IMREAD_GRAYSCALE)
        return np.asarray(photo), np.asarray(mask)


class CropSampler:
    """`sample(index)` is the same for the same index, whoever asks and when."""

    def __init__(
        self,
        mesh: Mesh,
        real: Sequence[View],
        rendered: Sequence[View],
        backgrounds: Backgrounds,
        crop_px: int,
        config: CropConfig = CropConfig(),
        looks: LooksConfig = LooksConfig(),
        seed: int = 0,
        rasterizer: str = "cpu",
    ) -> None:
        self.config, self.looks, self.crop_px, self.seed, self.backgrounds = config, looks, crop_px, seed, backgrounds
        self.mesh = mesh
        self.outline = mesh.vertices[ConvexHull(mesh.vertices).vertices]
        self.rasterizer = make_rasterizer(mesh, rasterizer)
        self.normals = mesh.vertex_normals.astype(np.float32)
        self.real = [source for view in real if (source := self._stored(view)) is not None]
        self.rendered = [
            _Source(view.camera, view.cam_from_world, view.photo_path.read_bytes(), view.mask_path.read_bytes())
            for view in rendered
            if view.mask_path is not None
        ]
        self.augmenter = Augmenter(config.augment)

    def sample(self, index: int) -> CropSample:
        rng = np.random.default_rng((self.seed, index))
        if rng.random() < self.config.p_negative:
            return self._without_object(rng)
        real = bool(self.real) and (not self.rendered or rng.random() < self.config.real_share)
        group = self.real if real else self.rendered
        source = group[int(rng.integers(len(group)))]
        crop = self._jittered_crop(source, rng)
        crop_from_obj = crop.crop_from_cam @ source.cam_from_obj
        raster = self.rasterizer.render(crop.camera, crop_from_obj)
        photo, mask = source.pixels()
        keep = real and rng.random() < self.config.p_keep
        normals = self.normals @ crop_from_obj.rotation.T.astype(np.float32)
        look = partial(
            change_looks, raster=raster, normals_crop=normals, config=self.looks, rng=np.random.default_rng((self.seed, index, 1))
        )
        image, alpha = self._paste(crop, photo, mask, look, keep, rng)
        visible = (alpha > 127) & raster.mask
        if rng.random() < self.config.p_occlude:
            image, visible = self._hide_some(image, visible, raster.mask, rng)
        image = self.augmenter(image, rng)
        if rng.random() < self.config.p_cut:
            image, visible = self._cut_off(image, visible, rng)
        return CropSample(image, visible, raster.coordinates() * visible[..., None], crop.camera, crop_from_obj)

    def plain(self, view: View, padding: float) -> CropSample | None:
        """The view's photo as an estimate would crop it around the whole object; None where that is not in front of the camera."""
        box, mask = projected_box(view.camera, view.cam_from_world, self.outline), view.mask()
        if box is None or mask is None:
            return None
        crop = view.camera.crop_towards(box, self.crop_px, padding)
        crop_from_obj = crop.crop_from_cam @ view.cam_from_world
        raster = self.rasterizer.render(crop.camera, crop_from_obj)
        visible = (crop.warp(mask.astype(np.uint8) * 255) > 127) & raster.mask
        return CropSample(crop.warp(view.photo()), visible, raster.coordinates() * visible[..., None], crop.camera, crop_from_obj)

    def _stored(self, view: View) -> _Source | None:
        """The part of a photo that crops around the object can reach."""
        box, mask = projected_box(view.camera, view.cam_from_world, self.outline), view.mask()
        if box is None or mask is None or not mask.any():
            return None
        crop = view.camera.crop_towards(box, self.config.stored_px, self.config.stored_padding)
        photo = cv2.imencode(".jpg", cv2.cvtColor(crop.warp(view.photo()), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
        small_mask = cv2.imencode(".png", crop.warp(mask.astype(np.uint8) * 255))[1]
        return _Source(crop.camera, crop.crop_from_cam @ view.cam_from_world, photo.tobytes(), small_mask.tobytes())

    def _jittered_crop(self, source: _Source, rng: np.random.Generator) -> Crop:
        box = projected_box(source.camera, source.cam_from_obj, self.outline)
        assert box is not None, "a source is only kept when the whole object is in front of its camera"
        padding = rng.uniform(*self.config.padding)
        roll = rng.uniform(-self.config.roll_deg, self.config.roll_deg)
        side = max(box[2] - box[0], box[3] - box[1])
        shift = np.clip(rng.normal(0, self.config.offset, 2), -0.35, 0.35) * side * padding
        moved: Box = (box[0] + shift[0], box[1] + shift[1], box[2] + shift[0], box[3] + shift[1])
        return source.camera.crop_towards(moved, self.crop_px, padding, roll)

    def _paste(
        self, crop: Crop, photo: ndarray, mask: ndarray, look: Callable[[ndarray], ndarray], keep: bool, rng: np.random.Generator
    ) -> tuple[UInt8[ndarray, "s s 3"], UInt8[ndarray, "s s"]]:
        """The photo in the crop, on other surroundings unless `keep`; and the mask there, 255 on the object."""
        if keep:
            return look(crop.warp(photo)), crop.warp(mask)
        object_only = cv2.bitwise_and(photo, photo, mask=(mask > 127).astype(np.uint8))
        pixels = crop.warp(cv2.merge([*cv2.split(object_only), mask]))
        alpha = pixels[..., 3]
        front = cv2.min(look(pixels[..., :3]), cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB))  # at its edge a pixel has a part of the object only
        behind = self.backgrounds.pick(rng, self.crop_px, self.crop_px)
        clear = cv2.cvtColor(255 - alpha, cv2.COLOR_GRAY2RGB)
        return cv2.add(front, cv2.multiply(behind, clear, scale=1 / 255)), alpha

    def _hide_some(
        self, image: UInt8[ndarray, "s s 3"], visible: Bool[ndarray, "s s"], whole: Bool[ndarray, "s s"], rng: np.random.Generator
    ) -> tuple[UInt8[ndarray, "s s 3"], Bool[ndarray, "s s"]]:
        """With one or two things in front; as it was where too little of the object would be left."""
        hidden_image, hidden_visible = image, visible
        for _ in range(1 + int(rng.random() < 0.3)):
            occluder = random_occluder(whole, self.config.occluder_area, self.backgrounds, rng)
            hidden_image, hidden_visible = occluder.over(hidden_image), hidden_visible & ~occluder.covers
        if hidden_visible.sum() < self.config.least_visible * max(visible.sum(), 1):
            return image, visible
        return hidden_image, hidden_visible

    def _cut_off(
        self, image: UInt8[ndarray, "s s 3"], visible: Bool[ndarray, "s s"], rng: np.random.Generator
    ) -> tuple[UInt8[ndarray, "s s 3"], Bool[ndarray, "s s"]]:
        """As an estimate crops at an image's border: black beyond it, and of the object some part on either side."""
        angle, kept = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 0.95)
        rows, columns = np.indices(visible.shape)
        along = np.cos(angle) * columns + np.sin(angle) * rows
        inside = along < np.quantile(along[visible], kept) if visible.any() else np.ones_like(visible)
        return image * inside[..., None], visible & inside

    def _without_object(self, rng: np.random.Generator) -> CropSample:
        side = self.crop_px
        image = self.backgrounds.pick(rng, side, side, own_share=0.8)
        if rng.random() < 0.5:
            everything = np.ones((side, side), bool)
            occluder: Occluder = random_occluder(everything, self.config.occluder_area, self.backgrounds, rng)
            image = occluder.over(image)
        nothing = np.zeros((side, side), bool)
        return CropSample(self.augmenter(image, rng), nothing, np.zeros((side, side, 3), np.float32))
