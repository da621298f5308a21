"""What a frozen encoder makes of strips, computed once and kept in zarr.

With the encoder frozen, a step needs no picture: the rest of the grader learns from stored
columns in seconds, and another head costs nothing more. Each strip is stored in several random
colours, so that augmentation is not lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import zarr
from numpy.typing import NDArray

from histoscore.models.grading import StripBatch, StripSource
from histoscore.models.networks import GraderNetwork
from histoscore.vocabulary import Ladder

_ARRAYS = ("columns", "present", "measures")
_WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class CachedStrips:
    """Strips as a frozen encoder sees them: batches by number, as `StripSource` gives them.

    The first input of a batch is (n, columns, channels) in the place of pixels.

    Attributes:
        source: the strips. columns: (variants, strips, columns, channels) float16;
        present: (variants, strips, length); measures: (variants, strips, measures).
    """

    source: StripSource
    columns: NDArray[np.float16]
    present: NDArray[np.bool_]
    measures: NDArray[np.float32]

    @property
    def ladder(self) -> Ladder:
        return self.source.ladder

    @property
    def batch_size(self) -> int:
        return self.source.batch_size

    @property
    def batches_an_epoch(self) -> int:
        return self.source.batches_an_epoch

    def batch(self, number: int) -> StripBatch:
        """Batch `number`: the source's strips, each in one of its stored colours."""
        picked = self.source.picked(number)
        rng = np.random.default_rng([self.source.seed, 6, number])
        variant = rng.integers(len(self.columns), size=len(picked))
        return StripBatch(
            torch.from_numpy(self.columns[variant, picked].astype(np.float32)),
            torch.from_numpy(self.present[variant, picked]),
            torch.from_numpy(self.measures[variant, picked]),
            self.source.wanted(picked),
        )


def cached_strips(
    source: StripSource,
    network: GraderNetwork,
    folder: Path,
    variants: int,
    report: Callable[[str], None],
) -> CachedStrips:
    """The source's strips through the network's encoder, from `folder` where they lie there."""
    if not _is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        group = zarr.open_group(folder, mode="w")
        for variant in range(variants):
            _store(source, network.eval(), group, variant, variants)
            report(f"{variant + 1} of {variants} colours of {len(source.strips)} strips encoded")
        group.attrs[_WHOLE] = True
    group = zarr.open_group(folder, mode="r")
    columns, present, measures = (np.asarray(group[name]) for name in _ARRAYS)
    return CachedStrips(source, columns, present, measures)


def _is_whole(folder: Path) -> bool:
    return folder.exists() and bool(zarr.open_group(folder, mode="a").attrs.get(_WHOLE))


def _store(
    source: StripSource, network: GraderNetwork, group: zarr.Group, variant: int, variants: int
) -> None:
    """Encodes every strip once."""
    device = next(network.parameters()).device
    start = 0
    for batch in source.variant(variant):
        with torch.inference_mode():
            columns = network.encoded(batch.pixels.to(device)).cpu().numpy()
        values = (columns.astype(np.float16), batch.present.numpy(), batch.measures.numpy())
        stop = start + len(columns)
        for name, part in zip(_ARRAYS, values, strict=True):
            if name not in group:
                shape = (variants, len(source.strips), *part.shape[1:])
                chunks = (1, min(64, len(source.strips)), *part.shape[1:])
                group.create_array(name, shape=shape, chunks=chunks, dtype=part.dtype)
            array = group[name]
            assert isinstance(array, zarr.Array)  # made just above
            array[variant, start:stop] = part
        start = stop
