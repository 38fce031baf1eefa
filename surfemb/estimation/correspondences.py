"""Crop -> for every pixel a mask probability and a distribution over the object's surface."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from scipy.spatial import cKDTree
from torch import Tensor

from reconstruction.scene import Camera, Crop, Mesh
from reconstruction.scene.edges import Edges

NEIGHBOURS = 32
STRIDE = 2  # crop pixels from one used to the next
MIN_MASK = 0.05  # pixels less likely to show the object say nothing about its pose


class QueryModel(Protocol):
    """What the estimation asks of the trained networks."""

    def query(self, crops: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, "b h w e"]]: ...

    def key(self, points_obj: Float[Tensor, "n 3"]) -> Float[Tensor, "n e"]: ...


@dataclass(frozen=True, eq=False)
class Surface:
    """Points spread evenly over the mesh: (m, 3) metres in the object frame, outward unit normals, keys (m, e)."""

    mesh: Mesh
    points: Float[ndarray, "m 3"]
    normals: Float[ndarray, "m 3"]
    keys: Float[ndarray, "m e"]

    @cached_property
    def tree(self) -> cKDTree:
        return cKDTree(self.points)

    @cached_property
    def edges(self) -> Edges:
        return Edges.of(self.mesh)

    @cached_property
    def neighbours(self) -> Int[ndarray, "m k"]:
        """Of each point: itself and the nearest others."""
        return np.asarray(self.tree.query(self.points, k=min(NEIGHBOURS, len(self.points)))[1], np.int32)


def sample_surface(mesh: Mesh, model: QueryModel, count: int, seed: int = 0) -> Surface:
    """`count` points by farthest-point sampling of a denser area-weighted draw: no clumps, no holes."""
    candidates, face = mesh.sample(4 * count, seed)
    chosen = farthest_points(candidates, count)
    points = candidates[chosen]
    with torch.inference_mode():
        keys = model.key(torch.from_numpy(points.astype(np.float32))).float().numpy()
    return Surface(mesh, points, mesh.face_normals[face[chosen]], np.ascontiguousarray(keys))


def farthest_points(points: Float[ndarray, "n 3"], count: int) -> ndarray:
    """Indices of `count` points, each the farthest from all before it."""
    compact = points.astype(np.float32)
    distance = np.full(len(points), np.inf, np.float32)
    chosen = np.zeros(min(count, len(points)), np.int64)
    for i in range(1, len(chosen)):
        offset = compact - compact[chosen[i - 1]]
        np.minimum(distance, np.einsum("nk,nk->n", offset, offset), out=distance)
        chosen[i] = distance.argmax()
    return chosen


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the networks say about one crop, at every second pixel of each axis: camera (its pixels are exactly those).

    mask: probability that the pixel shows the object; fine_mask: at every pixel of the crop. known: pixels that lie in the image; beyond
    it nothing is said. The other fields are for the n pixels that may show the object at all: rows and columns in `mask`, log-probability
    of every surface point.
    """

    crop: Crop
    camera: Camera
    mask: Float[ndarray, "h w"]
    fine_mask: Float[ndarray, "H W"]
    known: Bool[ndarray, "h w"]
    rows: Int[ndarray, "n"]
    columns: Int[ndarray, "n"]
    log_probability: Float[ndarray, "n m"]

    @property
    def pixels(self) -> Float[ndarray, "n 2"]:
        return np.stack([self.columns, self.rows], -1).astype(float)

    @property
    def weights(self) -> Float[ndarray, "n"]:
        """Mask probability of the n pixels."""
        return self.mask[self.rows, self.columns]

    @cached_property
    def likeliest(self) -> Int[ndarray, "n"]:
        """The most likely surface point of each of the n pixels."""
        return self.log_probability.argmax(1)

    def visible(self, crop: Crop) -> Float[ndarray, "s s"]:
        """The mask, seen by another crop of the same camera."""
        homography = crop.homography @ np.linalg.inv(replace(self.crop, camera=self.camera).homography)
        return np.asarray(cv2.warpPerspective(self.mask, homography, (crop.camera.width, crop.camera.height)))


def make_evidence(surface: Surface, crop: Crop, mask: Float[ndarray, "H W"], queries: Float[ndarray, "H W e"]) -> Evidence:
    """mask, queries: at every pixel of the crop, as the networks give them."""
    thinned = np.ascontiguousarray(mask[::STRIDE, ::STRIDE])
    rows, columns = np.nonzero(thinned > MIN_MASK)
    similarity = torch.from_numpy(queries[STRIDE * rows, STRIDE * columns]) @ torch.from_numpy(surface.keys).T
    camera = thin(crop.camera, STRIDE)
    known, log_probability = in_source(replace(crop, camera=camera)), torch.log_softmax(similarity, 1).numpy()
    return Evidence(crop, camera, thinned, mask, known, rows, columns, log_probability)


def in_source(crop: Crop) -> Bool[ndarray, "h w"]:
    """Pixels of the crop that see a part of the source image."""
    return crop.source.contains(crop.source.project(crop.crop_from_cam.inverse().apply(crop.camera.rays())))


def thin(camera: Camera, stride: int) -> Camera:
    """The camera of every `stride`-th pixel: its pixel (i, j) is the pixel (stride i, stride j) of `camera`."""
    width, height = -(-camera.width // stride), -(-camera.height // stride)
    return Camera(width, height, camera.fx / stride, camera.fy / stride, camera.cx / stride, camera.cy / stride)


def query_pixels(model: QueryModel, pixels: UInt8[ndarray, "b h w 3"]) -> tuple[Float[ndarray, "b h w"], Float[ndarray, "b h w e"]]:
    """Mask probabilities and query embeddings of RGB crops."""
    with torch.inference_mode():
        logits, queries = model.query(as_crops(pixels))
        return torch.sigmoid(logits.float()).numpy(), queries.float().contiguous().numpy()


def as_crops(pixels: UInt8[ndarray, "b h w 3"]) -> Float[Tensor, "b 3 h w"]:
    """In [0, 1], as the networks take them; permuted only, so it stays channels-last."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
