"""Photos to a service elsewhere, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from reconstruction.capture import Prompt
from reconstruction.errors import InputError
from snap6d import Onboarding, Snap6D
from snap6d.options import Options
from snap6d.photos import find_photos
from workers.command import options
from workers.command.console import Bars, JsonLines, Preparing, print_warnings
from workers.command.remote import StagesOf, taught_by_the_service


def asked(
    prompt: Prompt | None, board: Path | None, tags: str | None, depth: Path | None, known_length: str | None, cameras: Path | None
) -> Options:
    """What was typed, as the client takes it. Raises InputError."""
    if sum(source is not None for source in (board, tags, depth, known_length)) > 1:
        raise InputError("more than one source of scale was given", try_next="give one of --board, --tags, --depth, --known-length")
    given: Options = {}
    if prompt and prompt.box:
        given["box"] = (prompt.photo, prompt.box)
    elif prompt and prompt.point:
        given["point"] = (prompt.photo, prompt.point)
    if board:
        given["board"] = board
    if tags:
        tag = options.tags(tags)
        given["tags"] = (tag.family, tag.side_m)
    if known_length:
        length = options.known_length(known_length)
        ends = length.photo and length.a_px and length.b_px
        given["known_length"] = (length.photo, length.a_px, length.b_px, length.length_m) if ends else length.length_m  # type: ignore[typeddict-item]
    if depth:
        given["depth_unit_m"] = 0.001
    if cameras:
        given["cameras"] = cameras
    return given


def push(
    service: Snap6D,
    photos: Path,
    given: Options,
    *,
    masks: Path | None,
    depth: Path | None,
    object_id: str | None,
    wait: bool,
    as_json: bool,
    err: Console,
) -> None:
    """Sends what is not there yet, starts the onboarding, follows it. Raises PipelineError."""
    on = ""
    try:
        with taught_by_the_service(), JsonLines() if as_json else Bars(err) as report:
            if object_id is None:
                find_photos(photos)  # said before anything is made
                object_id = service.objects.draft(**given).id
            elif given:
                service.objects.change(object_id, **_instead(given))
            on = f"--object {object_id} goes on"
            if not as_json:
                err.print(f"object [bold]{object_id}[/]", highlight=False)
            service.objects.upload(object_id, photos, masks=masks, depth=depth, progress=Preparing(report))
            begun = service.objects.train(object_id)
            on = f"job {begun.job_id} goes on at the service: snap6d status --url tells how far it is"
            if wait:
                begun.wait(progress=StagesOf(report))
    except KeyboardInterrupt:
        err.print(f"stopped; {on or 'nothing was sent'}")
        raise SystemExit(130) from None
    _say(begun, as_json, err)


def _instead(given: Options) -> Options:
    """What is said now takes the place of what was said before, of another kind too."""
    if "box" in given or "point" in given:
        given = {"box": None, "point": None, **given}
    if {"board", "tags", "depth_unit_m", "known_length"} & set(given):
        given = {"board": None, "tags": None, "depth_unit_m": None, "known_length": None, **given}
    return given


def _say(begun: Onboarding, as_json: bool, err: Console) -> None:
    job = begun.job()
    if as_json:
        print(json.dumps({"object_id": begun.id, "job_id": begun.job_id, "status": job.status}))
        return
    print_warnings(err, [{"code": w.code, "photo": w.photo, "message": w.message} for w in job.warnings])
    err.print(f"[green]{'done' if job.over else job.status}[/]: object {begun.id}, job {begun.job_id}", highlight=False)
