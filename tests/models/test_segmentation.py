"""How far a segmentation is from the truth."""

from __future__ import annotations

import pytest
import torch

from histoscore.models.segmentation import segmentation_loss
from histoscore.vocabulary import IGNORE, Tissue

SHAPE = (2, 24, 40)


def truth(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tissue = torch.randint(0, 8, SHAPE, generator=generator)
    zones = torch.randint(0, 5, SHAPE, generator=generator)
    return tissue, zones


def certain(labels: torch.Tensor, classes: int, strength: float = 30) -> torch.Tensor:
    """Logits (n, classes, h, w) that say what `labels` say."""
    one_hot = torch.nn.functional.one_hot(labels.clamp(max=classes - 1), classes)
    return strength * one_hot.permute(0, 3, 1, 2).float()


def test_perfect_logits_cost_nothing() -> None:
    tissue, zones = truth()
    loss = segmentation_loss(certain(tissue, 8), certain(zones, 5), tissue, zones)
    assert loss.item() == pytest.approx(0, abs=1e-4)


def test_it_grows_as_the_answer_gets_worse() -> None:
    tissue, zones = truth()
    losses = [
        segmentation_loss(certain(tissue, 8, s), certain(zones, 5, s), tissue, zones).item()
        for s in (30.0, 5.0, 1.0, 0.0, -3.0)
    ]
    assert losses == sorted(losses)
    assert losses[-1] > losses[0] + 1


def test_each_head_counts() -> None:
    tissue, zones = truth()
    wrong = certain((tissue + 1) % 8, 8), certain((zones + 1) % 5, 5)
    assert segmentation_loss(wrong[0], certain(zones, 5), tissue, zones) > 1
    assert segmentation_loss(certain(tissue, 8), wrong[1], tissue, zones) > 1


@pytest.mark.parametrize("layer", [Tissue.HYALINE, Tissue.CALCIFIED])
def test_the_measured_layers_count_more_than_others(layer: Tissue) -> None:
    tissue, zones = truth()
    tissue[:] = Tissue.SOFT
    tissue[:, :3] = layer
    missed = certain(torch.full(SHAPE, int(Tissue.SOFT)), 8, 4)
    marrow = tissue.clone()
    marrow[:, :3] = Tissue.MARROW
    good = certain(zones, 5)
    assert segmentation_loss(missed, good, tissue, zones) > (
        segmentation_loss(missed, good, marrow, zones) + 0.2
    )


def test_ignored_pixels_have_no_influence() -> None:
    tissue, zones = truth()
    tissue[:, 5:14] = IGNORE
    logits = [torch.randn(2, n, 24, 40, generator=torch.Generator().manual_seed(n)) for n in (8, 5)]
    before = segmentation_loss(*logits, tissue, zones)
    changed = [part.clone() for part in logits]
    for part in changed:
        part[:, :, 5:14] = 50 * torch.randn_like(part[:, :, 5:14])
    zones_there = zones.clone()
    zones_there[:, 5:14] = 3
    assert segmentation_loss(*changed, tissue, zones_there).item() == pytest.approx(before.item())


def test_ignored_pixels_pull_at_nothing() -> None:
    tissue, zones = truth()
    tissue[0, :, :11] = IGNORE
    logits = [torch.zeros(2, n, 24, 40, requires_grad=True) for n in (8, 5)]
    segmentation_loss(*logits, tissue, zones).backward()
    for part in logits:
        assert part.grad is not None
        assert (part.grad[0, :, :, :11] == 0).all()
        assert (part.grad[1] != 0).any()
