"""How the coarse and the fine network learn: one loop, read from top to bottom."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from histoscore.models.dataset import TileSource
from histoscore.models.learning import Learner, LearningSettings, Report, TrainingLog
from histoscore.vocabulary import IGNORE, Tissue


class SegmentationSettings(LearningSettings):
    """One segmentation network's training."""

    steps: int = Field(600, ge=1)
    batch: int = Field(8, ge=1, description="tiles a step")
    side_px: int = Field(256, ge=64, multiple_of=32)
    focus: float = Field(0.6, ge=0, le=1, description="share of tiles on articular cartilage")


def train_segmentation(
    network: nn.Module,
    source: TileSource,
    settings: SegmentationSettings,
    device: torch.device,
    log: Path,
    report: Report,
) -> nn.Module:
    """The network with averaged weights, in evaluation mode; writes loss over steps to `log`."""
    learner = Learner(network, settings, settings.steps, device)
    progress = TrainingLog(log, settings.steps, settings.batch, "tiles", report)
    for step, batch in enumerate(source.batches(settings.steps), 1):
        with torch.autocast(device.type, torch.bfloat16):
            tissue, zones = learner.network(batch.images.to(device))
        loss = segmentation_loss(
            tissue.float(), zones.float(), batch.tissue.to(device), batch.zones.to(device)
        )
        learner.learn(loss)
        progress.add(step, loss.item())
    return learner.trained


def segmentation_loss(tissue: Tensor, zones: Tensor, labels: Tensor, zone_labels: Tensor) -> Tensor:
    """Cross entropy of both heads, and soft Dice of the two layers that are measured.

    Args:
        tissue: (n, 8, h, w) logits; zones: (n, 5, h, w) logits.
        labels: (n, h, w) `Tissue` or `IGNORE`; zone_labels: (n, h, w) codes.
    """
    known = labels != IGNORE
    entropy = functional.cross_entropy(tissue, labels, ignore_index=IGNORE)
    probability = tissue.softmax(1) * known[:, None]
    dice = torch.zeros((), device=tissue.device)
    for layer in (Tissue.HYALINE, Tissue.CALCIFIED):
        p, truth = probability[:, layer], (labels == layer).float()
        dice = dice + 1 - (2 * (p * truth).sum() + 50) / (p.sum() + truth.sum() + 50)
    zone = functional.cross_entropy(zones, zone_labels.where(known, -100), ignore_index=-100)
    return entropy + 0.5 * dice + 0.5 * zone
