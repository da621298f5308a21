"""The three networks of a bundle: coarse and fine segmentation, and the grader.

The coarse network sees much (2–3 µm/px): which tissue is what, and which bone's. What tells
articular cartilage from a growth plate is where it lies. The fine network sees well (≤ 1 µm/px)
and is told what the coarse one saw, as input channels beside the colour. The grader reads one
compartment's cartilage laid straight.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import segmentation_models_pytorch as smp
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from histoscore.errors import ModelError
from histoscore.files import write_atomic
from histoscore.models.heads import build_head
from histoscore.models.specs import GraderSpec, NetworkSpec, SegmentationSpec
from histoscore.vocabulary import OARSI_MOUSE, Ladder, Tissue, Zone

N_TISSUES = len(Tissue)
N_ZONES = len(Zone)
N_MEASURES = 4
"""Numbers beside a strip (`strip_inputs.strip_measures`)."""

_DECODER = (160, 96, 48, 24, 16)
_BY_BLOCKS = ("unet", "unetplusplus", "manet")
"""Decoders with one width for each halving of the encoder."""
_WIDTH = 128


def build_network(spec: NetworkSpec, ladder: Ladder = OARSI_MOUSE) -> nn.Module:
    """An untrained network in evaluation mode.

    Raises:
        ModelError: unknown encoder or decoder, or one that does not go with the rest.
    """
    if not timm.is_model(spec.encoder):
        near = ", ".join(timm.list_models(f"*{spec.encoder.split('_')[-1]}*")[:3])
        hint = f"; near it: {near}" if near else ""
        raise ModelError(f"timm knows no encoder named {spec.encoder}{hint}")
    if isinstance(spec, SegmentationSpec):
        return SegmentationNetwork(spec).eval()
    return GraderNetwork(spec, ladder).eval()


class SegmentationNetwork(nn.Module):
    """An encoder and a decoder that yield tissue and zone logits for every pixel of the input."""

    def __init__(self, spec: SegmentationSpec) -> None:
        super().__init__()
        self.unet = _decoded(spec)
        _drop_unused_blocks(self.encoder, spec.depth)

    @property
    def encoder(self) -> nn.Module:
        """The timm model inside."""
        return self.unet.encoder.model  # type: ignore[return-value,union-attr]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of tissue (n, 9, h, w) and zone (n, 3, h, w); h and w multiples of 32.

        Args:
            images: (n, 3 + context, h, w); colour as −1…1, context as 0…1.
        """
        logits = self.unet(images)
        return logits[:, :N_TISSUES], logits[:, N_TISSUES:]


class GraderNetwork(nn.Module):
    """Reads a compartment's cartilage laid straight and yields its head's outputs.

    The strip's columns run along the surface. Features are averaged over depth and pooled along
    the surface by attention, mean and maximum, beside the measured extents: grades 3–6 are about
    extent, 0.5 about stain, 1 and 2 about fine structure.
    """

    def __init__(self, spec: GraderSpec, ladder: Ladder) -> None:
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
        self._pooling, self._measures = spec.pooling, spec.measures
        self.squeeze = nn.Sequential(nn.Linear(shallow + deep, _WIDTH), nn.GELU())
        self.attention = nn.Linear(_WIDTH, 1)
        self.head = nn.Sequential(
            nn.Linear(len(spec.pooling) * _WIDTH + N_MEASURES * spec.measures, _WIDTH),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(_WIDTH, build_head(spec.head, ladder).outputs),
        )

    def forward(self, strips: Tensor, present: Tensor, measures: Tensor) -> Tensor:
        """The head's outputs (n, outputs).

        Args:
            strips: (n, 3 + context, depth, length), colour as −1…1; or (n, columns, channels),
                what `encoded` made of them.
            present: (n, length) 1 where the compartment lies, 0 in the padding.
            measures: (n, measures) lesion extent, thickness and the like, scaled to about 0…1.
        """
        columns = strips if strips.ndim == 3 else self.encoded(strips)
        features = self.squeeze(columns)
        here = nn.functional.adaptive_max_pool1d(present[:, None].float(), features.shape[1])
        pooled = self._pooled(features, here.squeeze(1) > 0.5)
        told = [measures] if self._measures else []
        outputs: Tensor = self.head(torch.cat([*pooled, *told], 1))
        return outputs

    def encoded(self, strips: Tensor) -> Tensor:
        """(n, columns, channels): what the encoder sees along the surface, averaged over depth."""
        shallow, deep = self.encoder(strips)
        fine = nn.functional.adaptive_avg_pool2d(shallow, (1, deep.shape[-1]))
        return torch.cat([fine.squeeze(2), deep.mean(2)], 1).transpose(1, 2)

    def _pooled(self, features: Tensor, here: Tensor) -> list[Tensor]:
        """(n, width) for each way of pooling the columns that are there."""
        weight = self.attention(features).squeeze(-1).masked_fill(~here, -1e4).softmax(1)
        count = here.sum(1, keepdim=True).clamp(min=1)
        ways: dict[str, Callable[[], Tensor]] = {
            "attention": lambda: (features * weight[..., None]).sum(1),
            "mean": lambda: (features * here[..., None]).sum(1) / count,
            "max": lambda: features.masked_fill(~here[..., None], -1e4).amax(1),
        }
        return [ways[name]() for name in self._pooling]


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


def _decoded(spec: SegmentationSpec) -> nn.Module:
    widths = spec.widths or _DECODER[-spec.depth :]
    options: dict[str, object] = {}
    if spec.decoder in _BY_BLOCKS:
        options["decoder_channels"] = widths
    elif spec.decoder == "fpn":  # its library enlarges as for five halvings, whatever the depth
        options["upsampling"] = 2 ** (spec.depth - 3)
    try:
        network: smp.base.SegmentationModel = smp.create_model(
            spec.decoder,
            f"tu-{spec.encoder}",
            encoder_weights=None,
            encoder_depth=spec.depth,
            in_channels=3 + spec.context,
            classes=N_TISSUES + N_ZONES,
            **options,
        )
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise ModelError(
            f"decoder {spec.decoder} on encoder {spec.encoder}, depth {spec.depth}, cannot be "
            f"built: {error}"
        ) from None
    if spec.half:
        network.decoder.blocks = network.decoder.blocks[:-1]
        network.segmentation_head = nn.Sequential(
            nn.Conv2d(widths[-2], N_TISSUES + N_ZONES, 3, padding=1),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
        )
    built: nn.Module = network
    return built


def _drop_unused_blocks(encoder: nn.Module, depth: int) -> None:
    """A shallower EfficientNet still carries its deepest stages; they are most of its weights."""
    deepest = str(encoder.feature_info.info[depth - 1]["module"])  # type: ignore[union-attr,index]
    if deepest.startswith("blocks.") and hasattr(encoder, "blocks"):
        encoder.blocks = encoder.blocks[: int(deepest.split(".")[1]) + 1]  # type: ignore[index]
