"""Crop -> for every pixel a mask probability and a distribution over the object's surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from scipy.spatial import cKDTree
from torch import Tensor

from reconstruction.scene import Crop, Mesh

NEIGHBOURS = 32
_CHUNK = 1024  # pixels whose similarities to every surface point are held at once


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
    def neighbours(self) -> Int[ndarray, "m k"]:
        """Of each point: itself and the nearest others."""
        return self.tree.query(self.points, k=min(NEIGHBOURS, len(self.points)))[1].astype(np.int32)


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
    """What the networks say about one crop; all maps at the crop's own pixels.

    mask: probability that the pixel shows the object. queries: per pixel embedding. log_norm: log-sum-exp of the
    similarities to all surface points, so that `query . key - log_norm` is the log-probability of a surface point.
    """

    crop: Crop
    mask: Float[ndarray, "h w"]
    queries: Float[ndarray, "h w e"]
    log_norm: Float[ndarray, "h w"]

    def log_probability(self, surface: Surface, rows: ndarray, columns: ndarray) -> Float[ndarray, "n m"]:
        """Of every surface point at the given pixels."""
        similarity = torch.from_numpy(self.queries[rows, columns]) @ torch.from_numpy(surface.keys).T
        return (similarity - torch.from_numpy(self.log_norm[rows, columns])[:, None]).numpy()


def observe(model: QueryModel, surface: Surface, image: UInt8[ndarray, "h w 3"], crops: Sequence[Crop]) -> list[Evidence]:
    """Runs the query network on equally large crops of an image."""
    pixels = np.stack([crop.warp(image) for crop in crops])
    masks, queries = query_pixels(model, pixels)
    return [
        Evidence(crop, mask, query, log_normaliser(query, surface.keys, mask > 0.02))
        for crop, mask, query in zip(crops, masks, queries, strict=True)
    ]


def query_pixels(
    model: QueryModel, pixels: UInt8[ndarray, "b h w 3"]
) -> tuple[Float[ndarray, "b h w"], Float[ndarray, "b h w e"]]:
    """Mask probabilities and query embeddings of RGB crops."""
    with torch.inference_mode():
        crops = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255  # permuted only: stays channels-last
        logits, queries = model.query(crops)
        return torch.sigmoid(logits.float()).numpy(), queries.float().contiguous().numpy()


def log_normaliser(queries: Float[ndarray, "h w e"], keys: Float[ndarray, "m e"], wanted: ndarray) -> Float[ndarray, "h w"]:
    """log-sum-exp over all keys where `wanted`; elsewhere an upper bound, which makes every probability there tiny."""
    rows = torch.from_numpy(queries[wanted])
    transposed = torch.from_numpy(keys).T
    bound = np.linalg.norm(queries, axis=-1) * np.linalg.norm(keys, axis=-1).max() + np.log(len(keys))
    out = bound.astype(np.float32)
    if len(rows):
        out[wanted] = torch.cat([torch.logsumexp(part @ transposed, 1) for part in rows.split(_CHUNK)]).numpy()
    return out
