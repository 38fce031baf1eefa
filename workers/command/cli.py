"""`snap6d`: onboard an object from photos, estimate its pose in images, serve both."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from reconstruction.errors import InputError, PipelineError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Photos of an object in, metric 6-D poses out."
)
_err = Console(stderr=True, soft_wrap=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="JSON lines for programs, on standard output.")]
PhotosArgument = Annotated[Path, typer.Argument(help="Folder of about 100 sharp photos from all sides, or a video.")]
BoxOption = Annotated[str | None, typer.Option(metavar="PHOTO:x0,y0,x1,y1", help="The object's box in any one photo.")]
PointOption = Annotated[str | None, typer.Option(metavar="PHOTO:x,y", help="Or a point on it.")]
BoardOption = Annotated[Path | None, typer.Option(metavar="BOARD_JSON", help="Scale: layout of a printed tag board (mm).")]
TagsOption = Annotated[str | None, typer.Option(metavar="tag36h11:50mm", help="Scale: loose tags of one size.")]
DepthOption = Annotated[Path | None, typer.Option(metavar="DIR", help="Scale: 16-bit depth in mm, named like the photos.")]
LengthOption = Annotated[str | None, typer.Option(metavar="LENGTH", help="Scale: height:0.191m, or PHOTO:x0,y0:x1,y1:0.05m.")]
MasksOption = Annotated[Path | None, typer.Option(metavar="DIR", help="Your own masks, named like the photos.")]
CamerasOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Known intrinsics, JSON.")]
SeparateOption = Annotated[bool, typer.Option("--separate-cameras", help="Zoom or lens differ from photo to photo.")]
KeyOption = Annotated[str | None, typer.Option(envvar="SNAP6D_API_KEY", help="API key, where the service asks for one.")]


@contextmanager
def _taught_errors(as_json: bool = False) -> Iterator[None]:
    """A PipelineError is said in one line, exit status 2; Ctrl-C says how to go on, 130. Only defects show a traceback."""
    try:
        yield
    except PipelineError as error:
        if as_json:
            from workers.failures import error_to_json

            print(json.dumps({"error": error_to_json(error)}), flush=True)
        advice = f" → {escape(error.try_next)}" if error.try_next else ""
        _err.print(f"[bold red]error[/] \\[{error.code}]: {escape(error.what)}{advice}", highlight=False)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        _err.print("stopped; finished stages are kept (--resume goes on)")
        raise typer.Exit(130) from None


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
    with _taught_errors(as_json):
        from reconstruction.capture import Capture
        from workers.command import options
        from workers.command.console import Bars, JsonLines, Preparing
        from workers.command.onboard import prepare
        from workers.pipeline import PIPELINE, Recipe, load
        from workers.settings import Settings

        if sum(source is not None for source in (board, tags, depth, known_length)) > 1:
            raise InputError("more than one source of scale was given", try_next="give one of --board, --tags, --depth, --known-length")
        target = Settings().pipeline
        if profile not in load(target).profile_names:
            raise InputError(f"there is no profile {profile!r}", try_next=f"choose one of {', '.join(PIPELINE.profile_names)}")
        request = Capture(
            name=out.name,
            prompt=options.prompt(box, point),
            scale=options.scale(board, tags, known_length),
            cameras=options.cameras(cameras) if cameras else None,
            shared_camera=not separate_cameras,
        )
        changes = options.changes(cameras_from, sam_checkpoint)
        load(target).up_to(until)  # a stage that is not there is said before anything is copied
        with JsonLines() if as_json else Bars(_err) as report:
            prepare(photos, out, request, masks=masks, depth=depth, resume=resume, progress=Preparing(report))
        _run(out, Recipe(profile, changes, target), until, as_json)


def _run(out: Path, recipe: Any, until: str | None, as_json: bool) -> None:
    """The stages, shown as they go; what they warn of comes last, after a failure too: it may be the reason."""
    from workers.command.console import Bars, JsonLines, print_warnings, with_warnings
    from workers.runner import run_pipeline

    told: list[dict[str, Any]] = []
    try:
        with JsonLines() if as_json else Bars(_err) as report:
            run_pipeline(out, recipe, with_warnings(report, told), until=until)
    finally:
        if not as_json:
            print_warnings(_err, told)
    if as_json:
        print(json.dumps({"out": str(out), "report": str(out / "report.json"), "warnings": told}))
    elif until:
        _err.print(f"[green]done[/] up to {until}: {out}/report.json. Next: go on by --resume, or snap6d join {out} OTHER --out WHOLE")
    else:
        _err.print(f"[green]done[/]: {out}/mesh.glb, {out}/report.json. Next: snap6d estimate {out} IMAGE --K fx,fy,cx,cy")


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
    with _taught_errors(as_json):
        from workers.command.joining import RECIPE, prepare_join
        from workers.pipeline import load

        pipeline = load(RECIPE.pipeline)
        if profile not in pipeline.profile_names:
            raise InputError(f"there is no profile {profile!r}", try_next=f"choose one of {', '.join(pipeline.profile_names)}")
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
    with _taught_errors(as_json):
        from reconstruction.video.pick import pick_frames
        from workers.command.console import Bars, JsonLines, Preparing

        with JsonLines() if as_json else Bars(_err) as report:
            chosen = pick_frames(video, out, progress=Preparing(report))
        for path in chosen:
            print(json.dumps({"frame": str(path)}) if as_json else path)


@app.command()
def estimate(
    object_dir: Annotated[Path, typer.Argument(help="An onboarded object's folder.")],
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of them.")],
    k: Annotated[str | None, typer.Option("--K", metavar="fx,fy,cx,cy", help="In pixels. Without it: EXIF, else a guess.")] = None,
    dist: Annotated[str | None, typer.Option(metavar="k1,k2,p1,p2[,k3]", help="Lens distortion, as OpenCV has it.")] = None,
    box: Annotated[str | None, typer.Option(metavar="x0,y0,x1,y1", help="The object's box, in every image.")] = None,
    boxes: Annotated[Path | None, typer.Option(metavar="FILE", help=r'A box an image: {"stem": \[x0, y0, x1, y1], ...}')] = None,
    depth: Annotated[Path | None, typer.Option(metavar="PATH", help="Depth image (16-bit, mm), or a folder of them.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="poses.jsonl", help="A line a frame.")] = None,
    draw: Annotated[Path | None, typer.Option(metavar="DIR", help="Overlays.")] = None,
    track: Annotated[bool, typer.Option("--track", help="The images follow each other: look near the last pose first.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Images -> the object's pose in each: cam_from_obj, OpenCV camera, metres. A frame where it is not found has no line."""
    with _taught_errors(as_json):
        from workers.command import batch, options

        if box and boxes:
            raise InputError("both --box and --boxes were given", try_next="give one of them")
        request = batch.Request(
            options.numbers(k, (4, 9), "1511.2,1511.2,960,540 (fx,fy,cx,cy in pixels)") if k else None,
            options.numbers(dist, (4, 5), "-0.12,0.03,0,0 (k1,k2,p1,p2[,k3])") if dist else (),
            options.box(box) if box else None,
            options.boxes_file(boxes) if boxes else None,
            depth,
            draw,
            track,
        )
        _estimate(object_dir, batch.collect_images(images), request, out, as_json)


def _estimate(object_dir: Path, images: list[Path], request: Any, out: Path | None, as_json: bool) -> None:
    from workers.command import batch
    from workers.pipeline import PIPELINE, load

    lines = []
    for result in batch.estimate_images(load(PIPELINE.estimator).load(object_dir), images, request):
        line = result.line()
        if line:
            lines.append(line)
        if as_json or out is None:
            print(json.dumps(line or {"frame": result.path.stem, "poses": []}), flush=True)
        if not as_json:
            verdict = f"score {line['score']:.2f}" if line else "not found"
            camera = "" if result.frame.camera_source == "given" else f", focal length {result.frame.camera_source}"
            _err.print(f"{result.path.name}: {verdict} ({result.milliseconds:.0f} ms{camera})", highlight=False)
    if out:
        batch.write_lines(out, lines)
        _err.print(f"{len(lines)} of {len(images)} found, in {out}")


@app.command()
def export(
    object_dir: Annotated[Path, typer.Argument(help="An onboarded object's folder.")],
    to: Annotated[Path, typer.Option(help="Folder for the files.")],
    only: Annotated[str | None, typer.Option(metavar="obj,urdf,...", help="Of ply, glb, obj, urdf, bop, ros2; all by default.")] = None,
    mass: Annotated[float | None, typer.Option(metavar="KG", help="As weighed, for the URDF.")] = None,
    density: Annotated[float, typer.Option(metavar="KG_PER_M3", help="Without a mass; water by default.")] = 1000.0,
    as_json: JsonFlag = False,
) -> None:
    """An object's files for other programs: meshes, textured OBJ, URDF, BOP data set, ROS 2 messages."""
    with _taught_errors(as_json):
        from workers.command.console import Bars, JsonLines, Preparing
        from workers.exports.config import ExportsConfig
        from workers.exports.stage import export_object

        config = ExportsConfig(mass_kg=mass, density_kg_m3=density)
        names = [name.strip() for name in only.split(",")] if only else []
        with JsonLines() if as_json else Bars(_err) as report:
            made = export_object(object_dir, to, names, config, Preparing(report, "exports"))
        if as_json:
            print(json.dumps({"to": str(to), **made}))
            return
        for name, what in made["files"].items():
            print(f"{to / name}: {what}")
        for name, why in made["left_out"].items():
            _err.print(f"[yellow]![/] not exported: {name} ({escape(why['what'])} → {escape(why['try_next'])})", highlight=False)


@app.command()
def view(
    object_dir: Annotated[Path, typer.Argument(help="An object's folder, onboarded at least up to the scale.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The next free one from here on.")] = 8080,
) -> None:
    """Mesh, cameras, photos and points in the browser, by viser; Ctrl-C ends it."""
    with _taught_errors():
        from workers.command.console import Bars, Preparing
        from workers.command.view import show_object

        with Bars(_err) as report:
            server = show_object(object_dir, host, port, Preparing(report, "cameras"))
        print(f"http://{host}:{server.get_port()}", flush=True)
        try:
            server.sleep_forever()
        except KeyboardInterrupt:
            server.stop()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any free one.")] = 8000,
    data: Annotated[Path | None, typer.Option(help="Folder of everything that lasts.")] = None,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Let other machines in though there are no keys.")] = False,
) -> None:
    """The HTTP service with all it needs; Ctrl-C stops it, and what was running goes on at the next start."""
    with _taught_errors():
        from workers import embedded
        from workers.settings import Settings

        settings = Settings() if data is None else Settings(data=data)
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
    with _taught_errors(as_json):
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
            push_photos(service, photos, given, masks=masks, depth=depth, object_id=object_id, wait=wait, as_json=as_json, err=_err)


@app.command()
def status(
    data: Annotated[Path | None, typer.Option(help="The service's data folder.")] = None,
    url: Annotated[str | None, typer.Option(help="Or its address, such as http://127.0.0.1:8000.")] = None,
    api_key: KeyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """The jobs of a service: how far they are."""
    with _taught_errors(as_json):
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


keys = typer.Typer(no_args_is_help=True, help="API keys of the service: made, listed, revoked where its data are.")
app.add_typer(keys, name="keys")
DataOption = Annotated[Path | None, typer.Option(help="The service's data folder.")]


@keys.command("make")
def make_key(
    tenant: Annotated[str, typer.Option(help="Whoever has a key of this tenant sees its objects, and no others.")],
    name: Annotated[str, typer.Option(help="To tell keys apart, such as robot-1.")] = "",
    data: DataOption = None,
) -> None:
    """Prints a new key, once. From the first key on, nobody is answered without one."""
    with _taught_errors():
        row, secret = _key_store(data).make(tenant, name)
        _err.print(f"key {row.id} of tenant {escape(row.tenant)}; it is not shown again", highlight=False)
        print(secret)


@keys.command("list")
def list_keys(data: DataOption = None, as_json: JsonFlag = False) -> None:
    """Keys without their secrets."""
    with _taught_errors(as_json):
        for row in _key_store(data).all():
            state = "revoked" if row.revoked_at else "valid"
            print(json.dumps(row.__dict__) if as_json else f"{row.id}  {state:<7}  {row.tenant}  {row.name}")


@keys.command("revoke")
def revoke_key(key_id: str, data: DataOption = None) -> None:
    """From now on the key opens nothing."""
    with _taught_errors():
        _key_store(data).revoke(key_id)


def _key_store(data: Path | None) -> Any:
    from workers.rows.keys import KeyStore
    from workers.rows.tables import Database
    from workers.settings import Settings

    return KeyStore(Database((Settings() if data is None else Settings(data=data)).database))


@app.command()
def demo(out: Annotated[Path, typer.Option(help="Folder for pictures and report.json.")] = Path("runs/demo")) -> None:
    """Renders a capture, onboards it through the service, estimates held-out images, shows the result."""
    with _taught_errors():
        from workers.demo.run import run_demo

        run_demo(out=out)


if __name__ == "__main__":
    sys.exit(app())
