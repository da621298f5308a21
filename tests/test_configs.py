"""Every configuration that ships is one that its program takes, and says what it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoscore.config import (
    LadderSettings,
    ScoreConfig,
    Settings,
    StatisticsSettings,
    load_config,
    parse_settings,
    read_yaml,
)
from histoscore.errors import ConfigError
from histoscore.phantom.experiment import PhantomSettings
from histoscore.pipeline.executors.settings import ClusterSettings

CONFIGS = Path(__file__).parents[1] / "configs"
FILES = sorted(CONFIGS.glob("*"), key=lambda path: path.name)


def model_of(path: Path) -> type[Settings]:
    """What a file in configs/ is read with, by the verb that its name begins with."""
    verb = path.stem.partition("-")[0]
    if verb == "train":
        from histoscore.models.training_config import TrainConfig

        return TrainConfig
    if verb == "cluster":
        return ClusterSettings
    return {"score": ScoreConfig, "phantom": PhantomSettings, "custom": LadderSettings}[verb]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    assert parse_settings(model_of(path), read_yaml(path), path.name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_shipped_configuration_says_at_the_top_what_it_is(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_score_yaml_lists_every_option_with_its_default() -> None:
    assert read_yaml(CONFIGS / "score.yaml") == ScoreConfig().model_dump(mode="json")


def test_cluster_yaml_lists_every_option_with_its_default() -> None:
    assert read_yaml(CONFIGS / "cluster.yaml") == ClusterSettings().model_dump(mode="json")


def test_phantom_yaml_lists_every_option_with_its_default() -> None:
    written = read_yaml(CONFIGS / "phantom.yaml")
    assert set(written) == set(PhantomSettings.model_fields)
    assert parse_settings(PhantomSettings, written, "phantom.yaml") == PhantomSettings()


def test_scoring_with_score_yaml_is_scoring_without_a_file() -> None:
    assert load_config(CONFIGS / "score.yaml") == load_config()


def test_the_contrast_that_score_yaml_shows_is_taken() -> None:
    config = load_config(CONFIGS / "score.yaml", ["statistics.contrasts=[[vehicle, treated]]"])
    assert config.statistics.contrasts == (("vehicle", "treated"),)


@pytest.mark.parametrize(
    ("block", "option"),
    [("statistics", "permutations"), ("tiles", "overlap"), ("limits", "max_pixels")],
)
def test_a_misspelt_option_is_refused_with_the_right_name(
    tmp_path: Path, block: str, option: str
) -> None:
    text = (CONFIGS / "score.yaml").read_text(encoding="utf-8")
    copy = tmp_path / "mine.yaml"
    copy.write_text(text.replace(f"  {option}:", f"  {option}x:"), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"{block}\.{option}x: .* did you mean {option}\?"):
        load_config(copy)


def test_the_configuration_survives_the_round_trip_over_yaml() -> None:
    config = ScoreConfig(statistics=StatisticsSettings(contrasts=(("a", "b"),), reference="a"))
    again = parse_settings(ScoreConfig, config.model_dump(mode="json"), "again")
    assert again == config
