"""A disk that refuses the n-th thing that is asked of it, in this process or in the worker."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from helpers.fake_scorer import FakeScorer

from histoscore.config import ScoreConfig
from histoscore.export.zarr_labels import write_label_store
from histoscore.geometry import Mpp, Placement
from histoscore.records import LabelMap, SlideJob

SCORER = "helpers.failing_disk:ScorerOnFailingDisk"
MAPPING_SCORER = "helpers.failing_disk:MappingScorer"
IN_WORKER = "HISTOSCORE_TEST_DISK"
"""Environment variable `n errno` of the worker's disk."""


class FailingDisk:
    """Opening to write, flushing, renaming, making folders: each counts once, and the n-th fails.

    Used as a context manager it takes the place of the system's calls below a folder, in all
    threads: zarr writes in several.
    """

    def __init__(self, n: int, code: int, folder: Path) -> None:
        self.left, self._code, self._folder = n, code, str(folder)
        self._real: dict[tuple[Any, str], Any] = {}
        self._counting = Lock()

    @property
    def has_failed(self) -> bool:
        return self.left <= 0

    def __enter__(self) -> FailingDisk:
        self._wrap(os, "replace", lambda *a, **_: self._below(a[1]))
        self._wrap(os, "fsync", lambda *_, **__: True)
        self._wrap(Path, "mkdir", lambda *a, **_: self._below(a[0]))
        self._wrap(Path, "open", lambda *a, **k: self._writes(*a, **k))
        return self

    def __exit__(self, *exception: object) -> None:
        for (owner, name), real in self._real.items():
            setattr(owner, name, real)

    def _wrap(self, owner: Any, name: str, counts: Any) -> None:
        real = self._real[owner, name] = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if counts(*arguments, **named) and self._is_the_nth():
                raise OSError(self._code, os.strerror(self._code))
            return real(*arguments, **named)

        setattr(owner, name, call)

    def _is_the_nth(self) -> bool:
        with self._counting:
            self.left -= 1
            return self.left == 0

    def _below(self, path: Any) -> bool:
        return str(path).startswith(self._folder)

    def _writes(self, path: Any, mode: str = "r", *_: Any, **__: Any) -> bool:
        return self._below(path) and any(letter in mode for letter in "wxa+")


class ScorerOnFailingDisk(FakeScorer):
    """The fake scorer; the worker's disk is what `HISTOSCORE_TEST_DISK` says, if anything."""

    def __init__(self, config: ScoreConfig, run_folder: Path) -> None:
        super().__init__(config, run_folder)
        if said := os.environ.get(IN_WORKER):
            n, code = map(int, said.split())
            FailingDisk(n, code, run_folder).__enter__()


class MappingScorer(ScorerOnFailingDisk):
    """One that also writes a label map, which zarr does and not `write_atomic`."""

    def _draw(self, job: SlideJob) -> None:
        super()._draw(job)
        write_label_store(self._run.label_path(job.row.slide, 1), small_map())


def small_map() -> LabelMap:
    """One level, all tissues, in a store of a dozen files."""
    tissue = (np.arange(200 * 150, dtype=np.uint32) % 9).astype(np.uint8).reshape(200, 150)
    return LabelMap(tissue, tissue % 5, Placement(31.5, -20, 2.5, Mpp(1.8)))
