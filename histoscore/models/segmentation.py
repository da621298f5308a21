"""What the coarse and the fine network learn: the tissue and the zone of every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from histoscore.models.dataset import Batch, TileSource
from histoscore.models.learning import LearningSettings
from histoscore.vocabulary import IGNORE, Tissue, Zone

MEASURED = (Tissue.HYALINE, Tissue.CALCIFIED)
"""The layers whose areas are reported."""
BY_OVERLAP = (*MEASURED, Tissue.OTHER_CARTILAGE)
"""Their overlap is learnt beside the class of each pixel, few as they are: what is measured, and
what is most easily counted with it."""


class SegmentationSettings(LearningSettings):
    """One segmentation network's training."""

    steps: int = Field(600, ge=1)
    batch: int = Field(8, ge=1, description="tiles a batch")
    side_px: int = Field(256, ge=64, multiple_of=32)
    focus: float = Field(0.6, ge=0, le=1, description="share of tiles on articular cartilage")
    check_tiles: int = Field(64, ge=1, description="tiles of held-out animals at each look")


@dataclass(frozen=True, slots=True)
class SegmentationTask:
    """Tiles of training animals to learn from, tiles of held-out ones (None: there are none) to
    look at."""

    training: TileSource
    held_out: TileSource | None
    check_tiles: int
    unit: str = "tiles"

    @property
    def batch_size(self) -> int:
        return self.training.batch_size

    def batch(self, number: int) -> Batch:
        return self.training.batch(number)

    def loss(self, network: nn.Module, batch: Batch, device: torch.device) -> Tensor:
        return segmentation_loss(*_answered(network, batch, device))

    @torch.inference_mode()
    def check(self, network: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Loss, and Dice of the measured layers and of the bones, over the same tiles."""
        if self.held_out is None:
            return {}
        losses, counts = [], np.zeros((2, len(MEASURED) + 1))
        for number in range(-(-self.check_tiles // self.held_out.batch_size)):
            batch = self.held_out.batch(number)
            answered = _answered(network, batch, device)
            losses.append(float(segmentation_loss(*answered)))
            counts += _overlaps(*answered)
        names = ("dice_hyaline", "dice_calcified", "dice_bones")
        dice = dict(zip(names, 2 * counts[0] / np.maximum(counts[1], 1), strict=True))
        return {"loss": float(np.mean(losses)), **dice}


def _answered(
    network: nn.Module, batch: Batch, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits of tissue and zones, then the labels of both."""
    tissue, zones = network(batch.images.to(device))
    return tissue.float(), zones.float(), batch.tissue.to(device), batch.zones.to(device)


def segmentation_loss(tissue: Tensor, zones: Tensor, labels: Tensor, zone_labels: Tensor) -> Tensor:
    """Cross entropy of both heads over what is known, and soft Dice of `BY_OVERLAP`.

    Which bone a pixel is on is asked among the pixels that are on one: they are few, and in a mean
    over all a network rests at knowing where the bones are and guessing which is which.

    Args:
        tissue: (n, 9, h, w) logits; zones: (n, 3, h, w) logits.
        labels: (n, h, w) `Tissue` or `IGNORE`; zone_labels: (n, h, w) `Zone`,
            `EITHER_BONE`, or `IGNORE`.
    """
    known = labels != IGNORE
    probability = tissue.softmax(1) * known[:, None]
    dice = torch.zeros((), device=tissue.device)
    for layer in BY_OVERLAP:
        p, truth = probability[:, layer], (labels == layer).float()
        dice = dice + 1 - (2 * (p * truth).sum() + 50) / (p.sum() + truth.sum() + 50)
    zone = _zone_loss(zones, zone_labels.where(known, IGNORE))
    return _entropy(tissue, labels) + 0.5 * dice + zone


def _zone_loss(zones: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of whether a pixel is on a bone, and among those that are, of which."""
    some = torch.stack([zones[:, Zone.NONE], zones[:, Zone.FEMUR :].logsumexp(1)], 1)
    is_some = (labels != Zone.NONE).long().where(labels != IGNORE, IGNORE)
    named = (labels == Zone.FEMUR) | (labels == Zone.TIBIA)
    bones = (labels - Zone.FEMUR).where(named, IGNORE)
    return 0.5 * _entropy(some, is_some) + _entropy(zones[:, Zone.FEMUR :], bones)


def _entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy over known pixels; 0 where none is known, and not 0 ÷ 0."""
    total = functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


def _overlaps(
    tissue: Tensor, zones: Tensor, labels: Tensor, zone_labels: Tensor
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(2, layers + 1): pixels in both, and the sum of pixels in either, for layers and bones."""
    known = labels != IGNORE
    found, zone = tissue.argmax(1), zones.argmax(1)
    pairs = [(known & (found == t), labels == t) for t in MEASURED]
    columns = [[float((a & b).sum()), float(a.sum() + b.sum())] for a, b in pairs]
    named = known & (zone_labels != IGNORE) & (zone_labels <= Zone.TIBIA)
    on_bone = named & (zone_labels > Zone.NONE)
    right = on_bone & (zone == zone_labels)
    columns.append([float(right.sum()), float((named & (zone > 0)).sum() + on_bone.sum())])
    return np.array(columns).T
