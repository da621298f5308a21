"""What a scanner's overview camera sees: the slide's label, and the whole piece of glass."""

from __future__ import annotations

import cv2
import numpy as np

from histoscore.records import RgbImage

_LABEL = (387, 463)
_MACRO = (1280, 431)
"""(columns, rows) of a ScanScope's pictures."""
_MACRO_MPP = 58.6
"""µm per pixel: 1280 pixels are the 75 mm of a slide."""
_LABEL_SHARE = 0.34
"""Part of the macro's width that the label takes."""
_PAPER, _GLASS, _INK, _FRAME = 250, 236, (30, 30, 30), (40, 60, 90)
_LETTERS, _THICKNESS = cv2.FONT_HERSHEY_SIMPLEX, 2
_MARGIN = 24


def label_picture(text: str) -> RgbImage:
    """The label with the slide's name on it."""
    columns, rows = _LABEL
    image = np.full((rows, columns, 3), _PAPER, np.uint8)
    cv2.rectangle(image, (6, 6), (columns - 7, rows - 7), _FRAME, 3)
    for number, line in enumerate((text, "Saf-O / FG", "PHANTOM")):
        _write(image, line, rows // 4 * (number + 1))
    return image


def macro_picture(overview: RgbImage, width_um: float, text: str) -> RgbImage:
    """The label, and beside it the tissue at its true size, or as large as there is glass.

    Args:
        overview: (rows, columns, 3) of the scanned part, sharp enough to be shrunk.
        width_um: how wide the scanned part is.
        text: on the label.
    """
    columns, rows = _MACRO
    image = np.full((rows, columns, 3), _GLASS, np.uint8)
    left = round(columns * _LABEL_SHARE)
    _lay(image[:, :left], within(label_picture(text), left, rows))
    glass = image[:, left:]
    across = min(round(width_um / _MACRO_MPP), glass.shape[1] - 2 * _MARGIN)
    _lay(glass, within(overview, max(1, across), rows - 2 * _MARGIN))
    return image


def within(image: RgbImage, columns: int, rows: int) -> RgbImage:
    """The whole image shrunk until it fits into this size; one that fits is left as it is."""
    scale = min(1.0, columns / image.shape[1], rows / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write(image: RgbImage, line: str, baseline: int) -> None:
    """A line of text as large as the width allows."""
    room = image.shape[1] - 2 * _MARGIN
    (width, _), _ = cv2.getTextSize(line, _LETTERS, 1.0, _THICKNESS)
    size = min(1.4, room / max(1, width))
    cv2.putText(image, line, (_MARGIN, baseline), _LETTERS, size, _INK, _THICKNESS)


def _lay(ground: RgbImage, image: RgbImage) -> None:
    """Puts the image into the middle of the ground."""
    rows, columns = image.shape[:2]
    top, left = (ground.shape[0] - rows) // 2, (ground.shape[1] - columns) // 2
    ground[top : top + rows, left : left + columns] = image
