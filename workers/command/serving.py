"""Commands that are a service, or talk to one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from workers.command.flags import (
    BoardOption,
    BoxOption,
    CamerasOption,
    DepthOption,
    JsonFlag,
    KeyOption,
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
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any free one.")] = 8000,
    data: Annotated[Path | None, typer.Option(help="Folder of everything that lasts.")] = None,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Let other machines in though there are no keys.")] = False,
) -> None:
    """The HTTP service with all it needs; Ctrl-C stops it, and what was running goes on at the next start."""
    with taught_errors():
        from workers import embedded
        from workers.settings import Settings

        settings = Settings.of(data)
        try:
            embedded.serve(settings, host, port, allow_remote, lambda text: print(text, flush=True))
        except KeyboardInterrupt:
            print("stopped")


@app.command()
def push(
    photos: PhotosArgument,
    url: Annotated[str, typer.Option(help="The service, such as http://127.0.0.1:8000.")],
    api_key: KeyOption = None,
    name: Annotated[str, typer.Option(help="What the object is called.")] = "object",
    profile: Annotated[str, typer.Option(help="preview (minutes), standard, or full (wants a GPU).")] = "standard",
    box: BoxOption = None,
    point: PointOption = None,
    board: BoardOption = None,
    tags: TagsOption = None,
    depth: DepthOption = None,
    known_length: LengthOption = None,
    masks: MasksOption = None,
    cameras: CamerasOption = None,
    separate_cameras: SeparateOption = False,
    object_id: Annotated[str | None, typer.Option("--object", metavar="ID", help="Go on with this object, or add photos to it.")] = None,
    wait: Annotated[bool, typer.Option(help="Follow the onboarding to its end.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Photos of an object -> a service elsewhere, which onboards it. What is there already is not sent again."""
    with taught_errors(as_json):
        from snap6d import Snap6D
        from workers.command import options
        from workers.command.push import asked
        from workers.command.push import push as push_photos

        given = asked(options.prompt(box, point), board, tags, depth, known_length, cameras)
        if separate_cameras:
            given["shared_camera"] = False
        if object_id is None:
            given |= {"name": name, "profile": profile}
        with Snap6D(url, api_key) as service:
            push_photos(service, photos, given, masks=masks, depth=depth, object_id=object_id, wait=wait, as_json=as_json, err=err)


@app.command()
def status(
    data: Annotated[Path | None, typer.Option(help="The service's data folder.")] = None,
    url: Annotated[str | None, typer.Option(help="Or its address, such as http://127.0.0.1:8000.")] = None,
    api_key: KeyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The jobs of a service: how far they are."""
    with taught_errors(as_json):
        from workers.command.console import jobs_table, print_warnings
        from workers.command.job_list import jobs_at, jobs_in

        jobs = jobs_at(url, api_key) if url else jobs_in(data)
        if as_json:
            for job in jobs:
                print(json.dumps(job))
        else:
            console = Console()
            console.print(jobs_table(jobs) if jobs else "no jobs yet")
            for job in jobs:
                print_warnings(console, job["warnings"], f"{job['id']}: ")
