"""The last stage. A trained object is worth more than any file made from it: what can't be exported is said, and nothing fails."""

from __future__ import annotations

import json
import shutil
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from reconstruction.capture_warnings import CaptureWarning, capture_warning
from reconstruction.errors import InputError, PipelineError, StorageError
from reconstruction.stage import Progress, Quality, Stage, StageContext, part_of, silent
from reconstruction.workspace import Workspace
from workers.exports.config import ExportsConfig
from workers.exports.finished import Finished
from workers.exports.writers import EXPORTS, Export, Files, body, box

NAMES = tuple(export.name for export in EXPORTS)
OF_THE_STAGE = ("obj", "urdf", "bop", "ros2")  # PLY and GLB are the surface's own
MOST_TRIES = 2  # of an export that takes the whole process with it


def make_exports(
    finished: Finished, names: Collection[str], config: ExportsConfig, out: Path, progress: Progress = silent, scratch: Path | None = None
) -> dict[str, Any]:
    """Writes the exports of these names into `out`, with exports.json, whose content it returns.

    What can't be made is in its `left_out`. scratch: a folder that outlives this process, to find out what ended it.
    """
    files: Files = {}
    left_out: dict[str, dict[str, str]] = {}
    wanted = {*names, *(need for one in EXPORTS if one.name in names for need in one.needs)}
    for export, told in _shared([one for one in EXPORTS if one.name in wanted], progress):
        try:
            _check_needs(export, left_out)
            files |= _made(export, finished, config, out, told, scratch)
        except (OSError, StorageError):
            raise
        except PipelineError as error:
            left_out[export.name] = {"what": error.what, "try_next": error.try_next}
        except Exception as error:
            traceback.print_exc()
            left_out[export.name] = {"what": f"{type(error).__name__}: {error}", "try_next": "the log of the exports tells more"}
    document = describe(finished, config, files, left_out)
    (out / "exports.json").write_text(json.dumps(document, indent=1))
    return document


def _check_needs(export: Export, left_out: Collection[str]) -> None:
    missing = [need for need in export.needs if need in left_out]
    if missing:
        raise PipelineError(f"it needs {', '.join(missing)}, which could not be made", try_next="see why that is left out")


def make_export(export: Export, finished: Finished, config: ExportsConfig, out: Path, progress: Progress) -> Files:
    """All files of one export or none. Raises InputError where it claims metres and there are none."""
    if export.metric and not finished.metric:
        raise InputError(
            "the object's scale is not known, so nothing in metres can be made",
            try_next="give tags, a board, depth or a known length, and onboard again: the cameras are kept",
        )
    part = out / f".{export.name}"
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        files = export.make(finished, config, part, progress)
        for name in files:
            (part / name).replace(out / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return files


def describe(finished: Finished, config: ExportsConfig, files: Files, left_out: dict[str, dict[str, str]]) -> dict[str, Any]:
    """The content of exports.json."""
    document: dict[str, Any] = {
        "files": files,
        "left_out": left_out,
        "frame": "the object's, as in cam_from_obj of estimates: z up from what it stood on, the origin in the middle of its box",
        "scale": finished.scale,
        "box": box(finished),
        "diameter": finished.mesh.diameter,
    }
    if "object.urdf" in files:
        found = body(finished, config)
        moments = {"centre_m": found.centre.tolist(), "inertia_kg_m2": found.inertia.tolist()}
        document["body"] = {"mass_kg": found.mass_kg, "volume_m3": found.volume_m3, "density_kg_m3": found.density_kg_m3, **moments}
    return document


def warnings_of(left_out: dict[str, dict[str, str]]) -> list[CaptureWarning]:
    """One a reason."""
    reasons: dict[str, list[str]] = {}
    for name, why in left_out.items():
        reasons.setdefault(why["what"], []).append(name)
    return [capture_warning("not-exported", f"not exported: {', '.join(names)} ({what})") for what, names in reasons.items()]


def _made(export: Export, finished: Finished, config: ExportsConfig, out: Path, progress: Progress, scratch: Path | None) -> Files:
    """Raises PipelineError where it has ended the process as often as may be."""
    if scratch is None:
        return make_export(export, finished, config, out, progress)
    tries = scratch / f"{export.name}.tries"
    so_far = len(tries.read_text()) if tries.exists() else 0
    if so_far >= MOST_TRIES:
        raise PipelineError(f"{export.name} ended its process {so_far} times", try_next="snap6d export tries it again")
    tries.write_text("x" * (so_far + 1))
    files = make_export(export, finished, config, out, progress)
    tries.unlink()
    return files


def _shared(exports: list[Export], progress: Progress) -> Iterator[tuple[Export, Progress]]:
    """Each with its part of the progress."""
    total, done = sum(export.share for export in exports), 0.0
    for export in exports:
        yield export, part_of(progress, done / total, (done + export.share) / total)
        done += export.share
    progress(1, 1, "")


def run(config: ExportsConfig, context: StageContext) -> Quality:
    finished = Finished.load(context.workspace)
    document = make_exports(finished, OF_THE_STAGE, config, context.out, context.progress, context.scratch)
    size = sum(path.stat().st_size for path in context.out.iterdir())
    left_out = document["left_out"]
    return {
        "files": len(document["files"]),
        "megabytes": round(size / 1e6, 2),
        "mass_kg": round(document["body"]["mass_kg"], 4) if "body" in document else None,
        "left_out": sorted(left_out),
        "warnings": warnings_of(left_out),
    }


EXPORTED: Stage[ExportsConfig] = Stage("exports", 1, ("scale", "masks", "sfm", "surface", "validation"), run)


def export_object(object_dir: Path, to: Path, names: Collection[str], config: ExportsConfig, progress: Progress = silent) -> dict[str, Any]:
    """For the command line: the exports of an object's folder in another one. Raises InputError where names are not known.

    Named ones that can't be made are refused; with no names all are made that can be, and the rest is said.
    """
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise InputError(f"there is no export {', '.join(unknown)}", try_next=f"choose among {', '.join(NAMES)}")
    finished = Finished.load(Workspace(object_dir))
    try:
        to.mkdir(parents=True, exist_ok=True)
        document = make_exports(finished, names or NAMES, config, to, progress)
    except OSError as error:
        raise StorageError(f"{to} can't be written ({error.strerror})", try_next="free some space or name another --to") from error
    for name, why in document["left_out"].items():
        if name in names:
            raise InputError(f"{name} was not exported: {why['what']}", try_next=why["try_next"])
    return document
