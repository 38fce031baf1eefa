"""Every stage as in the preview, with fewer steps. Apart from the pipeline: importing profiles imports torch, which the API must not."""

from __future__ import annotations

from dataclasses import replace

from workers.profiles import PREVIEW

SMALL = replace(
    PREVIEW,
    surface=replace(
        PREVIEW.surface, training=replace(PREVIEW.surface.training, steps=200, rays=768), photo_px=200, mesh_cells=96, faces=8000
    ),
    synthetic=replace(PREVIEW.synthetic, views=150, px=160, shading="vertex", backgrounds=40, textures=12),
    correspondence=replace(
        PREVIEW.correspondence,
        steps=220,
        network=replace(PREVIEW.correspondence.network, crop_px=96),
        threads=1,  # other tests run beside it: two take nearly twice the work for the same steps there
        optimiser=replace(PREVIEW.correspondence.optimiser, warmup=40, average=0.98),
        validate_every=110,
    ),
    validation=replace(PREVIEW.validation, views=2, overlays=2),
)
PROFILES = {"small": SMALL, "standard": SMALL}  # a draft that says nothing wants the second
