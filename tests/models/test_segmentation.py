"""How far a segmentation is from the truth, and how held-out animals are looked at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histoscore.models.dataset import Batch, TileSource
from histoscore.models.examples import EITHER_BONE
from histoscore.models.networks import N_TISSUES
from histoscore.models.segmentation import BY_OVERLAP, SegmentationTask, segmentation_loss
from histoscore.vocabulary import IGNORE, Tissue, Zone

SHAPE = (2, 24, 40)
CPU = torch.device("cpu")


def truth(seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tissue = torch.randint(0, N_TISSUES, SHAPE, generator=generator)
    zones = torch.randint(0, 3, SHAPE, generator=generator)
    return tissue, zones


def certain(labels: Tensor, classes: int, strength: float = 30) -> Tensor:
    """Logits (n, classes, h, w) that say what `labels` say."""
    one_hot = torch.nn.functional.one_hot(labels.clamp(max=classes - 1), classes)
    return strength * one_hot.permute(0, 3, 1, 2).float()


class TestLoss:
    """Cross entropy of both heads, and overlap of the measured layers."""

    def test_perfect_logits_cost_nothing(self) -> None:
        tissue, zones = truth()
        loss = segmentation_loss(certain(tissue, N_TISSUES), certain(zones, 3), tissue, zones)
        assert loss.item() == pytest.approx(0, abs=1e-4)

    def test_it_grows_as_the_answer_gets_worse(self) -> None:
        tissue, zones = truth()
        losses = [
            segmentation_loss(
                certain(tissue, N_TISSUES, s), certain(zones, 3, s), tissue, zones
            ).item()
            for s in (30.0, 5.0, 1.0, 0.0, -3.0)
        ]
        assert losses == sorted(losses)
        assert losses[-1] > losses[0] + 1

    def test_each_head_counts(self) -> None:
        tissue, zones = truth()
        wrong = certain((tissue + 1) % N_TISSUES, N_TISSUES), certain((zones + 1) % 3, 3)
        assert segmentation_loss(wrong[0], certain(zones, 3), tissue, zones) > 1
        assert segmentation_loss(certain(tissue, N_TISSUES), wrong[1], tissue, zones) > 1

    def test_of_cartilage_on_a_bone_that_nobody_named_only_that_it_is_on_one_counts(self) -> None:
        tissue, zones = truth()
        zones[:] = EITHER_BONE
        costs = [
            segmentation_loss(
                certain(tissue, N_TISSUES), certain(torch.full(SHAPE, int(zone)), 3), tissue, zones
            ).item()
            for zone in Zone
        ]
        assert costs[Zone.NONE] > 10
        assert costs[Zone.FEMUR] == pytest.approx(costs[Zone.TIBIA], abs=1e-4)
        assert costs[Zone.FEMUR] == pytest.approx(0, abs=1e-4)

    def test_taking_one_bone_for_the_other_counts_however_few_pixels_are_on_one(self) -> None:
        tissue, zones = truth()
        zones[:] = Zone.NONE
        zones[:, :1] = Zone.FEMUR
        swapped = zones.clone()
        swapped[:, :1] = Zone.TIBIA
        loss = segmentation_loss(certain(tissue, N_TISSUES), certain(swapped, 3, 4), tissue, zones)
        assert loss > 4

    @pytest.mark.parametrize("layer", BY_OVERLAP)
    def test_the_measured_layers_and_their_likeness_count_more_than_others(
        self, layer: Tissue
    ) -> None:
        tissue, zones = truth()
        tissue[:] = Tissue.SOFT
        tissue[:, :3] = layer
        missed = certain(torch.full(SHAPE, int(Tissue.SOFT)), N_TISSUES, 4)
        marrow = tissue.clone()
        marrow[:, :3] = Tissue.MARROW
        good = certain(zones, 3)
        assert segmentation_loss(missed, good, tissue, zones) > (
            segmentation_loss(missed, good, marrow, zones) + 0.2
        )

    def test_pixels_without_a_label_have_no_influence(self) -> None:
        tissue, zones = truth()
        tissue[:, 5:14] = IGNORE
        logits = [
            torch.randn(2, n, 24, 40, generator=torch.Generator().manual_seed(n))
            for n in (N_TISSUES, 3)
        ]
        before = segmentation_loss(*logits, tissue, zones)
        changed = [part.clone() for part in logits]
        for part in changed:
            part[:, :, 5:14] = 50 * torch.randn_like(part[:, :, 5:14])
        zones_there = zones.clone()
        zones_there[:, 5:14] = Zone.TIBIA
        after = segmentation_loss(*changed, tissue, zones_there)
        assert after.item() == pytest.approx(before.item())

    def test_where_the_bone_is_not_known_the_tissue_still_counts(self) -> None:
        tissue, zones = truth()
        zones[:, :, :20] = IGNORE
        tissue_logits = torch.zeros(2, N_TISSUES, 24, 40, requires_grad=True)
        zone_logits = torch.zeros(2, 3, 24, 40, requires_grad=True)
        segmentation_loss(tissue_logits, zone_logits, tissue, zones).backward()
        assert tissue_logits.grad is not None
        assert zone_logits.grad is not None
        assert (tissue_logits.grad[..., :20] != 0).any()
        assert (zone_logits.grad[..., :20] == 0).all()
        assert (zone_logits.grad[..., 20:] != 0).any()

    def test_unknown_pixels_pull_at_nothing(self) -> None:
        tissue, zones = truth()
        tissue[0, :, :11] = IGNORE
        logits = [torch.zeros(2, n, 24, 40, requires_grad=True) for n in (N_TISSUES, 3)]
        segmentation_loss(*logits, tissue, zones).backward()
        for part in logits:
            assert part.grad is not None
            assert (part.grad[0, :, :, :11] == 0).all()
            assert (part.grad[1] != 0).any()

    def test_a_batch_of_which_nothing_is_known_is_a_number_and_pulls_at_nothing(self) -> None:
        unknown = torch.full(SHAPE, IGNORE)
        logits = [torch.randn(2, n, 24, 40).requires_grad_() for n in (N_TISSUES, 3)]
        loss = segmentation_loss(*logits, unknown, unknown)
        loss.backward()
        assert torch.isfinite(loss)
        for part in logits:
            assert part.grad is not None
            assert (part.grad == 0).all()


class Says(nn.Module):
    """The same logits for any image."""

    def __init__(self, tissue: Tensor, zones: Tensor) -> None:
        super().__init__()
        self.answer = tissue, zones

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.answer


class Fixed(TileSource):
    """One batch of known labels, whatever its number; counts how often it is asked."""

    asked: list[int]

    def batch(self, step: int) -> Batch:
        self.asked.append(step)
        tissue, zones = known()
        return Batch(torch.zeros(2, 3, 24, 40), tissue, zones)


def known() -> tuple[Tensor, Tensor]:
    """Hyaline cartilage over calcified in the upper rows, femur left, tibia right."""
    tissue = torch.full(SHAPE, int(Tissue.SOFT))
    tissue[:, :4], tissue[:, 4:8] = Tissue.HYALINE, Tissue.CALCIFIED
    zones = torch.full(SHAPE, int(Zone.NONE))
    zones[:, :12, :20], zones[:, :12, 20:] = Zone.FEMUR, Zone.TIBIA
    return tissue, zones


def source() -> Fixed:
    fixed = Fixed([], [], 1.0, 64, 0.5, 2, 1)
    object.__setattr__(fixed, "asked", [])
    return fixed


class TestLook:
    """What is seen of held-out animals."""

    def look(self, tissue: Tensor, zones: Tensor) -> dict[str, float]:
        network = Says(certain(tissue, N_TISSUES), certain(zones, 3))
        return dict(SegmentationTask(source(), source(), 2).check(network, CPU))

    def test_a_network_without_fault(self) -> None:
        seen = self.look(*known())
        assert seen.pop("loss") == pytest.approx(0, abs=1e-3)
        names = {"dice_hyaline", "dice_calcified", "dice_bones"}
        assert seen == pytest.approx(dict.fromkeys(names, 1.0))

    def test_overlap_is_twice_what_is_in_both_by_what_is_in_either(self) -> None:
        tissue, zones = known()
        found, bones = tissue.clone(), zones.clone()
        found[:, :2] = Tissue.SOFT  # half of the hyaline layer is missed
        found[:, 8:12] = Tissue.CALCIFIED  # as much again beyond the calcified layer
        bones[:, :12] = Zone.FEMUR  # half of the bones' pixels are given to the wrong one
        seen = self.look(found, bones)
        assert seen["dice_hyaline"] == pytest.approx(2 * 2 / (2 + 4))
        assert seen["dice_calcified"] == pytest.approx(2 * 4 / (8 + 4))
        assert seen["dice_bones"] == pytest.approx(0.5)

    def test_what_nobody_knows_does_not_count(self) -> None:
        class Gaps(Fixed):
            def batch(self, step: int) -> Batch:
                tissue, zones = known()
                tissue[:, :, :7] = IGNORE
                zones[:, :, 30:] = IGNORE
                return Batch(torch.zeros(2, 3, 24, 40), tissue, zones)

        tissue, zones = known()
        tissue[:, :, :7], zones[:, :, :7], zones[:, :, 30:] = Tissue.MARROW, Zone.TIBIA, Zone.FEMUR
        network = Says(certain(tissue, N_TISSUES), certain(zones, 3))
        held_out = Gaps([], [], 1.0, 64, 0.5, 2, 1)
        seen = SegmentationTask(held_out, held_out, 2).check(network, CPU)
        assert [seen[n] for n in seen if n != "loss"] == pytest.approx([1.0, 1.0, 1.0])

    def test_layers_that_are_not_there_overlap_in_nothing_and_not_in_0_by_0(self) -> None:
        seen = self.look(torch.full(SHAPE, int(Tissue.SOFT)), torch.zeros(SHAPE).long())
        assert all(np.isfinite(value) for value in seen.values())
        assert seen["dice_hyaline"] == 0

    def test_as_many_tiles_are_looked_at_as_were_asked_for(self) -> None:
        held_out = source()
        tissue, zones = known()
        network = Says(certain(tissue, N_TISSUES), certain(zones, 3))
        SegmentationTask(source(), held_out, 5).check(network, CPU)
        assert held_out.asked == [0, 1, 2], "batches of two"

    def test_without_held_out_animals_there_is_nothing_to_see(self) -> None:
        assert SegmentationTask(source(), None, 5).check(nn.Identity(), CPU) == {}

    def test_it_learns_from_the_training_animals_batches(self) -> None:
        training = source()
        task = SegmentationTask(training, None, 5)
        assert task.batch_size == 2
        tissue, zones = known()
        network = Says(certain(tissue, N_TISSUES), certain(zones, 3))
        assert task.loss(network, task.batch(7), CPU).item() == pytest.approx(0, abs=1e-3)
        assert training.asked == [7]
        worse = replace(task, training=training)
        answer = Says(certain(torch.zeros_like(tissue), N_TISSUES), certain(zones, 3))
        assert worse.loss(answer, task.batch(8), CPU) > 1
