"""Random numbers by name, and what changes slowly from one section of a knee to the next.

Whatever is drawn for one part has a stream of its own: a cleft more or an option less moves
nothing else. Serial sections of one animal resemble each other because the lines of its anatomy
are noise over (place, depth): equal seeds, another depth.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from histoscore.phantom.curves import Profile, wander

_FRESH = 1.5
"""Depth, in reaches, from one set of independent noise to the next; between two, their blend."""


@dataclass(frozen=True, slots=True)
class Chance:
    """A family of random streams; the same key and names give the same numbers on any machine."""

    key: tuple[int, ...]

    def of(self, *names: str | int) -> np.random.Generator:
        """The stream of that name, from its beginning."""
        return np.random.default_rng([*self.key, *(_number(name) for name in names)])

    def salt(self, *names: str | int) -> int:
        """A number of 63 bits for that name, quickly."""
        text = repr((self.key, names)).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1

    def part(self, *names: str | int) -> Chance:
        """The family of streams below a name."""
        return Chance((*self.key, *(_number(name) for name in names)))

    def uniform(self, name: str, low: float, high: float) -> float:
        """One number between low and high."""
        return low + (high - low) * (self.salt("uniform", name) / 2**63)


def _number(name: str | int) -> int:
    return name if isinstance(name, int) else zlib.crc32(name.encode())


@dataclass(frozen=True, slots=True)
class Slice:
    """Where one section was cut, and the chance that formed it.

    Attributes:
        animal: streams that every section of the knee shares.
        own: streams of this section alone (cells, knife, folds).
        depth_um: how deep in the knee the section lies, µm.
    """

    animal: Chance
    own: Chance
    depth_um: float = 0.0

    def wander(self, name: str, n: int, scale: float, reach_um: float = 300) -> Profile:
        """Smooth noise (n,) along a line, grain `scale` points, deviation about 1.

        Sections `reach_um` apart still resemble each other (correlation 1/2 or more), those three
        times as far and farther have nothing in common.
        """
        lines = [
            weight * wander(n, scale, self.animal.of("line", name, layer))
            for layer, weight in self._blend(reach_um)
        ]
        return np.asarray(lines[0] + lines[1])

    def ripple(self, name: str, n: int, scale: float, reach_um: float = 300) -> Profile:
        """The same with a mean of 0 and a deviation of 1 of its own."""
        line = self.wander(name, n, max(scale, 0.5), reach_um)
        return np.asarray((line - line.mean()) / max(float(line.std()), 1e-9))

    def slow(self, name: str, reach_um: float = 300) -> float:
        """A number of mean 0 and deviation 1 that changes with depth as `wander` does."""
        return sum(
            weight * float(self.animal.of("slow", name, layer).normal())
            for layer, weight in self._blend(reach_um)
        )

    def between(self, name: str, low: float, high: float) -> float:
        """The animal's number between low and high, a little different in every section."""
        return _between(self, name, low, high)

    def _blend(self, reach_um: float) -> tuple[tuple[str, float], tuple[str, float]]:
        """The two sets of noise that the section lies between, and the weight of each.

        Squares of the weights add up to 1, so that no depth is calmer than another.
        """
        layer, rest = divmod(self.depth_um / (_FRESH * reach_um), 1)
        turn = np.pi / 2 * rest
        return (str(int(layer)), float(np.cos(turn))), (str(int(layer) + 1), float(np.sin(turn)))


@lru_cache(maxsize=8192)
def _between(at: Slice, name: str, low: float, high: float) -> float:
    middle = at.animal.uniform(name, low, high)
    return float(np.clip(middle + 0.08 * (high - low) * at.slow(name), low, high))
