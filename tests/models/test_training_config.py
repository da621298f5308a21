"""What a training may be asked, and how a wrong question is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from histoscore.config import parse_settings, read_yaml
from histoscore.errors import ConfigError
from histoscore.models.phantom_examples import PhantomData
from histoscore.models.specs import CornSettings, SoftSettings
from histoscore.models.study_examples import StudyData
from histoscore.models.training_config import TrainConfig

DEMO = Path(__file__).parents[2] / "configs" / "train-demo.yaml"
PHANTOM = {"kind": "phantom"}


def parsed(**changes: Any) -> TrainConfig:
    """The shortest configuration, with changes by `block__key`."""
    network = {"kind": "segmentation", "mpp": 1.0, "tile_px": 64}
    grader = {"kind": "grader", "mpp": 1.0, "tile_px": 64}
    data: dict[str, Any] = {
        "name": "short",
        "seed": 1,
        "data": dict(PHANTOM),
        "coarse": {"network": dict(network), "training": {}},
        "fine": {"network": dict(network), "training": {}},
        "grader": {"network": grader, "training": {}},
    }
    for place, value in changes.items():
        *blocks, key = place.split("__")
        block = data
        for name in blocks:
            block = block.setdefault(name, {})
        block[key] = value
    return parse_settings(TrainConfig, data, "mine.yaml")


def test_the_demonstration_is_trained_on_phantoms_alone() -> None:
    config = parse_settings(TrainConfig, read_yaml(DEMO), "train-demo.yaml")
    assert config.name == "demo"
    assert isinstance(config.data, PhantomData)
    assert config.cross_validation is None
    assert (config.coarse.network.context, config.fine.network.context) == (0, 3)
    assert config.grader.network.mpp == config.fine.network.mpp


def test_what_is_left_out_has_its_default() -> None:
    config = parsed()
    assert config.start == "imagenet"
    assert config.grader.network.head == SoftSettings()
    assert config.calibration.coverage == 0.9
    assert config.cross_validation is None


def test_it_survives_the_round_trip() -> None:
    config = parsed(grader__network__head={"name": "corn"}, cross_validation={"folds": 3})
    assert config.grader.network.head == CornSettings()
    again = parse_settings(TrainConfig, config.model_dump(mode="json"), "again")
    assert again == config


def test_a_laboratorys_study_can_be_learnt_from() -> None:
    config = parsed(data={"kind": "study", "sheet": "study.csv"})
    assert isinstance(config.data, StudyData)


@pytest.mark.parametrize("start", ["imagenet", "nothing", "encoder.safetensors"])
def test_a_network_without_training_must_come_from_a_bundle(start: str) -> None:
    with pytest.raises(ConfigError, match=f"fine: without training .* not from {start}"):
        parsed(start=start, fine__training=None)
    with pytest.raises(ConfigError, match="coarse: without training"):
        parsed(start="demo", coarse__start=start, coarse__training=None)
    assert parsed(start=start, fine__training=None, fine__start="demo").fine.training is None


@pytest.mark.parametrize(
    ("place", "value", "hint"),
    [
        ("coarse__training__stops", 2, r"coarse\.training\.stops: .* did you mean steps\?"),
        ("data__joint", 2, r"data\.phantom\.joint: .* did you mean joints\?"),
        ("split__validaton", 0.1, r"split\.validaton: .* did you mean validation\?"),
        ("grader__network__poling", ["max"], r"grader\.network\.poling: .* did you mean pooling\?"),
        (
            "grader__network__head",
            {"name": "soft", "softnes": 1},
            r"head\.soft\.softnes: .* did you mean softness\?",
        ),
        ("sed", 2, r"sed: .* did you mean seed\?"),
    ],
)
def test_a_misspelt_key_is_refused_with_the_right_name_wherever_it_stands(
    place: str, value: object, hint: str
) -> None:
    with pytest.raises(ConfigError, match=hint):
        parsed(**{place: value})


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("name", "../elsewhere"),
        ("name", "Demo"),
        ("coarse__network__kind", "grader"),
        ("grader__network__kind", "segmentation"),
        ("coarse__network__tile_px", 100),
        ("coarse__network__mpp", 9.0),
        ("coarse__training__side_px", 48),
        ("grader__network__context", 3),
        ("grader__network__pooling", []),
        ("grader__network__head", {"name": "tail"}),
        ("grader__training__epochs", 0),
        ("fine__training__accumulate", 0),
        ("fine__training__precision", "f16"),
        ("calibration__coverage", 1.0),
        ("cross_validation__folds", 1),
        ("split__validation", 1.0),
    ],
)
def test_what_cannot_be_is_refused(place: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"mine\.yaml: .*\n *{place.partition('__')[0]}"):
        parsed(**{place: value})
