"""The networks' shapes and parts, and how they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from histoscore.errors import ModelError
from histoscore.models.networks import (
    N_TISSUES,
    GraderNetwork,
    build_network,
    load_weights,
    save_weights,
)
from histoscore.models.specs import (
    CornSettings,
    CrossEntropySettings,
    GraderSpec,
    HeadSettings,
    NetworkSpec,
    RegressionSettings,
    SegmentationSpec,
    SoftSettings,
)
from histoscore.vocabulary import OARSI_MOUSE, Ladder

COARSE = SegmentationSpec(depth=5, mpp=2.6, tile_px=96)
FINE = SegmentationSpec(depth=4, context=3, mpp=1.0, tile_px=64)
GRADER = GraderSpec(depth=4, mpp=1.0, tile_px=160)
specs = pytest.mark.parametrize("spec", [COARSE, FINE, GRADER], ids=["coarse", "fine", "grader"])


@pytest.mark.parametrize("spec", [COARSE, FINE], ids=["coarse", "fine"])
@pytest.mark.parametrize(("rows", "columns"), [(32, 96), (64, 32)])
def test_segmentation_answers_for_every_pixel(
    spec: SegmentationSpec, rows: int, columns: int
) -> None:
    images = torch.zeros(2, 3 + spec.context, rows, columns)
    with torch.inference_mode():
        tissue, zones = build_network(spec)(images)
    assert tissue.shape == (2, N_TISSUES, rows, columns)
    assert zones.shape == (2, 3, rows, columns)


@pytest.mark.parametrize("depth", [3, 4, 5])
@pytest.mark.parametrize("decoder", ["unet", "fpn", "manet"])
def test_decoders_of_any_depth_answer_for_every_pixel(decoder: str, depth: int) -> None:
    spec = FINE.model_copy(update={"decoder": decoder, "depth": depth})
    with torch.inference_mode():
        tissue, zones = build_network(spec)(torch.zeros(1, 6, 32, 64))
    assert tissue.shape == (1, N_TISSUES, 32, 64)
    assert zones.shape == (1, 3, 32, 64)


def test_another_decoder_is_another_network() -> None:
    names = [
        {name.split(".")[1] for name, _ in build_network(spec).named_parameters()}
        for spec in (FINE, FINE.model_copy(update={"decoder": "fpn"}))
    ]
    weights = [
        sum(p.numel() for p in build_network(spec).parameters())
        for spec in (FINE, FINE.model_copy(update={"decoder": "fpn"}))
    ]
    assert names[0] == names[1] == {"encoder", "decoder", "segmentation_head"}
    assert weights[0] != weights[1]


@pytest.mark.parametrize("decoder", ["unetta", ""])
def test_an_unknown_decoder_is_refused(decoder: str) -> None:
    with pytest.raises(ModelError, match=rf"decoder {decoder} on encoder tf_efficientnet_lite0"):
        build_network(COARSE.model_copy(update={"decoder": decoder}))


def test_another_encoder_can_be_asked_for() -> None:
    spec = FINE.model_copy(update={"encoder": "resnet10t", "depth": 3})
    with torch.inference_mode():
        tissue, _ = build_network(spec)(torch.zeros(1, 6, 32, 32))
    assert tissue.shape == (1, N_TISSUES, 32, 32)
    assert type(build_network(spec).encoder).__name__ != type(build_network(FINE).encoder).__name__


@pytest.mark.parametrize("tile_px", [0, 48, 100])
def test_tiles_are_multiples_of_32(tile_px: int) -> None:
    with pytest.raises(ValidationError, match="tile_px"):
        SegmentationSpec(mpp=1, tile_px=tile_px)
    with pytest.raises(ValidationError, match="tile_px"):
        GraderSpec(mpp=1, tile_px=tile_px)


def grader_inputs(length: int = 160, present: int = 90) -> tuple[Tensor, ...]:
    strips = torch.randn(2, 3, 128, length, generator=torch.Generator().manual_seed(4))
    here = (torch.arange(length) < present).expand(2, -1)
    return strips, here, torch.tensor([[0.0, 0.8, 0.7, 0.1], [0.4, 0.3, 0.0, 0.5]])


def graded(network: nn.Module, *inputs: Tensor) -> Tensor:
    with torch.inference_mode():
        outputs: Tensor = network(*inputs)
    return outputs


class TestGrader:
    """A strip, where it is present, and its measures → the head's outputs."""

    @pytest.mark.parametrize(
        ("head", "outputs"),
        [
            (SoftSettings(), len(OARSI_MOUSE)),
            (CrossEntropySettings(), len(OARSI_MOUSE)),
            (CornSettings(), len(OARSI_MOUSE) - 1),
            (RegressionSettings(), 1),
        ],
        ids=lambda value: getattr(value, "name", ""),
    )
    def test_it_gives_what_its_head_reads(self, head: HeadSettings, outputs: int) -> None:
        found = graded(build_network(GRADER.model_copy(update={"head": head})), *grader_inputs())
        assert found.shape == (2, outputs)
        assert torch.isfinite(found).all()

    def test_another_ladder_has_outputs_of_its_own(self) -> None:
        network = build_network(GRADER, Ladder("three", (0, 1, 2)))
        assert graded(network, *grader_inputs()).shape == (2, 3)

    def test_it_sees_strip_and_measures(self) -> None:
        network = build_network(GRADER)
        strips, here, measures = grader_inputs()
        usual = graded(network, strips, here, measures)
        assert not torch.allclose(graded(network, strips.flip(0), here, measures), usual, atol=1e-4)
        assert not torch.allclose(graded(network, strips, here, measures.flip(0)), usual, atol=1e-4)

    def test_where_measures_are_not_told_they_do_not_count(self) -> None:
        network = build_network(GRADER.model_copy(update={"measures": False}))
        strips, here, measures = grader_inputs()
        usual = graded(network, strips, here, measures)
        assert torch.equal(graded(network, strips, here, measures + 5), usual)
        assert not torch.allclose(graded(network, strips.flip(0), here, measures), usual, atol=1e-4)

    @pytest.mark.parametrize("present", [0, 1, 90, 160])
    @pytest.mark.parametrize(
        "pooling", [("attention",), ("mean",), ("max",), ("attention", "mean", "max")], ids="-".join
    )
    def test_any_pooling_of_any_part_is_finite(
        self, pooling: tuple[str, ...], present: int
    ) -> None:
        network = build_network(GRADER.model_copy(update={"pooling": pooling}))
        assert graded(network, *grader_inputs(present=present)).shape == (2, len(OARSI_MOUSE))
        assert torch.isfinite(graded(network, *grader_inputs(present=present))).all()

    def test_pooling_is_what_it_says_over_the_columns_that_are_there(self) -> None:
        network = build_network(GRADER.model_copy(update={"pooling": ("mean", "max")}))
        assert isinstance(network, GraderNetwork)
        features = torch.randn(1, 6, 128, generator=torch.Generator().manual_seed(5))
        here = torch.tensor([[True, True, False, True, False, False]])
        mean, largest = network._pooled(features, here)
        there = features[0, [0, 1, 3]]
        assert torch.allclose(mean[0], there.mean(0), atol=1e-6)
        assert torch.equal(largest[0], there.amax(0))

    def test_attention_is_a_mean_of_the_columns_that_are_there(self) -> None:
        network = build_network(GRADER.model_copy(update={"pooling": ("attention",)}))
        assert isinstance(network, GraderNetwork)
        features = torch.randn(1, 6, 128, generator=torch.Generator().manual_seed(5))
        here = torch.tensor([[True, True, False, True, False, False]])
        changed = features.clone()
        changed[0, 2], changed[0, 4:] = 1e3, -1e3
        (usual,), (other,) = network._pooled(features, here), network._pooled(changed, here)
        assert torch.allclose(usual, other)
        there = features[0, [0, 1, 3]]
        assert (usual[0] >= there.amin(0) - 1e-5).all()
        assert (usual[0] <= there.amax(0) + 1e-5).all()

    def test_no_way_of_pooling_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="pooling"):
            GraderSpec(mpp=1, tile_px=160, pooling=())


@specs
def test_every_weight_takes_part(spec: NetworkSpec) -> None:
    """Stages that a shallower encoder does not use are not carried along."""
    network = build_network(spec).train()
    if spec.kind == "grader":
        loss = network(*grader_inputs()).square().sum()
    else:
        images = torch.randn(2, 3 + spec.context, 64, 96)
        loss = sum((part.square().sum() for part in network(images)), torch.zeros(()))
    loss.backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None]
    assert idle == []


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(ModelError, match="timm knows no encoder named resnet_of_dreams"):
        build_network(COARSE.model_copy(update={"encoder": "resnet_of_dreams"}))


class TestWeightFiles:
    """safetensors in, safetensors out, and a refusal for all else."""

    @specs
    def test_weights_come_back_rounded_to_half_precision(
        self, spec: NetworkSpec, tmp_path: Path
    ) -> None:
        network, file = build_network(spec), tmp_path / "w.safetensors"
        save_weights(network, file)
        again = load_weights(build_network(spec), file)
        assert not again.training
        for name, tensor in network.state_dict().items():
            stored = again.state_dict()[name]
            assert stored.dtype == tensor.dtype
            expected = tensor.half().float() if tensor.is_floating_point() else tensor
            assert torch.equal(stored, expected)

    def test_a_file_holds_half_precision(self, tmp_path: Path) -> None:
        network, file = build_network(GRADER), tmp_path / "w.safetensors"
        save_weights(network, file)
        kinds = {t.dtype for t in load_file(file).values() if t.is_floating_point()}
        assert kinds == {torch.float16}

    @pytest.mark.fault(48)
    def test_another_architectures_weights_are_refused(self, tmp_path: Path) -> None:
        save_weights(build_network(GRADER), tmp_path / "w.safetensors")
        with pytest.raises(ModelError, match=r"w\.safetensors: these weights do not fit"):
            load_weights(build_network(COARSE), tmp_path / "w.safetensors")

    @pytest.mark.fault(48)
    def test_another_number_of_classes_is_refused(self, tmp_path: Path) -> None:
        network, file = build_network(GRADER), tmp_path / "w.safetensors"
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        last = max(name for name in state if name.startswith("head.") and "weight" in name)
        state[last] = state[last][:5].contiguous()
        save_file(state, file)
        with pytest.raises(ModelError, match="do not fit"):
            load_weights(build_network(GRADER), file)

    @pytest.mark.parametrize("kept", [0, 4, 300, 100_000])
    @pytest.mark.fault(48)
    def test_a_truncated_file_is_refused(self, kept: int, tmp_path: Path) -> None:
        network, file = build_network(GRADER), tmp_path / "w.safetensors"
        save_weights(network, file)
        file.write_bytes(file.read_bytes()[:kept])
        with pytest.raises(ModelError, match=r"w\.safetensors"):
            load_weights(network, file)

    def test_a_pickle_under_a_safetensors_name_is_refused(self, tmp_path: Path) -> None:
        network, file = build_network(GRADER), tmp_path / "w.safetensors"
        torch.save(network.state_dict(), file)
        with pytest.raises(ModelError, match=r"w\.safetensors"):
            load_weights(network, file)

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"w\.safetensors"):
            load_weights(build_network(GRADER), tmp_path / "w.safetensors")


class TestNarrow:
    """A unet of chosen widths, that may stop at half the input's resolution."""

    def test_it_still_answers_for_every_pixel(self) -> None:
        spec = SegmentationSpec(depth=4, widths=(32, 24, 16, 8), half=True, mpp=2.6, tile_px=64)
        with torch.inference_mode():
            tissue, zones = build_network(spec)(torch.zeros(2, 3, 64, 96))
        assert tissue.shape == (2, N_TISSUES, 64, 96)
        assert zones.shape == (2, 3, 64, 96)

    def test_it_is_smaller(self) -> None:
        usual, narrow, half = (
            sum(p.numel() for p in build_network(spec).parameters())
            for spec in (
                SegmentationSpec(depth=4, mpp=1, tile_px=64),
                SegmentationSpec(depth=4, widths=(32, 24, 16, 8), mpp=1, tile_px=64),
                SegmentationSpec(depth=4, widths=(32, 24, 16, 8), half=True, mpp=1, tile_px=64),
            )
        )
        assert half < narrow < usual

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"depth": 4, "widths": (32, 16)}, "depth 4 needs 4 widths"),
            ({"decoder": "fpn", "half": True}, "belong to the decoder unet"),
            ({"decoder": "fpn", "depth": 3, "widths": (32, 16, 8)}, "belong to the decoder unet"),
        ],
    )
    def test_what_does_not_go_together_is_refused(
        self, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValidationError, match=message):
            SegmentationSpec(mpp=1, tile_px=64, **options)
