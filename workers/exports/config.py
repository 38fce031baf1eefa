"""How exports are made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportsConfig:
    """The texture carries what the mesh loses: half a millimetre a texel on an object of 20 cm, as fine as photos show it.

    bop_photo_px: longer sides of photos are shrunk to it, which bounds the zip: a third of a megabyte a photo.
    density_kg_m3: of the whole body; water, until it is weighed. mass_kg: as weighed, in place of it.
    """

    obj_faces: int = 16_000
    texture_px: int = 1024
    bop_photo_px: int = 1280
    density_kg_m3: float = 1000.0
    mass_kg: float | None = None
