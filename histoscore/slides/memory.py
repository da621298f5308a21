"""A picture that is already in memory, read like a slide: training and self-tests use it."""

from __future__ import annotations

from histoscore.geometry import Mpp
from histoscore.records import RgbImage, SlideInfo
from histoscore.slides.base import LevelledSlide, level_scales, levels_of


class PictureInMemory(LevelledSlide):
    """An sRGB array (rows, columns, 3) of `mpp` µm per pixel as a slide with one level."""

    def __init__(self, picture: RgbImage, mpp: Mpp) -> None:
        rows, columns = picture.shape[:2]
        self._picture = picture
        self.scales = level_scales(((columns, rows),))
        self.info = SlideInfo(
            path="",
            reader="memory",
            format="array",
            width=columns,
            height=rows,
            mpp=mpp,
            mpp_source="sheet",
            levels=levels_of(((columns, rows),)),
        )

    def close(self) -> None:
        """Nothing is open."""

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        return self._picture[y : y + height, x : x + width]
