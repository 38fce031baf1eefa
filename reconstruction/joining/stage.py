"""The stages of a joined object that take the place of those before the surface: `join`, and `scale` from both captures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from reconstruction.capture_warnings import capture_warning
from reconstruction.errors import JoinError
from reconstruction.joining.carving import carve_joined, in_frame
from reconstruction.joining.half import Half
from reconstruction.joining.join import JoinConfig, join_captures
from reconstruction.scale.source import ScaleConfig
from reconstruction.scene import Similarity
from reconstruction.scene.view import save_views
from reconstruction.stage import Quality, Stage, StageContext
from reconstruction.workspace import Workspace

WORTH_SAYING, TOO_MUCH = 0.02, 0.10  # by which the metres of the two captures may differ


def compare_scales(first: Half, second: Half, first_from_second: Similarity) -> str:
    """What to say of two metric scales that disagree; empty where there is nothing to say. Raises JoinError where they disagree much."""
    off = abs(first_from_second.scale - 1) if first.metric and second.metric else 0.0
    if off > TOO_MUCH:
        raise JoinError(
            f"the two captures' metric scales differ by {100 * off:.0f} %",
            try_next="check the sizes that were given for tags, board, depth or length; if in doubt give the second capture none",
        )
    return f"the second capture's metres are {100 * off:.1f} % off the first's, which are kept" if off > WORTH_SAYING else ""


def common_frame(first: Half, second: Half, first_from_second: Similarity) -> tuple[Similarity, Similarity]:
    """obj_from_first, obj_from_second: the first capture's frame, in the second's metres where only that one has any."""
    scale = 1 / first_from_second.scale if second.metric and not first.metric else 1.0
    obj_from_first = Similarity(scale)
    return obj_from_first, obj_from_first @ first_from_second


def run_join(config: JoinConfig, context: StageContext) -> Quality:
    first, second = (Half.load(source) for source in context.workspace.sources)
    joint = join_captures(first, second, config, context.progress)
    said = compare_scales(first, second, joint.first_from_second)
    (context.out / context.workspace.joint.name).write_text(json.dumps(joint.to_json(), indent=1))
    numbers = {name: value for name, value in joint.to_json().items() if name != "first_from_second"}
    scale = {"scale": round(joint.first_from_second.scale, 5)}
    warnings = [capture_warning("scales-differ", said)] if said else []
    return {**numbers, **scale, "warnings": warnings}


def run_scale(config: ScaleConfig, context: StageContext) -> Quality:
    workspace = context.workspace
    first, second = (Half.load(source) for source in workspace.sources)
    joint = json.loads(workspace.joint.read_text())
    frames = common_frame(first, second, Similarity.from_json(joint["first_from_second"]))

    context.progress(0, 1, "carving the hull of both captures")
    hull = carve_joined(first, second, *frames, config.hull_resolution)
    views = [
        replace(view, name=f"{name}_{view.name}")
        for name, half, frame in zip(("first", "second"), (first, second), frames, strict=True)
        for view in in_frame(half, frame)
    ]
    save_views(context.out / workspace.views.name, views)
    hull.save(context.out / workspace.hull.name)
    doc = _scale_record(workspace, first, second, frames[0])
    (context.out / workspace.scale.name).write_text(json.dumps(doc, indent=1))
    if workspace.sources[0].board_from_obj.exists():
        (context.out / workspace.board_from_obj.name).write_bytes(workspace.sources[0].board_from_obj.read_bytes())
    low, high = hull.bounds()
    return {**{key: doc[key] for key in ("source", "units", "rel_std")}, "hull_extents": [round(float(v), 5) for v in high - low]}


def _scale_record(workspace: Workspace, first: Half, second: Half, obj_from_first: Similarity) -> dict[str, Any]:
    """scale.json: how the metres are known, from the capture that they come from."""
    own, other = (json.loads(source.scale.read_text()) for source in workspace.sources)
    known = other if second.metric and not first.metric else own
    obj_from_sfm = obj_from_first @ Similarity.from_json(own["obj_from_sfm"])
    # the digest makes later stages run again when any photo or mask of either capture changes
    return {**{key: known[key] for key in ("source", "units", "rel_std")}, "obj_from_sfm": obj_from_sfm.to_json()} | {
        "sources": workspace.digest("sources")
    }


JOIN: Stage[JoinConfig] = Stage("join", 1, ("sources",), run_join)
JOINED_SCALE: Stage[ScaleConfig] = Stage("scale", 1, ("sources", "join"), run_scale)
