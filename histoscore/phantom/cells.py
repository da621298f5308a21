"""Cells as a section shows them: lacunae, nuclei, stained halos, fat and marrow."""

from __future__ import annotations

import numpy as np

from histoscore.geometry import Points
from histoscore.phantom.raster import Field, Mask, draw_ellipses


class Cells:
    """Four layers (0–255) on which cells are drawn; sizes are in µm, `px` pixels each."""

    def __init__(self, shape: tuple[int, int], px: float, rng: np.random.Generator) -> None:
        self.px, self.rng = px, rng
        self.size = rng.uniform(0.85, 1.2)
        self.lacunae = np.zeros(shape, np.uint8)
        self.nuclei = np.zeros(shape, np.uint8)
        self.halos = np.zeros(shape, np.uint8)
        self.walls = np.zeros(shape, np.uint8)

    def draw(
        self,
        points: Points,
        nucleus: float,
        stretch: float,
        lacuna: float,
        halo: float = 0.0,
        angle: float | None = None,
    ) -> None:
        """Cells with a nucleus of that radius in a lacuna; `halo` is the share that has one."""
        rng, n = self.rng, len(points)
        if not n:
            return
        r = lacuna * self.size * self.px * rng.uniform(0.7, 1.3, n)
        e = 1 + (stretch - 1) * rng.uniform(0.3, 1.7, n)
        a = rng.uniform(0, 180, n) if angle is None else angle + rng.normal(0, 15, n)
        k = nucleus * self.px * rng.uniform(0.7, 1.25, n)
        x, y = points.T
        haloed, hollow, seen = rng.random(n) < halo, rng.random(n) < 0.75, rng.random(n) < 0.82
        tone = rng.integers(110, 256, (3, n))
        draw_ellipses(
            self.halos,
            zip(*(v[haloed] for v in (x, y, r * e * 1.7, r * 1.7, a, tone[0])), strict=True),
        )
        if lacuna:
            draw_ellipses(
                self.lacunae, zip(*(v[hollow] for v in (x, y, r * e, r, a, tone[1])), strict=True)
            )
        sx, sy = x + rng.normal(0, 0.2, n) * r, y + rng.normal(0, 0.2, n) * r
        draw_ellipses(
            self.nuclei,
            zip(*(v[seen] for v in (sx, sy, k * np.sqrt(e), k, a, tone[2])), strict=True),
        )

    def columns(self, points: Points) -> None:
        """Flat growth-plate chondrocytes, stacked like coins."""
        self.draw(points, nucleus=1.7, stretch=2.2, lacuna=2.4, halo=0.25, angle=0.0)

    def marrow(self, points: Points) -> None:
        """Blood-forming cells: nuclei side by side."""
        rng, n = self.rng, len(points)
        a, b = (rng.uniform(1.7, 3.3, n) * self.px for _ in range(2))
        tone = rng.integers(90, 256, n)
        draw_ellipses(self.nuclei, zip(*points.T, a, b, rng.uniform(0, 180, n), tone, strict=True))

    def fat(self, points: Points) -> None:
        """Fat cells: clear, with a thin wall."""
        rng, n = self.rng, len(points)
        a, b = (rng.uniform(8, 14, n) * self.px for _ in range(2))
        angle, full = rng.uniform(0, 180, n), np.full(n, 255)
        wall = 1.2 * self.px
        draw_ellipses(self.walls, zip(*points.T, a + wall, b + wall, angle, full, strict=True))
        draw_ellipses(self.walls, zip(*points.T, a, b, angle, np.zeros(n), strict=True))
        draw_ellipses(self.nuclei, zip(*points.T, a, b, angle, np.zeros(n), strict=True))
        draw_ellipses(self.lacunae, zip(*points.T, a, b, angle, full, strict=True))

    def erase(self, mask: Mask) -> None:
        """Removes what was drawn where another tissue now lies."""
        for layer in (self.lacunae, self.nuclei, self.halos, self.walls):
            layer[mask] = 0

    def fields(self) -> tuple[Field, Field, Field, Field]:
        """Lacunae, nuclei, halos and walls, 0–1."""
        lacunae, nuclei, halos, walls = (
            layer.astype(np.float32) / 255
            for layer in (self.lacunae, self.nuclei, self.halos, self.walls)
        )
        return lacunae, nuclei, halos, walls
