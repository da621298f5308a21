"""DeepZoom: a picture as levels that halve, each cut into square tiles.

The highest level is the picture at full resolution; level 0 is one pixel. As the DeepZoom file
format says (Microsoft, 2008), a level's size is that of the next one halved and rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass

from histoscore.geometry import Box

TILE = 512
"""Side of a tile in pixels; tiles do not overlap."""


@dataclass(frozen=True, slots=True)
class Pyramid:
    """The levels over one picture, which is a rectangle of a slide in level-0 pixels."""

    box: Box

    @property
    def top(self) -> int:
        """Number of the level at full resolution."""
        return (max(self.box.width, self.box.height) - 1).bit_length()

    def size(self, level: int) -> tuple[int, int]:
        """(width, height) of a level in its own pixels."""
        halvings = self.top - level
        return -(-self.box.width >> halvings), -(-self.box.height >> halvings)

    def tile(self, level: int, column: int, row: int) -> tuple[Box, int]:
        """A tile in level-0 pixels of the slide, and how many of them a pixel of it covers.

        Tiles at the right and lower edge end with the level's last pixel, which may reach beyond
        the picture by less than itself.

        Raises:
            LookupError: there is no such tile.
        """
        if not 0 <= level <= self.top:
            raise LookupError(f"no level {level}")
        width, height = self.size(level)
        if not (0 <= column * TILE < width and 0 <= row * TILE < height):
            raise LookupError(f"no tile {column}, {row} on level {level}")
        step = 1 << (self.top - level)
        columns = min(TILE, width - column * TILE)
        rows = min(TILE, height - row * TILE)
        left, top = column * TILE * step, row * TILE * step
        return (
            Box(self.box.x + left, self.box.y + top, columns * step, rows * step),
            step,
        )
