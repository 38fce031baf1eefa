"""Poses as rows of a BOP results file, for callers that would rather have them than JSON."""

from __future__ import annotations

import csv
import io

from python_multipart.multipart import parse_options_header

from service.options import EstimateOptions
from service.problems import NotAcceptable
from service.schemas import Estimate

MEDIA_TYPE = "text/csv"
HEADER = ("scene_id", "im_id", "obj_id", "score", "R", "t", "time")


def wants_rows(accept: str) -> bool:
    """Whether an Accept header likes CSV better than JSON. JSON, where it does not say."""
    liking = {"application/json": 0.0, MEDIA_TYPE: 0.0}
    for one in accept.split(","):
        kind, options = parse_options_header(one.strip())
        try:
            liking[kind.decode(errors="replace")] = float(options.get(b"q", b"1"))
        except ValueError:
            continue
    return liking[MEDIA_TYPE] > max(liking["application/json"], 0.0)


def bop_rows(answer: Estimate, options: EstimateOptions) -> str:
    """The header and one row a pose: R row by row, t in millimetres, time in seconds, of the whole question.

    scene_id, im_id and obj_id are those in `options.bop`: 0, 0 and the object's place in object_ids, from 1, where they are not given.
    Raises NotAcceptable where the poses are not in metres: then there are no millimetres.
    """
    if answer.units != "m":
        raise NotAcceptable(
            "BOP rows are in millimetres, and the object's size in metres is unknown",
            try_next="ask for application/json, or onboard the object with a source of scale",
        )
    numbers = options.bop.obj_ids or list(range(1, len(options.object_ids) + 1))
    obj_id = dict(zip(options.object_ids, numbers, strict=True))
    seconds = answer.timing_ms["total"] / 1000
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for pose in answer.poses:
        turn, shift = " ".join(f"{v:.9g}" for v in pose.R), " ".join(f"{1000 * v:.9g}" for v in pose.t)
        where = (options.bop.scene_id, options.bop.im_id, obj_id[pose.object_id])
        writer.writerow((*where, f"{pose.score:.9g}", turn, shift, f"{seconds:.6g}"))
    return out.getvalue()
