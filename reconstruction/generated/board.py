"""A printed AprilTag board: tags all over a sheet, the middle left free for the object.

The layout frame is that of a page: x right, y down, so z points into the table. Corners go clockwise from the tag's top
left, as cv2.aruco reports them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.capture import TagBoard
from reconstruction.scene import RigidTransform

FAMILY = "tag36h11"


@dataclass(frozen=True)
class Board:
    tag_mm: float = 42.0
    pitch_mm: float = 60.0
    tags_across: int = 8
    free_across: int = 4
    px_per_mm: int = 4

    @property
    def sheet_mm(self) -> float:
        return self.pitch_mm * self.tags_across

    def corners_mm(self) -> dict[int, Float[ndarray, "4 3"]]:
        first = (self.tags_across - self.free_across) // 2
        free = range(first, first + self.free_across)
        cells = [(r, c) for r in range(self.tags_across) for c in range(self.tags_across) if not (r in free and c in free)]
        margin, tag = (self.pitch_mm - self.tag_mm) / 2, self.tag_mm
        square = np.array([[0, 0, 0], [tag, 0, 0], [tag, tag, 0], [0, tag, 0]], float)
        return {i: square + (c * self.pitch_mm + margin, r * self.pitch_mm + margin, 0) for i, (r, c) in enumerate(cells)}

    def print(self, seed: int) -> UInt8[ndarray, "n n"]:
        """The sheet as a grey image, `px_per_mm` pixels a millimetre; slightly stained paper."""
        side = round(self.sheet_mm * self.px_per_mm)
        rng = np.random.default_rng(seed)
        stain = sum(
            cv2.resize(rng.normal(0, 3.0, (n, n)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC) for n in (9, 40, 160)
        )
        sheet = np.full((side, side), 226, np.float32) + stain
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
        for tag, corners in self.corners_mm().items():
            x, y = (corners[0, :2] * self.px_per_mm).round().astype(int)
            size = round(self.tag_mm * self.px_per_mm)
            ink = cv2.aruco.generateImageMarker(dictionary, tag, size)
            sheet[y : y + size, x : x + size] = np.where(ink > 127, sheet[y : y + size, x : x + size], 66.0)
        return sheet.clip(0, 255).astype(np.uint8)

    def world_from_board(self) -> RigidTransform:
        """Metres. The world has its origin on the table under the sheet's centre, x right, y away, z up."""
        half = self.sheet_mm / 2000
        return RigidTransform(np.diag([1.0, -1.0, -1.0]), np.array([-half, half, 0.0]))

    def layout(self) -> TagBoard:
        return TagBoard(FAMILY, {i: corners.tolist() for i, corners in self.corners_mm().items()})

    def save(self, path: Path) -> None:
        """JSON: tag id -> four corners in mm."""
        doc = {"tag_size_mm": self.tag_mm, **{str(i): corners.tolist() for i, corners in self.corners_mm().items()}}
        path.write_text(json.dumps(doc))


DISC_BOARD = Board(tag_mm=30.0, pitch_mm=42.0)
"""Small enough to lie on the turntable."""
