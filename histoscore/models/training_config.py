"""What a training may be asked: one YAML file, complete by itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from histoscore.config import AnyLadder, LadderSettings, Settings
from histoscore.models.grading import GraderSettings
from histoscore.models.phantom_examples import PhantomData
from histoscore.models.segmentation import SegmentationSettings
from histoscore.models.specs import GraderSpec, SegmentationSpec
from histoscore.models.splits import SplitSettings
from histoscore.models.study_examples import StudyData
from histoscore.vocabulary import OARSI_MOUSE


class SegmentationStage(Settings):
    """A segmentation network, where it starts, and its training."""

    network: SegmentationSpec
    start: str | None = Field(None, description="in place of the configuration's `start`")
    training: SegmentationSettings | None = Field(
        None, description="none: used as it starts, which must then be a bundle"
    )


class GraderStage(Settings):
    """The grader, where it starts, and its training."""

    network: GraderSpec
    start: str | None = None
    training: GraderSettings


class CalibrationSettings(Settings):
    """What is fitted on animals that no network has learnt from."""

    coverage: float = Field(0.9, gt=0.5, lt=1, description="share of grades that sets must hold")
    colours: int = Field(
        3, ge=1, le=20, description="random colours in which painted strips are shown"
    )


class CrossValidation(Settings):
    """Everything trained anew for each part of the animals, and tried on that part."""

    folds: int = Field(5, ge=2, le=20)


class TrainConfig(Settings):
    """A training, complete in one file."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="what the bundle is called")
    seed: int
    ladder: AnyLadder = Field(
        LadderSettings.of(OARSI_MOUSE),
        description="a ladder's name, a YAML file that holds one, or the ladder itself",
    )
    data: Annotated[PhantomData | StudyData, Field(discriminator="kind")]
    split: SplitSettings = SplitSettings()
    start: str = Field(
        "imagenet",
        description="imagenet, nothing, a .safetensors file of a timm encoder, or a bundle",
    )
    coarse: SegmentationStage
    fine: SegmentationStage
    grader: GraderStage
    calibration: CalibrationSettings = CalibrationSettings()
    cross_validation: CrossValidation | None = None
    tensorboard: bool = Field(False, description="also write events for TensorBoard")

    @model_validator(mode="after")
    def _untrained_networks_come_from_a_bundle(self) -> TrainConfig:
        for name in ("coarse", "fine"):
            stage: SegmentationStage = getattr(self, name)
            start = stage.start or self.start
            if stage.training is None and (
                start in ("imagenet", "nothing") or start.endswith(".safetensors")
            ):
                raise ValueError(
                    f"{name}: without training it must start from a bundle, not from {start}"
                )
        return self
