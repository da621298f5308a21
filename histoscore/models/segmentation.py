"""How the coarse and the fine network learn: one loop, read from top to bottom."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from histoscore.files import write_atomic
from histoscore.models.dataset import TileSource
from histoscore.vocabulary import IGNORE, Tissue

Report = Callable[[str], None]


class SegmentationSettings(BaseModel):
    """One segmentation network's training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(600, ge=1)
    batch: int = Field(8, ge=1)
    side_px: int = Field(256, ge=64, multiple_of=32)
    rate: float = Field(2e-3, gt=0, description="peak learning rate of the decoder")
    encoder_rate: float = Field(0.35, gt=0, description="the encoder's, as a share of it")
    focus: float = Field(0.6, ge=0, le=1, description="share of tiles on articular cartilage")
    decay: float = Field(1e-2, ge=0)
    average: float = Field(0.985, ge=0, lt=1, description="weights are averaged with this memory")


def train_segmentation(
    network: nn.Module,
    source: TileSource,
    settings: SegmentationSettings,
    device: torch.device,
    log: Path,
    report: Report,
) -> nn.Module:
    """Trains in place and returns the network with averaged weights, in evaluation mode.

    Writes one row per 20 steps to `log` (CSV: step, loss, seconds).
    """
    network = network.to(device, memory_format=torch.channels_last).train()
    encoder = {id(p) for p in network.encoder.parameters()}  # type: ignore[union-attr]
    groups = [
        {
            "params": [p for p in network.parameters() if id(p) in encoder],
            "lr": settings.rate * settings.encoder_rate,
        },
        {"params": [p for p in network.parameters() if id(p) not in encoder]},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.rate, weight_decay=settings.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [g["lr"] for g in optimizer.param_groups], settings.steps, pct_start=0.15
    )
    averaged = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.average),
        use_buffers=True,
    )
    rows, losses, start = [("step", "loss", "seconds")], [], time.monotonic()
    for step, batch in enumerate(source.batches(settings.steps), 1):
        with torch.autocast(device.type, torch.bfloat16):
            tissue, zones = network(batch.images.to(device))
        loss = segmentation_loss(
            tissue.float(), zones.float(), batch.tissue.to(device), batch.zones.to(device)
        )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        averaged.update_parameters(network)
        losses.append(loss.item())
        if step % 20 == 0 or step == settings.steps:
            seconds = time.monotonic() - start
            mean = sum(losses[-20:]) / len(losses[-20:])
            rows.append((str(step), f"{mean:.4f}", f"{seconds:.0f}"))
            left = seconds / step * (settings.steps - step)
            rate = step * settings.batch / seconds
            report(
                f"step {step}/{settings.steps}  loss {mean:.4f}  {rate:.1f} tiles/s"
                f"  {left / 60:.0f} min left"
            )
            _write_log(log, rows)
    trained: nn.Module = averaged.module
    return trained.eval()


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


def _write_log(path: Path, rows: list[tuple[str, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_atomic(path, text.getvalue())
