"""What is odd about a study's slides as a whole, and stops nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from histoscore.study.draft import SLIDE_SUFFIXES
from histoscore.study.manifest import Study

_MPP_SPREAD = 0.01


def scale_outliers(scales: Mapping[str, float]) -> Iterator[str]:
    """Slides whose pixel size is not the study's usual one: areas stay right, detail differs.

    Args:
        scales: slide → µm per pixel.
    """
    if not scales:
        return
    usual = median(scales.values())
    for name, mpp in scales.items():
        if abs(mpp / usual - 1) > _MPP_SPREAD:
            yield f"{name}: {mpp:g} µm/px, where the study's usual is {usual:g}"


def unlisted(study: Study) -> Iterator[str]:
    """Slides beside the listed ones that the sheet does not name."""
    listed = {row.path.absolute() for row in study.rows}
    for folder in sorted({path.parent for path in listed}):
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in SLIDE_SUFFIXES and path not in listed:
                yield f"{path}: is not in the sheet and will not be scored"
