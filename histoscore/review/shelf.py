"""Slides at hand: a few are open, and each is the file that was scored.

A person's grade beside a model's says something only if both saw the same bytes, so a slide is
hashed once, in the background, and a file that has changed is neither shown on nor graded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from histoscore.errors import DamagedSlideError, SlideError
from histoscore.files import sha256_of
from histoscore.slides.base import Slide
from histoscore.slides.open import open_slide

MOST_OPEN = 4
"""Slides that are open at once; each keeps up to 0.1 GB of decoded tiles."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A slide that can be asked for: where it lies, its scale, and the bytes that were scored."""

    path: Path
    mpp: float | None
    sha256: str | None


@dataclass(slots=True)
class _Open:
    slide: Slide
    readers: int = 0


@dataclass(slots=True)
class Shelf:
    """Opens slides by name when asked; closes those that were not looked at for longest."""

    volumes: Mapping[str, Volume]
    _open: OrderedDict[str, _Open] = field(default_factory=OrderedDict)
    _hashes: dict[str, Future[str]] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)
    _hashing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    @contextmanager
    def reading(self, name: str) -> Iterator[Slide]:
        """The slide, which stays open while the block lasts; several threads may read it.

        Raises:
            SlideError: it cannot be opened, or is found to be another file than was scored. The
                text names no file: whoever reads it may be blinded.
        """
        with self._lock:
            self.check(name, wait=False)
            one = self._taken(name)
            one.readers += 1
        try:
            yield one.slide
        finally:
            with self._lock:
                one.readers -= 1
                self._close_idle()

    def check(self, name: str, wait: bool = True) -> None:
        """That the file is the one that was scored, as far as is known now or after waiting.

        Raises:
            SlideError: it is another one, or cannot be read.
        """
        volume = self.volumes[name]
        if volume.sha256 is None:
            return
        found = self._hash_of(name)
        if not wait and not found.done():
            return
        try:
            sha256 = found.result()
        except OSError as error:
            raise DamagedSlideError(_lost(error)) from None
        if sha256 != volume.sha256:
            raise DamagedSlideError(
                "the slide's file is not the one that was scored "
                f"(SHA-256 {volume.sha256[:12]} then, {sha256[:12]} now); put the old one back, or "
                "score the study again"
            )

    def _hash_of(self, name: str) -> Future[str]:
        """Begun when first asked; begun again where the file could not be read: it may be back."""
        with self._lock:
            found = self._hashes.get(name)
            if found is None or (found.done() and found.exception()):
                found = self._hashing.submit(sha256_of, self.volumes[name].path)
                self._hashes[name] = found
            return found

    def close(self) -> None:
        """Let every slide go, and ask for no more."""
        self._hashing.shutdown(wait=True, cancel_futures=True)
        self.close_all()

    def close_all(self) -> None:
        """Let every slide go; one that is asked for again is opened again."""
        with self._lock:
            for one in self._open.values():
                one.slide.close()
            self._open.clear()

    def _taken(self, name: str) -> _Open:
        if name not in self._open:
            self._open[name] = _Open(_opened(self.volumes[name]))
        self._open.move_to_end(name)
        self._close_idle()
        return self._open[name]

    def _close_idle(self) -> None:
        idle = [name for name, one in self._open.items() if not one.readers]
        for name in idle[: max(0, len(self._open) - MOST_OPEN)]:
            self._open.pop(name).slide.close()


def _opened(volume: Volume) -> Slide:
    try:
        slide = open_slide(volume.path, volume.mpp, assume_mpp=1.0)
    except SlideError as error:
        if not volume.path.exists():
            raise DamagedSlideError(_lost(FileNotFoundError())) from None
        raise DamagedSlideError(
            "the slide cannot be opened any more; histoscore info says why"
        ) from error
    slide.pass_over_damage()
    return slide


def _lost(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the slide's file is not where it was when it was scored; put it back to grade it"
    return f"the slide's file cannot be read ({error.strerror}); is the disk or share there?"
