"""`histoscore train`: from a configuration to a model bundle, stage by stage.

    examples → parts by animal → coarse → what it saw → fine → strips → grader → calibration

Each stage leaves its result in the output folder; the same line again goes on where it stopped,
in the middle of a network too. The folder belongs to one configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from histoscore.config import (
    LadderSettings,
    find_ladder,
    overridden,
    parse_settings,
    read_yaml,
)
from histoscore.errors import ConfigError, RunMismatchError
from histoscore.files import json_text, make_folder, write_atomic
from histoscore.geometry import Mpp
from histoscore.models.crossval import HeldOut, write_cross_validation
from histoscore.models.examples import ExampleFacts, load_facts, stored_names
from histoscore.models.learning import Report
from histoscore.models.phantom_examples import PhantomData, prepare_phantoms
from histoscore.models.splits import folds, split
from histoscore.models.stages import Training
from histoscore.models.study_examples import prepare_study
from histoscore.models.training_config import TrainConfig


def train_from_config(
    path: Path, out: Path, report: Report = print, overrides: Sequence[str] = ()
) -> Path:
    """Trains all networks and writes the bundle; returns its folder.

    Args:
        path: the YAML configuration; paths in it are relative to its folder.
        out: the training's folder. report: takes lines of progress.
        overrides: `key=value` changes of the configuration.

    Raises:
        ConfigError: the configuration is not valid, or asks for what the examples do not hold.
        LeakError: an animal, slide or picture stands in two parts of the data.
        RunMismatchError: the folder holds another configuration's training.
    """
    config = load_training(path, overrides)
    claim(make_folder(out), config)
    examples = make_folder(out / "examples")
    _prepare(config, path.parent, examples, report)
    facts = {name: load_facts(examples, name) for name in stored_names(examples)}
    if not facts:
        raise ConfigError(f"{path}: data: there is no example to learn from")
    held_out = (
        _cross_validated(config, facts, out, path.parent, report) if config.cross_validation else []
    )
    parts = split(facts, config.split)
    training = Training(config, out, out, facts, parts, report, base=path.parent)
    return training.bundle(held_out)


def load_training(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """The configuration of a training, with its ladder written out. Raises ConfigError."""
    data = overridden(read_yaml(path), overrides)
    ladder = data.get("ladder")
    if isinstance(ladder, str):
        data["ladder"] = LadderSettings.of(find_ladder(ladder, path.parent)).model_dump()
    return parse_settings(TrainConfig, data, str(path))


def claim(out: Path, config: TrainConfig) -> None:
    """Marks the folder as this configuration's. Raises RunMismatchError for another's."""
    mark, text = out / "config.json", json_text(config.model_dump(mode="json"))
    if not mark.exists():
        write_atomic(mark, text)
    elif mark.read_text(encoding="utf-8") != text:
        raise RunMismatchError(
            f"{out}: holds a training with another configuration; choose another --out"
        )


def _prepare(config: TrainConfig, base: Path, out: Path, report: Report) -> None:
    if isinstance(config.data, PhantomData):
        prepare_phantoms(config.data, out, report)
    else:
        prepare_study(
            config.data, base, out, Mpp(config.fine.network.mpp), report, config.ladder.ladder
        )


def _cross_validated(
    config: TrainConfig, facts: Mapping[str, ExampleFacts], out: Path, base: Path, report: Report
) -> list[HeldOut]:
    """What models that had not seen an animal say of it, for every animal."""
    assert config.cross_validation  # asked by the caller
    found = []
    for number, fold in enumerate(folds(facts, config.cross_validation.folds, config.split), 1):
        report(f"fold {number}: {len(fold.test)} sections held out")
        folder = make_folder(out / "folds" / str(number))
        training = Training(config, out, folder, facts, fold.inner, report, fold.test, base)
        training.check()
        found.append(training.held_out("test"))
    write_cross_validation(out, found, config.ladder.ladder, report)
    return found
