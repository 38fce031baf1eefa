"""Commands that use an object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from reconstruction.errors import InputError
from workers.command.flags import JsonFlag
from workers.command.saying import err, taught_errors

app = typer.Typer()


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
    early: Annotated[bool, typer.Option("--early", help="Ask the networks of an object that is still being trained.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Images -> the object's pose in each: cam_from_obj, OpenCV camera, metres. A frame where it is not found has no line."""
    with taught_errors(as_json):
        from workers.command import batch, options
        from workers.pipeline import PIPELINE, load

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
        chosen = batch.collect_images(images)
        _estimate(load(PIPELINE.estimator).load(object_dir, early=early), chosen, request, out, as_json)


def _estimate(estimator: Any, images: list[Path], request: Any, out: Path | None, as_json: bool) -> None:
    from workers.command import batch

    lines = []
    for result in batch.estimate_images(estimator, images, request):
        line = result.line()
        if line:
            lines.append(line)
        if as_json or out is None:
            print(json.dumps(line or {"frame": result.path.stem, "poses": []}), flush=True)
        if not as_json:
            verdict = f"score {line['score']:.2f}" if line else "not found"
            camera = "" if result.frame.camera_source == "given" else f", focal length {result.frame.camera_source}"
            err.print(f"{result.path.name}: {verdict} ({result.milliseconds:.0f} ms{camera})", highlight=False)
    if out:
        batch.write_lines(out, lines)
        err.print(f"{len(lines)} of {len(images)} found, in {out}")


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
    with taught_errors(as_json):
        from workers.command.console import Bars, JsonLines, Preparing
        from workers.exports.config import ExportsConfig
        from workers.exports.stage import export_object

        config = ExportsConfig(mass_kg=mass, density_kg_m3=density)
        names = [name.strip() for name in only.split(",")] if only else []
        with JsonLines() if as_json else Bars(err) as report:
            made = export_object(object_dir, to, names, config, Preparing(report, "exports"))
        if as_json:
            print(json.dumps({"to": str(to), **made}))
            return
        for name, what in made["files"].items():
            print(f"{to / name}: {what}")
        for name, why in made["left_out"].items():
            err.print(f"[yellow]![/] not exported: {name} ({escape(why['what'])} → {escape(why['try_next'])})", highlight=False)


@app.command()
def view(
    object_dir: Annotated[Path, typer.Argument(help="An object's folder, onboarded at least up to the scale.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The next free one from here on.")] = 8080,
) -> None:
    """Mesh, cameras, photos and points in the browser, by viser; Ctrl-C ends it."""
    with taught_errors():
        from workers.command.console import Bars, Preparing
        from workers.command.view import show_object

        with Bars(err) as report:
            server = show_object(object_dir, host, port, Preparing(report, "cameras"))  # which says its address
        try:
            server.sleep_forever()
        except KeyboardInterrupt:
            server.stop()
