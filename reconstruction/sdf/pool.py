"""The training pixels of all photos in one flat store, on the device that trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from reconstruction.sdf.plain import find_plain
from reconstruction.sdf.sampling import place_samples

if TYPE_CHECKING:
    from reconstruction.scene import Similarity
    from reconstruction.sdf.rays import Window

_CHUNK = 65536


@dataclass(frozen=True, eq=False)
class Batch:
    """origins, directions: unit cube. colours, plain: [0, 1]. window: the index of the photo."""

    origins: Float[Tensor, "r 3"]
    directions: Float[Tensor, "r 3"]
    colours: Float[Tensor, "r 3"]
    labels: UInt8[Tensor, "r"]
    plain: Float[Tensor, "r"]
    window: Int[Tensor, "r"]

    def where(self, kept: Bool[Tensor, "r"]) -> Batch:
        (index,) = torch.nonzero(kept, as_tuple=True)  # once for all: each such look makes a GPU's host wait
        return Batch(*(getattr(self, f.name)[index] for f in fields(self)))


@dataclass(frozen=True, eq=False)
class RayPool:
    """All training pixels, flat."""

    centres: Float[Tensor, "v 3"]
    window: Int[Tensor, "n"]
    directions: Float[Tensor, "n 3"]
    colours: UInt8[Tensor, "n 3"]
    labels: UInt8[Tensor, "n"]
    plain: UInt8[Tensor, "n"]

    @classmethod
    def fill(
        cls, windows: Sequence[Window], unit_from_obj: Similarity, distances: Float[Tensor, "side side side"], reach: float
    ) -> RayPool:
        """Keeps the pixels whose rays come within `reach` (cube units) of the hull; no other can tell anything.

        `distances` of the hull at the grid nodes; the pool comes to lie on their device.
        """
        device = distances.device
        centres, rows = [], []
        for index, window in enumerate(windows):
            centre, directions = (torch.from_numpy(array).to(device) for array in window.rays(unit_from_obj))
            near = pass_near(centre, directions, distances, reach)
            photo, labels = (torch.from_numpy(array).to(device) for array in (window.photo, window.labels))
            centres.append(centre)
            rows.append(pool_rows(index, near, directions, photo, labels))
        return cls(torch.stack(centres), *(torch.cat(column) for column in zip(*rows, strict=True)))

    def draw(self, count: int, rng: torch.Generator) -> Batch:
        """Any pixels, each as likely as the other; `rng` of the pool's device."""
        pick = torch.randint(len(self.labels), (count,), generator=rng, device=self.labels.device)
        window = self.window[pick].long()
        colours, plain = self.colours[pick].float() / 255, self.plain[pick].float() / 255
        return Batch(self.centres[window], self.directions[pick], colours, self.labels[pick], plain, window)


def pool_rows(
    index: int, near: Bool[Tensor, "n"], directions: Float[Tensor, "n 3"], photo: UInt8[Tensor, "h w 3"], labels: UInt8[Tensor, "h w"]
) -> tuple[Tensor, ...]:
    """What the pool keeps of a photo's `near` pixels: all of its columns but the centres."""
    window = near.new_full((int(near.sum()),), index, dtype=torch.int32)
    plain = (255 * find_plain(photo, labels)).to(torch.uint8)
    return window, directions[near], photo.reshape(-1, 3)[near], labels.reshape(-1)[near], plain.reshape(-1)[near]


def pass_near(
    centre: Float[Tensor, "3"], directions: Float[Tensor, "n 3"], distances: Float[Tensor, "side side side"], reach: float
) -> Bool[Tensor, "n"]:
    """Which rays from `centre` come within `reach` of the surface whose `distances` are given at the grid nodes."""
    parts = []
    for part in torch.split(directions, _CHUNK):
        origins, start = centre.expand_as(part).contiguous(), part.new_zeros(len(part), 1)
        parts.append(place_samples(origins, part, distances, torch.tensor(reach), start)[1])
    return torch.cat(parts)
