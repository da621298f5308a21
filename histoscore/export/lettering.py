"""Text on pictures, and the strip below them: legend, scale bar, footer line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from histoscore.geojson import Rgb
from histoscore.records import RgbImage

INK: Rgb = (24, 34, 40)
_SOFT: Rgb = (80, 95, 104)

Legend = Sequence[tuple[str, Rgb, int]]
"""What a line means, its colour, its width in px at a picture width of 1800 px."""


def strip(width: int, mpp: float | None, legend: Legend, footer: str) -> RgbImage:
    """A white strip `width` pixels wide: the legend and a scale bar, below them the footer.

    `mpp` is µm per pixel of the picture above; None: nobody knows, and there is no bar.
    """
    unit = width / 1800
    line = round(46 * unit)
    picture = Image.new("RGB", (width, 2 * line + round(14 * unit)), "white")
    draw = ImageDraw.Draw(picture)
    letters = font(round(24 * unit))
    first, second = line * 0.5 + 6 * unit, line * 1.5 + 4 * unit
    _draw_legend(draw, letters, legend, first, unit)
    if mpp is not None:
        _draw_scale_bar(draw, letters, width, mpp, first)
    text = shortened(footer, width - 40 * unit, letters.getlength)
    draw.text((20 * unit, second), text, fill=_SOFT, font=letters, anchor="lm")
    return np.asarray(picture)


def scale_bar_um(width_um: float) -> float:
    """The longest of 1, 2, 5 × 10ⁿ µm that takes no more than a fifth of the picture."""
    limit = width_um / 5
    power = float(10.0 ** np.floor(np.log10(limit)))
    return max(step * power for step in (1, 2, 5) if step * power <= limit)


def shortened(text: str, width: float, length: Callable[[str], float]) -> str:
    """One line of text whose length is at most `width`; an ellipsis stands where it was cut."""
    line = " ".join(text.split())
    if length(line) <= width:
        return line
    while line and length(line + "…") > width:
        line = line[:-1]
    return line + "…"


@lru_cache(maxsize=8)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: the same letters on every machine."""
    return ImageFont.truetype(font_file(bold), max(8, size))


def font_file(bold: bool = False) -> Path:
    """Where these letters lie."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return Path(mpl.get_data_path()) / "fonts" / "ttf" / name


def _draw_legend(
    draw: ImageDraw.ImageDraw,
    letters: ImageFont.FreeTypeFont,
    legend: Legend,
    y: float,
    unit: float,
) -> None:
    x = 20 * unit
    for words, color, weight in legend:
        draw.line([(x, y), (x + 36 * unit, y)], fill=color, width=max(2, round(weight * unit)))
        draw.text((x + 46 * unit, y), words, fill=INK, font=letters, anchor="lm")
        x += 46 * unit + letters.getlength(words) + 34 * unit


def _draw_scale_bar(
    draw: ImageDraw.ImageDraw, letters: ImageFont.FreeTypeFont, width: int, mpp: float, y: float
) -> None:
    unit = width / 1800
    length_um = scale_bar_um(width * mpp)
    right = width - 20 * unit
    left = right - length_um / mpp
    draw.line([(left, y), (right, y)], fill=INK, width=max(4, round(8 * unit)))
    draw.text((left - 14 * unit, y), f"{length_um:g} µm", fill=INK, font=letters, anchor="rm")
