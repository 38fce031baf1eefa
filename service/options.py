"""What callers give: the JSON options beside their photos, as the OpenAPI document says it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator

from reconstruction.capture import Capture, DepthFrames, GivenCameras, KnownLength, Prompt, ScaleSource, SingleTag, TagBoard
from reconstruction.errors import InputError

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Pixel = tuple[Finite, Finite]
BoxPx = tuple[Finite, Finite, Finite, Finite]
Family = Literal["tag36h11", "tag25h9", "tag16h5"]


NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f]*$"

Options = TypeVar("Options", bound=BaseModel)


class Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PhotoBox(Given):
    """The object's box in one photo: x0, y0, x1, y1 in pixels of the upright photo as uploaded."""

    photo: str
    box: BoxPx


class PhotoPoint(Given):
    photo: str
    point: Pixel


class Tags(Given):
    """Loose tags of one known side length."""

    family: Family = "tag36h11"
    side_m: Positive


class Board(Given):
    """A printed board: tag id -> its four corners in mm, in the detector's order."""

    family: Family = "tag36h11"
    corners_mm: Annotated[dict[int, Annotated[list[tuple[Finite, Finite, Finite]], Field(min_length=4, max_length=4)]], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def layout_file(cls, document: Any) -> Any:
        """A layout file's own content is taken too: ids beside other settings, which do not matter here."""
        if isinstance(document, dict) and "corners_mm" not in document:
            corners = {key: value for key, value in document.items() if str(key).isdigit()}
            return {"family": document.get("family", "tag36h11"), "corners_mm": corners}
        return document


class Length(Given):
    """The object's height above the table, or, with a photo and two pixels, the distance between these points on it."""

    length_m: Positive
    photo: str | None = None
    a_px: Pixel | None = None
    b_px: Pixel | None = None

    @model_validator(mode="after")
    def all_or_none(self) -> Length:
        if len({self.photo is None, self.a_px is None, self.b_px is None}) > 1:
            raise ValueError("photo, a_px and b_px go together")
        return self


class Depth(Given):
    """Depth frames are uploaded in the form field `depth`, named like their photos; integers times `unit_m` are metres."""

    unit_m: Positive = 0.001


class Cameras(Given):
    """Known intrinsics of every photo. poses: photo name without ending -> cam_from_world as {R, t}."""

    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    fx: Positive
    fy: Positive
    cx: Finite
    cy: Finite
    lens: tuple[Finite, Finite, Finite, Finite, Finite] = (0.0, 0.0, 0.0, 0.0, 0.0)
    poses: dict[str, dict[str, list[Finite]]] | None = None


class OnboardOptions(Given):
    """The JSON form field `options` of POST /objects. At most one prompt, at most one source of scale."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_CONTROL_CHARACTERS)] = "object"
    profile: str = "standard"
    box: PhotoBox | None = None
    point: PhotoPoint | None = None
    board: Board | None = None
    tags: Tags | None = None
    depth: Depth | None = None
    known_length: Length | None = None
    cameras: Cameras | None = None
    shared_camera: StrictBool = True

    @model_validator(mode="after")
    def one_of_each(self) -> OnboardOptions:
        if self.box and self.point:
            raise ValueError("give box or point, not both")
        if sum(source is not None for source in (self.board, self.tags, self.depth, self.known_length)) > 1:
            raise ValueError("give one of board, tags, depth, known_length")
        return self

    def capture(self) -> Capture:
        prompt = None
        if self.box:
            prompt = Prompt(self.box.photo, box=self.box.box)
        elif self.point:
            prompt = Prompt(self.point.photo, point=self.point.point)
        cameras = GivenCameras(**self.cameras.model_dump()) if self.cameras else None
        return Capture(self.name, prompt, self._scale(), cameras, self.shared_camera)

    def _scale(self) -> ScaleSource | None:
        if self.board:
            return TagBoard(self.board.family, {tag: [list(corner) for corner in four] for tag, four in self.board.corners_mm.items()})
        if self.tags:
            return SingleTag(self.tags.family, self.tags.side_m)
        if self.depth:
            return DepthFrames(self.depth.unit_m)
        return KnownLength(**self.known_length.model_dump()) if self.known_length else None


class BopNumbers(Given):
    """By what a CSV answer calls scene, image and objects, as BOP does: obj_ids, one for each of object_ids; else 1, 2, ..."""

    scene_id: Annotated[int, Field(ge=0)] = 0
    im_id: Annotated[int, Field(ge=0)] = 0
    obj_ids: list[Annotated[int, Field(ge=0)]] | None = None


class EstimateOptions(Given):
    """The JSON form field `options` of POST /estimate. The deadline counts from when the image has arrived."""

    object_ids: Annotated[list[str], Field(min_length=1)]
    K: Annotated[list[Finite], Field(description="fx, fy, cx, cy, or nine numbers row by row; without it EXIF or a guess")] | None = None
    dist: Annotated[list[Finite], Field(description="OpenCV: k1, k2, p1, p2[, k3]")] | None = None
    depth_scale: Positive = 0.001
    boxes: Annotated[list[BoxPx], Field(max_length=50)] | None = None
    max_instances: Annotated[int, Field(ge=1, le=50)] = 1
    deadline_ms: Annotated[int, Field(ge=1)] | None = None
    bop: BopNumbers = BopNumbers()

    @model_validator(mode="after")
    def one_number_each(self) -> EstimateOptions:
        if len(set(self.object_ids)) < len(self.object_ids):
            raise ValueError("each of object_ids is to be named once")
        if self.bop.obj_ids is not None and len(self.bop.obj_ids) != len(self.object_ids):
            raise ValueError("bop.obj_ids are to be as many as object_ids")
        return self


def parse_options(model: type[Options], text: str) -> Options:
    """Raises InputError that names the first thing wrong."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "options"
        raise InputError(f"options: {where}: {first['msg']}", try_next="correct it; /openapi.json describes the options") from error
