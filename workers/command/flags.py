"""Flags that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
