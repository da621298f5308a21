"""What a result's key depends on, and which runs may be resumed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from histoscore import __version__
from histoscore.config import ScoreConfig, load_config
from histoscore.records import SlideRow
from histoscore.runs.provenance import (
    ModelFacts,
    RunRecord,
    begin_record,
    content_key,
    differences,
    package_versions,
)
from histoscore.vocabulary import Side

ROW = SlideRow(slide="a.svs", animal="m1", path=Path("/here/a.svs"))
MODEL = ModelFacts(name="demo", sha256="c0ffee" * 10, validated_on_real_tissue=False)


def key(row: SlideRow = ROW, sha256: str | None = "ab", *overrides: str, model: str = "w") -> str:
    return content_key(row, sha256, load_config(overrides=overrides), model)


def record(*overrides: str, **changes: object) -> RunRecord:
    begun = begin_record("study.csv", "5" * 64, load_config(overrides=overrides), MODEL, "now")
    return begun.model_copy(update=changes)


@pytest.mark.parametrize(
    "change",
    [
        {"slide": "b.svs"},
        {"animal": "m2"},
        {"side": Side.LEFT},
        {"medial": "left"},
        {"mpp": 0.5},
        {"sections": (1, 3)},
        {"orientation": "coronal"},
    ],
)
def test_a_row_that_says_something_else_has_another_key(change: dict[str, object]) -> None:
    assert key(ROW.model_copy(update=change)) != key()


def test_a_moved_file_keeps_its_key() -> None:
    assert key(ROW.model_copy(update={"path": Path("/there/a.svs")})) == key()


@pytest.mark.parametrize(
    "override",
    [
        "full_section=true",
        "engine=torch",
        "tiles.batch=4",
        "sections.join_gap_um=99",
        "quality.min_focus=0.1",
        "limits.max_pixels=5",
    ],
)
def test_settings_that_decide_what_comes_out_change_the_key(override: str) -> None:
    assert key(ROW, "ab", override) != key()
    assert differences(record(), record(override))


@pytest.mark.parametrize(
    "override", ["device=cpu", "limits.seconds_per_slide=7", "limits.gib_per_slide=3"]
)
def test_settings_of_how_the_work_is_done_change_nothing(override: str) -> None:
    assert key(ROW, "ab", override) == key()
    assert differences(record(), record(override)) == []


def test_statistics_do_not_touch_slides_but_belong_to_the_run() -> None:
    override = "statistics.seed=1"
    assert key(ROW, "ab", override) == key()
    assert differences(record(), record(override)) == ["config.statistics.seed: 20100 → 1"]


def test_bytes_and_weights_change_the_key() -> None:
    assert len({key(), key(ROW, "cd"), key(ROW, None), key(model="v")}) == 4


def altered_configs() -> Iterator[tuple[str, ScoreConfig]]:
    """Each setting of the blocks that steer scoring, with a configuration that differs in it."""
    config = ScoreConfig()
    for name in ("sections", "tiles", "quality", "limits"):
        block = getattr(config, name)
        for field in type(block).model_fields:
            value = getattr(block, field)
            if isinstance(value, tuple):
                changed: Any = (*value, "obscured")
            else:
                changed = 1 if value == "auto" else value + 1
            other = block.model_copy(update={field: changed})
            yield f"{name}.{field}", config.model_copy(update={name: other})
    for name, value in (("full_section", True), ("chondrocytes", True), ("assume_mpp", 0.7)):
        yield name, config.model_copy(update={name: value})


def test_a_setting_added_one_day_is_decisive_unless_it_is_named() -> None:
    same = {
        name for name, config in altered_configs() if content_key(ROW, "ab", config, "w") == key()
    }
    assert same == {"limits.seconds_per_slide", "limits.gib_per_slide"}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"histoscore": "0.0.1"}, f"histoscore: {__version__} → 0.0.1"),
        ({"study_sha256": "6" * 64}, "study sheet (sha256): 555555555555 → 666666666666"),
        (
            {"model": MODEL.model_copy(update={"sha256": "f" * 64})},
            "model weights (sha256): c0ffeec0ffee → ffffffffffff",
        ),
    ],
)
@pytest.mark.fault(38)
@pytest.mark.fault(60)
def test_another_version_sheet_or_model_is_told(changes: dict[str, object], line: str) -> None:
    assert differences(record(), record(**changes)) == [line]


def test_the_same_weights_under_another_name_are_the_same_model() -> None:
    assert differences(record(), record("model=/elsewhere/demo")) == []


def test_versions_of_the_packages_are_known_without_importing_them() -> None:
    versions = package_versions()
    assert versions["numpy"][0].isdigit()
    assert "torch" in versions
    assert "pytest" not in versions
