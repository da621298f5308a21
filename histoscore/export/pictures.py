"""Pictures of sections for pages: small copies beside the overlays, and data URIs.

An overlay is a PNG of some 2000 pixels: right to look at, slow to decode by the thousand. Its
small copy, a JPEG of its own name, is written with it; where it is missing (a run of an earlier
version) the overlay itself is decoded.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from histoscore.files import write_atomic
from histoscore.records import RgbImage

SMALL_BOX = (400, 300)
"""Pixels (width, height) that a small copy fits in: 150 to the inch on the contact sheet, so that
2000 sections are some 20 MB."""

_QUALITY, _SMALL_QUALITY = 88, 72


def small_path(overlay: Path) -> Path:
    """Where the small copy of an overlay lies: `NAME.png` → `NAME.small.jpg`."""
    return overlay.with_suffix(".small.jpg")


def write_small(overlay: Path, pixels: RgbImage | None = None) -> Path:
    """Writes the small copy beside an overlay; without `pixels` those of the overlay on disk."""
    picture = _decoded(overlay) if pixels is None else Image.fromarray(np.asarray(pixels))
    path = small_path(overlay)
    write_atomic(path, _jpeg(_within(picture, SMALL_BOX), _SMALL_QUALITY))
    return path


def small_jpeg(overlay: Path | None) -> bytes | None:
    """The small copy's bytes, made anew where it is missing; None where there is no overlay."""
    if overlay is None or not overlay.is_file():
        return None
    path = small_path(overlay)
    if path.is_file():
        return path.read_bytes()
    return _jpeg(_within(_decoded(overlay), SMALL_BOX), _SMALL_QUALITY)


def data_uri(overlay: Path | None, width: int) -> str:
    """The picture at most `width` pixels wide, as a JPEG inside a page; "" where there is none."""
    if overlay is None or not overlay.is_file():
        return ""
    picture = _decoded(overlay)
    jpeg = _jpeg(_within(picture, (width, picture.height)), _QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _decoded(overlay: Path) -> Image.Image:
    with Image.open(overlay, formats=("PNG",)) as opened:
        return opened.convert("RGB")


def _within(picture: Image.Image, box: tuple[int, int]) -> Image.Image:
    """The picture, made smaller where it does not fit the box."""
    picture.thumbnail(box, Image.Resampling.LANCZOS, reducing_gap=2)
    return picture


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
