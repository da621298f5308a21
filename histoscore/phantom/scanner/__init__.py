"""Writes a drawn picture as scanners and microscopes do.

    svs       Aperio: 240-px tiles, thumbnail, levels at /4 and /16, label, macro
    tiff      generic pyramid: levels as further pages, pixel size in the resolution tags
    ome-tiff  levels in SubIFDs, pixel size in the OME-XML
    jpeg      a microscope camera's snapshot: no levels, no pixel size

Equal pictures become equal bytes in all of them: no date, no version, no random name is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from histoscore.files import write_atomic
from histoscore.phantom.scanner.label_map import write_label_map
from histoscore.phantom.scanner.ome_tiff import ome_tiff_bytes
from histoscore.phantom.scanner.scan import Scan
from histoscore.phantom.scanner.snapshot import snapshot_bytes
from histoscore.phantom.scanner.svs import svs_bytes
from histoscore.phantom.scanner.tiff import tiff_bytes
from histoscore.records import RgbImage

__all__ = ["FORMATS", "Scan", "SlideFormat", "write_label_map", "write_slide"]


@dataclass(frozen=True, slots=True)
class SlideFormat:
    """A kind of slide file.

    Attributes:
        ending: of the file's name, with its dot.
        carries_mpp: whether the file states its pixel size; where it does not, the study sheet's
            `mpp` column must.
        encoded: picture, scan and label text → the file's bytes.
    """

    ending: str
    carries_mpp: bool
    encoded: Callable[[RgbImage, Scan, str], bytes]


FORMATS = {
    "svs": SlideFormat(".svs", True, svs_bytes),
    "tiff": SlideFormat(".tif", True, tiff_bytes),
    "ome-tiff": SlideFormat(".ome.tif", True, ome_tiff_bytes),
    "jpeg": SlideFormat(".jpg", False, snapshot_bytes),
}
"""Name → kind of slide file."""


def write_slide(
    path: Path,
    picture: RgbImage,
    format: str,  # noqa: A002 (the word of the study's settings)
    scan: Scan,
    label: str,
) -> None:
    """One slide of a format in `FORMATS`.

    Args:
        path: of the file; give it the format's ending.
        picture: (rows, columns, 3) sRGB of level 0.
        format: key of `FORMATS`.
        scan: pixel size and JPEG quality.
        label: text on the slide's label, and its name in the file; a JPEG has neither.

    Raises:
        ConfigError: the picture is too large for the format.
        EnvironmentStopError: the file cannot be written.
    """
    write_atomic(path, FORMATS[format].encoded(picture, scan, label))
