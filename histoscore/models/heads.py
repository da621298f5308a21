"""Ordinal heads: what the grader's last numbers mean, and what they are trained on.

A head turns (n, outputs) numbers into (n, rungs) log-probabilities, and holds them against the
wanted distribution: the share of scorers who gave each rung, one-hot where there was one scorer.
Everything is reckoned in float32, whatever precision the network ran in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from histoscore.models.specs import (
    CornSettings,
    CrossEntropySettings,
    HeadSettings,
    RegressionSettings,
    SoftSettings,
)
from histoscore.vocabulary import Ladder


class Head(Protocol):
    """The meaning of a grader's outputs on one ladder."""

    @property
    def outputs(self) -> int:
        """How many numbers the network yields for each strip."""

    def loss(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        """Mean over (n, outputs) held against wanted distributions (n, rungs); a scalar.

        Raises:
            ValueError: a shape is not as said.
        """

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """(n, rungs) natural logarithms of probabilities that sum to 1, float32, finite.

        Raises:
            ValueError: `outputs` is not (n, outputs).
        """


class CrossEntropyHead:
    """A logit for each rung, trained on the wanted distribution itself."""

    def __init__(self, settings: CrossEntropySettings, ladder: Ladder) -> None:
        self.outputs = len(ladder)

    def loss(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        return _cross_entropy(self.log_probabilities(outputs), wanted)

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        return functional.log_softmax(_floats(outputs, self.outputs), 1)


class SoftHead:
    """A logit for each rung, trained on wanted distributions softened by grade distance.

    The exponential kernel of Díaz & Marathe 2019 (CVPR, soft labels for ordinal regression).
    """

    def __init__(self, settings: SoftSettings, ladder: Ladder) -> None:
        self.outputs = len(ladder)
        self._softened = softened(ladder, settings.softness)

    def loss(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        # Multiplied and summed by hand: under autocast a matrix product would be bfloat16.
        soft = self._softened.to(wanted.device)
        targets = (_floats(wanted, self.outputs)[:, :, None] * soft).sum(1)
        return _cross_entropy(self.log_probabilities(outputs), targets)

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        return functional.log_softmax(_floats(outputs, self.outputs), 1)


class CornHead:
    """A logit for each step of the ladder: P(grade above rung k | at rung k or above).

    Conditional ordinal regression, CORN (Shi, Cao & Raschka 2023, Pattern Anal Appl 26:941–955,
    arXiv:2111.08851): probabilities are products of conditional ones, so that the chance of being
    above a rung can only fall along the ladder.
    """

    def __init__(self, settings: CornSettings, ladder: Ladder) -> None:
        self.outputs = len(ladder) - 1

    def loss(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        """Sum over steps of binary cross entropies, each weighted by P(wanted at or above rung k).

        The sum over steps of these is the cross entropy of `wanted` and the product of the
        conditionals, and is written so. For one-hot `wanted` the weights are the paper's subsets;
        the paper divides by the sum of the subsets' sizes, here it is the number of strips, so
        that what a strip weighs does not hang on which grades share its batch.
        """
        return _cross_entropy(self.log_probabilities(outputs), wanted)

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        logits = _floats(outputs, self.outputs)
        reached = functional.pad(functional.logsigmoid(logits).cumsum(1), (1, 0))
        stays = functional.pad(functional.logsigmoid(-logits), (0, 1))
        return reached + stays


class RegressionHead:
    """One number in grades, trained on the scorers' mean grade.

    Its probabilities are assumed, not learned: a Gaussian of `width` around the number, read at
    the rungs and normalised. The most probable rung is the nearest one. A temperature T fitted
    afterwards is the same as √T times the width.
    """

    outputs = 1

    def __init__(self, settings: RegressionSettings, ladder: Ladder) -> None:
        self._width = settings.width
        self._rungs = torch.tensor(ladder.rungs, dtype=torch.float32)

    def loss(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        """Smooth L1, quadratic within one grade (Girshick 2015, ICCV), in grades."""
        rungs = self._rungs.to(wanted.device)
        expected = (_floats(wanted, len(rungs)) * rungs).sum(1)
        values = _floats(outputs, 1)[:, 0]
        _same_length(values, expected)
        return functional.smooth_l1_loss(values, expected)

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        # −(value − rung)² / 2 without value², which all rungs share and which could overflow.
        rungs = self._rungs.to(outputs.device)
        closeness = _floats(outputs, 1) * rungs - rungs**2 / 2
        return functional.log_softmax(closeness / self._width**2, 1)


HEADS: dict[str, Callable[[Any, Ladder], Head]] = {
    "soft": SoftHead,
    "cross_entropy": CrossEntropyHead,
    "corn": CornHead,
    "regression": RegressionHead,
}
"""Heads by the name that configs give them."""


def build_head(settings: HeadSettings, ladder: Ladder) -> Head:
    """The head that `settings` names, on `ladder`."""
    return HEADS[settings.name](settings, ladder)


def softened(ladder: Ladder, softness: float) -> Tensor:
    """(rungs, rungs): for each true rung a distribution that falls off with grade distance.

    exp(−distance ÷ softness), normalised over each row. 0, 0.5 and 1 lie closer to each other than
    2 and 3, so distance is in grades, not in rank.
    """
    rungs = torch.tensor(ladder.rungs, dtype=torch.float32)
    return torch.softmax(-(rungs[:, None] - rungs[None]).abs() / softness, 1)


def _cross_entropy(log_probabilities: Tensor, wanted: Tensor) -> Tensor:
    targets = _floats(wanted, log_probabilities.shape[1])
    _same_length(log_probabilities, targets)
    return -(targets * log_probabilities).sum(1).mean()


def _floats(values: Tensor, columns: int) -> Tensor:
    """`values` in float32; raises ValueError unless they are (n, columns)."""
    if values.ndim != 2 or values.shape[1] != columns:
        raise ValueError(f"numbers of shape {tuple(values.shape)} where (n, {columns}) are due")
    return values.float()


def _same_length(outputs: Tensor, wanted: Tensor) -> None:
    """Raises ValueError where a single row would silently be held against all others."""
    if len(outputs) != len(wanted):
        raise ValueError(f"{len(outputs)} strips, but wanted grades for {len(wanted)}")
