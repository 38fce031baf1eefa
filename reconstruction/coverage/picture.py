"""The coverage as a picture: the dome of directions around the object, looked down on from above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from reconstruction.coverage.directions import Direction, unit_vectors

SMOOTH = 2  # drawn so many times larger, then shrunk: Pillow draws hard edges
PAPER, INK, FAINT, RIM = (250, 250, 247), (38, 43, 51), (120, 126, 135), (196, 200, 205)
NEAR, FAR = (196, 227, 205), (253, 243, 224)  # the dome: well seen, hardly seen
GAP, GAP_INK = (240, 178, 160), (176, 58, 36)
USED, LEFT_OUT, REFERENCE = (24, 111, 101), (226, 125, 38), (36, 62, 140)
WELL_SEEN_DEG = (12.0, 35.0)  # from the next photo: up to the first all is well, beyond the second nothing is
FLOOR_DEG = -15.0  # the dome's rim, at least


def draw_coverage(directions: Sequence[Direction], report: dict[str, Any], px: int = 960) -> UInt8[ndarray, "h w 3"]:
    """Straight above in the middle, level at the outer ring, the reference photo at the bottom, its right on the right.

    A dot is a photo; the dome is green where a used photo is near, missing sides are red.
    """
    floor_deg = min(FLOOR_DEG, *(d.elevation_deg - 3 for d in directions))
    sheet = _Sheet(px * SMOOTH, floor_deg)
    dome = Image.fromarray(_dome(_Sheet(px // 2, floor_deg), directions))  # it is smooth: few pixels tell it
    image = dome.resize((sheet.width, sheet.height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    _gaps(draw, sheet, report)
    _rings(draw, sheet)
    _photos(draw, sheet, directions, report["reference"])
    _captions(draw, sheet, directions, report)
    return np.asarray(image.resize((px, round(px * _Sheet.TALL)), Image.Resampling.LANCZOS))


class _Sheet:
    """Where directions lie on the paper. Equidistant: as many pixels for a degree of elevation everywhere."""

    TALL = 1.12

    def __init__(self, px: int, floor_deg: float) -> None:
        self.width, self.height = px, round(px * self.TALL)
        self.x, self.y, self.radius = px / 2, 0.56 * px, 0.385 * px
        self.floor_deg = floor_deg

    def reach(self, elevation_deg: float) -> float:
        return self.radius * (90 - elevation_deg) / (90 - self.floor_deg)

    def at(self, azimuth_deg: float, elevation_deg: float) -> tuple[float, float]:
        angle = np.radians(azimuth_deg)
        return float(self.x + self.reach(elevation_deg) * np.sin(angle)), float(self.y + self.reach(elevation_deg) * np.cos(angle))

    def ring(self, elevation_deg: float) -> tuple[float, float, float, float]:
        reach = self.reach(elevation_deg)
        return self.x - reach, self.y - reach, self.x + reach, self.y + reach

    def directions(self) -> tuple[Float[ndarray, "h w 3"], ndarray]:
        """The direction of every pixel, and which pixels lie on the dome."""
        y, x = np.mgrid[: self.height, : self.width] - np.array([self.y, self.x])[:, None, None]
        away = np.hypot(x, y)
        azimuth, elevation = np.arctan2(x, y), np.radians(90 - away / self.radius * (90 - self.floor_deg))
        level = np.cos(elevation)
        return np.stack([np.cos(azimuth) * level, np.sin(azimuth) * level, np.sin(elevation)], -1), away < self.radius


def _dome(sheet: _Sheet, directions: Sequence[Direction]) -> UInt8[ndarray, "h w 3"]:
    """Paper, with the dome coloured by how far the next used photo is."""
    towards, inside = sheet.directions()
    closest = (towards[inside].astype(np.float32) @ unit_vectors([d for d in directions if d.used]).T.astype(np.float32)).max(1)
    near, far = WELL_SEEN_DEG
    share = ((np.degrees(np.arccos(closest.clip(-1, 1))) - near) / (far - near)).clip(0, 1)[:, None]
    canvas = np.full((sheet.height, sheet.width, 3), PAPER, np.uint8)
    canvas[inside] = (1 - share) * NEAR + share * FAR
    return canvas


def _gaps(draw: ImageDraw.ImageDraw, sheet: _Sheet, report: dict[str, Any]) -> None:
    """A missing side is a sector from the rim up to 60 degrees; its width stands at its edge."""
    font = ImageFont.load_default(sheet.width // 44)
    for gap in report["gaps"]:
        azimuths = gap["from_deg"] + np.linspace(2, gap["width_deg"] - 2, 60)
        outline = [sheet.at(a, sheet.floor_deg) for a in azimuths] + [sheet.at(a, 60) for a in azimuths[::-1]]
        draw.polygon(outline, fill=GAP)
        middle = gap["from_deg"] + gap["width_deg"] / 2
        draw.text(sheet.at(middle, 25), f"{gap['width_deg']:.0f}°", GAP_INK, font, anchor="mm")


def _rings(draw: ImageDraw.ImageDraw, sheet: _Sheet) -> None:
    font, line = ImageFont.load_default(sheet.width // 58), max(1, sheet.width // 900)
    for azimuth in range(0, 360, 30):
        draw.line([sheet.at(azimuth, 85), sheet.at(azimuth, sheet.floor_deg)], RIM, line)
    for elevation in (60, 30, 0):
        draw.ellipse(sheet.ring(elevation), outline=FAINT if elevation == 0 else RIM, width=line * (2 if elevation == 0 else 1))
        x, y = sheet.at(165, elevation)
        draw.text((x, y), f"{elevation}°", FAINT, font, anchor="mm", stroke_width=sheet.width // 200, stroke_fill=PAPER)
    draw.ellipse(sheet.ring(sheet.floor_deg), outline=RIM, width=line)
    for azimuth, text, anchor in ((90, "90° right", "lm"), (-90, "90° left", "rm"), (180, "far side", "ms")):
        x, y = sheet.at(azimuth, sheet.floor_deg)
        step = sheet.width / 90
        draw.text((x + step * (azimuth == 90) - step * (azimuth == -90), y - step * (azimuth == 180)), text, FAINT, font, anchor=anchor)


def _photos(draw: ImageDraw.ImageDraw, sheet: _Sheet, directions: Sequence[Direction], reference: str) -> None:
    radius = sheet.width / 120
    for d in sorted(directions, key=lambda d: d.photo == reference):
        color = REFERENCE if d.photo == reference else USED if d.used else LEFT_OUT
        size = radius * (1.5 if d.photo == reference else 1.0)
        x, y = sheet.at(d.azimuth_deg, d.elevation_deg)
        draw.ellipse(
            (x - size, y - size, x + size, y + size),
            fill=color if d.used else PAPER,
            outline=color if not d.used else PAPER,
            width=round(radius / 3),
        )
    x, y = sheet.at(0, sheet.floor_deg)
    font = ImageFont.load_default(sheet.width // 50)
    draw.text((x, y + sheet.width / 80), reference, REFERENCE, font, anchor="ma")


def _captions(draw: ImageDraw.ImageDraw, sheet: _Sheet, directions: Sequence[Direction], report: dict[str, Any]) -> None:
    big, small = ImageFont.load_default(sheet.width // 30), ImageFont.load_default(sheet.width // 52)
    left, top = sheet.width * 0.045, sheet.width * 0.035
    photos, elevation = report["photos"], report["elevation_deg"]
    draw.text((left, top), "Where the photos look at the object from", INK, big)
    seen = f"{report['azimuth_seen_deg']:.0f}° of 360° around it, {elevation['lowest']:.0f}° to {elevation['highest']:.0f}° above level"
    draw.text((left, top + sheet.width * 0.05), f"Seen from above. {seen}.", FAINT, small)
    y = sheet.height - sheet.width * 0.055
    entries = [
        (USED, True, f"used ({photos['used']})"),
        (LEFT_OUT, False, f"left out ({photos['left_out']})"),
        (REFERENCE, True, "reference"),
    ]
    x, radius = left, sheet.width / 120
    for color, filled, text in entries:
        draw.ellipse((x, y - radius, x + 2 * radius, y + radius), fill=color if filled else PAPER, outline=color, width=round(radius / 3))
        draw.text((x + 3 * radius, y), text, INK, small, anchor="lm")
        x += 3 * radius + draw.textlength(text, small) + 4 * radius
    for color, text in ((NEAR, "well seen"), (FAR, "hardly seen"), (GAP, "missing side")):
        draw.rounded_rectangle((x, y - radius, x + 2.6 * radius, y + radius), radius / 2, fill=color, outline=RIM)
        draw.text((x + 3.6 * radius, y), text, INK, small, anchor="lm")
        x += 3.6 * radius + draw.textlength(text, small) + 4 * radius
