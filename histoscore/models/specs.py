"""How a network is built and fed: what a configuration may ask and a bundle's card records.

Without torch, so that whoever only reads a card stays light.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from histoscore.config import Settings

NetworkName = Literal["coarse", "fine", "grader"]


class SoftSettings(Settings):
    """Cross entropy against labels that fall off with grade distance."""

    name: Literal["soft"] = "soft"
    softness: float = Field(
        0.25, gt=0, description="soft labels fall by e over this distance, in grades"
    )


class CrossEntropySettings(Settings):
    """Cross entropy against the scorers' grades as they are: a baseline without order."""

    name: Literal["cross_entropy"] = "cross_entropy"


class CornSettings(Settings):
    """One question for each rung but the first: is it worse than the rung below?"""

    name: Literal["corn"] = "corn"


class RegressionSettings(Settings):
    """One number, in grades: a baseline that knows order and distance, but no probabilities."""

    name: Literal["regression"] = "regression"
    width: float = Field(
        0.5, gt=0, description="standard deviation of the assumed spread around it, in grades"
    )


HeadSettings = Annotated[
    SoftSettings | CrossEntropySettings | CornSettings | RegressionSettings,
    Field(discriminator="name"),
]
"""Any head's options; `name` says whose."""


class SegmentationSpec(Settings):
    """A network that names the tissue of every pixel.

    `context` is the number of input channels beside R, G, B; `mpp` is µm per pixel of the input
    and `tile_px` the side of a tile.
    """

    kind: Literal["segmentation"] = "segmentation"
    encoder: str = Field("tf_efficientnet_lite0", description="any timm model that gives features")
    decoder: str = Field("unet", description="of segmentation-models-pytorch: unet, fpn, manet …")
    depth: int = Field(5, ge=3, le=5, description="halvings of the encoder")
    widths: tuple[int, ...] | None = Field(
        None, description="channels of a unet's blocks, coarsest first, one for each halving"
    )
    half: bool = Field(
        False, description="a unet that stops at half the input's resolution; enlarged at the end"
    )
    context: int = Field(0, ge=0)
    mpp: float = Field(gt=0, le=8)
    tile_px: int = Field(gt=0, multiple_of=32)

    @model_validator(mode="after")
    def _only_a_unet_has_blocks(self) -> Self:
        if self.decoder != "unet" and (self.widths or self.half):
            raise ValueError("widths and half belong to the decoder unet")
        if self.widths is not None and len(self.widths) != self.depth:
            raise ValueError(f"depth {self.depth} needs {self.depth} widths")
        return self


class GraderSpec(Settings):
    """A network that grades a compartment's cartilage, laid straight.

    `tile_px` is the length of the strip that it takes; `pooling` says how columns along the
    surface become one description of the compartment.
    """

    kind: Literal["grader"] = "grader"
    encoder: str = Field("tf_efficientnet_lite0", description="any timm model that gives features")
    depth: int = Field(4, ge=3, le=5)
    context: int = Field(0, ge=0, le=2, description="label masks beside R, G, B")
    head: HeadSettings = SoftSettings()
    pooling: tuple[Literal["attention", "mean", "max"], ...] = Field(
        ("attention", "mean", "max"), min_length=1
    )
    measures: bool = Field(True, description="measured extent and thickness are told as well")
    mpp: float = Field(gt=0, le=8)
    tile_px: int = Field(gt=0, multiple_of=32)


NetworkSpec = SegmentationSpec | GraderSpec
"""Either kind; `kind` says which."""
