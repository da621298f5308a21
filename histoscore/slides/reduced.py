"""JPEG tiles that are decoded straight to a half, a quarter or an eighth of their size.

A block of a JPEG is a sum of cosines. Turned back into fewer pixels without the fast ones, by
libjpeg's scaled inverse transform, it is the smaller picture for half the work, and nothing is left
to be shrunk. That differs from shrinking by area by half a grey level in the mean.
"""

from __future__ import annotations

import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from histoscore.records import RgbImage
from histoscore.slides.tiff_layout import Page

_FLAGS = {
    factor: flag | cv2.IMREAD_IGNORE_ORIENTATION
    for factor, flag in (
        (2, cv2.IMREAD_REDUCED_COLOR_2),
        (4, cv2.IMREAD_REDUCED_COLOR_4),
        (8, cv2.IMREAD_REDUCED_COLOR_8),
    )
}
FACTORS = tuple(_FLAGS)
"""Sizes that libjpeg decodes to, as divisors."""

_JPEG, _RGB, _YCBCR = 7, 2, 6
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_START, _SCAN, _END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_MEAN_APART, _SIGNED_APART = 4.0, 1.0
"""Grey levels that a reduced tile may differ from a shrunk one: fine grain takes the first, swapped
colours or shifted pixels break one of the two."""


class ReducedJpeg:
    """Decodes the tiles of one page to fewer pixels."""

    def __init__(self, page: Page) -> None:
        """`page` is one that `fits`."""
        tables: bytes = page.jpegtables or b""
        # Adobe's marker says what the three components are; without it decoders guess.
        transform = 0 if page.photometric == _RGB else 1
        adobe = b"\xff\xee\x00\x0eAdobe\x00\x64" + bytes((0, 0, 0, 0, transform))
        self._head = _START + adobe + tables[2:-2]
        self._size = int(page.tilelength), int(page.tilewidth)

    @staticmethod
    def fits(page: Page) -> bool:
        """Whether a page has tiles of three bytes in JPEG."""
        return bool(
            page.is_tiled
            and page.compression == _JPEG
            and page.photometric in (_RGB, _YCBCR)
            and page.samplesperpixel == 3
            and page.bitspersample == 8
            and page.planarconfig == 1
            and not page.jpegheader
        )

    def __call__(self, data: bytes, factor: int) -> RgbImage:
        """(rows / factor, columns / factor, 3) of a stored tile.

        Raises:
            ValueError: it is no whole JPEG of one scan (OpenCV would show what there is of it), or
                not of the page's tile size.
        """
        if not _is_one_whole_scan(data):
            raise ValueError("no whole JPEG of one scan")
        stream = np.frombuffer(self._head + data[2:], np.uint8)
        try:
            picture = cv2.imdecode(stream, _FLAGS[factor])
        except cv2.error as error:
            raise ValueError(f"a JPEG that cannot be decoded ({error.err})") from None
        if picture is None or picture.shape[:2] != tuple(side // factor for side in self._size):
            raise ValueError("a JPEG that cannot be decoded, or of another size")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def is_alike(reduced: RgbImage, whole: NDArray[Any], factor: int) -> bool:
    """Whether a reduced tile shows what shrinking the whole one by area shows."""
    rows, columns = reduced.shape[:2]
    if whole.shape != (rows * factor, columns * factor, 3):
        return False
    shrunk = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    apart = reduced.astype(np.int16) - shrunk
    means = np.abs(apart.mean(axis=(0, 1)))
    return bool(np.abs(apart).mean() <= _MEAN_APART and means.max() <= _SIGNED_APART)


def _is_one_whole_scan(data: bytes) -> bool:
    """Whether nothing but restarts stands between the scan's beginning and the picture's end."""
    place = len(_START)
    while data[place : place + 1] == b"\xff" and len(data) > place + 4:
        is_scan = data[place : place + 2] == _SCAN
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if is_scan:
            return _ends_with_first_marker(data[place:])
    return False


def _ends_with_first_marker(scan: bytes) -> bool:
    stuffed = scan.count(b"\xff\x00")
    if scan.endswith(_END) and scan.count(b"\xff") == stuffed + 1:
        return True  # no restarts: by far the most, and a tenth of the search's time
    found = _MARKER.search(scan)
    return found is not None and found.group().endswith(_END[1:])
