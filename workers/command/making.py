"""Commands that make an object of photos."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from reconstruction.errors import InputError
from workers.command.flags import (
    BoardOption,
    BoxOption,
    CamerasOption,
    DepthOption,
    JsonFlag,
    LengthOption,
    MasksOption,
    PhotosArgument,
    PointOption,
    SeparateOption,
    TagsOption,
)
from workers.command.saying import err, taught_errors

app = typer.Typer()


@app.command()
def onboard(
    photos: PhotosArgument,
    out: Annotated[Path, typer.Option(help="The object's folder, to be made.")],
    profile: Annotated[str, typer.Option(help="preview (minutes), standard, or full (wants a GPU).")] = "standard",
    box: BoxOption = None,
    point: PointOption = None,
    board: BoardOption = None,
    tags: TagsOption = None,
    depth: DepthOption = None,
    known_length: LengthOption = None,
    masks: MasksOption = None,
    cameras: CamerasOption = None,
    cameras_from: Annotated[str, typer.Option(help="features, board (its tags), or auto: the board where features fail.")] = "auto",
    separate_cameras: SeparateOption = False,
    sam_checkpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="Mask with Segment Anything.")] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage, such as scale before a join.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished stage.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Photos of an object -> its mesh and its pose model."""
    with taught_errors(as_json):
        from reconstruction.capture import Capture
        from workers.command import options
        from workers.command.console import Bars, JsonLines, Preparing
        from workers.command.onboard import prepare
        from workers.pipeline import Recipe, load
        from workers.settings import Settings

        if sum(source is not None for source in (board, tags, depth, known_length)) > 1:
            raise InputError("more than one source of scale was given", try_next="give one of --board, --tags, --depth, --known-length")
        target = Settings().pipeline
        load(target).check_profile(profile)
        request = Capture(
            name=out.name,
            prompt=options.prompt(box, point),
            scale=options.scale(board, tags, known_length),
            cameras=options.cameras(cameras) if cameras else None,
            shared_camera=not separate_cameras,
        )
        changes = options.changes(cameras_from, sam_checkpoint)
        load(target).up_to(until)  # a stage that is not there is said before anything is copied
        with JsonLines() if as_json else Bars(err) as report:
            prepare(photos, out, request, masks=masks, depth=depth, resume=resume, progress=Preparing(report))
        _run(out, Recipe(profile, changes, target), until, as_json)


def _run(out: Path, recipe: Any, until: str | None, as_json: bool) -> None:
    """The stages, shown as they go; what they warn of comes last, after a failure too: it may be the reason."""
    from workers.command.console import Bars, JsonLines, print_warnings, with_warnings
    from workers.runner import run_pipeline

    told: list[dict[str, Any]] = []
    try:
        with JsonLines() if as_json else Bars(err) as report:
            run_pipeline(out, recipe, with_warnings(report, told), until=until)
    finally:
        if not as_json:
            print_warnings(err, told)
    if as_json:
        print(json.dumps({"out": str(out), "report": str(out / "report.json"), "warnings": told}))
    elif until:
        err.print(f"[green]done[/] up to {until}: {out}/report.json. Next: go on by --resume, or snap6d join {out} OTHER --out WHOLE")
    else:
        err.print(f"[green]done[/]: {out}/mesh.glb, {out}/report.json. Next: snap6d estimate {out} IMAGE --K fx,fy,cx,cy")


@app.command()
def join(
    first: Annotated[Path, typer.Argument(help="An object's folder, onboarded at least up to the scale. Its frame is kept.")],
    second: Annotated[Path, typer.Argument(help="Another capture of the same object, turned over.")],
    out: Annotated[Path, typer.Option(help="The whole object's folder, to be made.")],
    profile: Annotated[str, typer.Option(help="preview (minutes), standard, or full (wants a GPU).")] = "standard",
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage, such as surface.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished stage.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Two captures of one object, turned over between them -> one object that has a bottom."""
    with taught_errors(as_json):
        from workers.command.joining import RECIPE, prepare_join
        from workers.pipeline import load

        pipeline = load(RECIPE.pipeline)
        pipeline.check_profile(profile)
        pipeline.up_to(until)
        prepare_join(first, second, out, resume=resume)
        _run(out, replace(RECIPE, profile=profile), until, as_json)


@app.command()
def frames(
    video: Annotated[Path, typer.Argument(help="A walk around the object, half a minute or more.")],
    out: Annotated[Path, typer.Option(help="Folder for the frames.")],
    as_json: JsonFlag = False,
) -> None:
    """A video -> its best frames, as onboarding takes them: to look at, or to name one for --box."""
    with taught_errors(as_json):
        from reconstruction.video.pick import pick_frames
        from workers.command.console import Bars, JsonLines, Preparing

        with JsonLines() if as_json else Bars(err) as report:
            chosen = pick_frames(video, out, progress=Preparing(report))
        for path in chosen:
            print(json.dumps({"frame": str(path)}) if as_json else path)
