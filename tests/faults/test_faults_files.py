"""The table of faults, what is handed in beside slides: sheets, models, YAML, GeoJSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.fake_scorer import SCORER, fake_model, write_study
from PIL import Image

from histoscore.config import load_config
from histoscore.errors import ConfigError, ModelError
from histoscore.models.bundle import find_bundle
from histoscore.pipeline.progress import Silence
from histoscore.pipeline.study import ScoreOptions, score_study
from histoscore.study import read_study

DEEP = "a: " + "[" * 5000
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"


@pytest.mark.fault(50)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!python/object/apply:os.system [exit]", r"could not determine a constructor.*line 1"),
        (BOMB, r"aliases are not used here.*line 2"),
        ("tiles: {batch: 4, batch: 8}", r"the key 'batch' stands twice.*line 1"),
        ("engine: no", r"engine: Input should be 'auto', 'torch' or 'openvino' \(it is False\)"),
        ("model: on", r"model: Input should be a valid string \(it is True\)"),
        ("tiels: {batch: 4}", r"tiels: unknown key; did you mean tiles\?"),
        ("tiles: {overlap: 0.9}", r"tiles\.overlap: Input should be less than or equal to 0\.5"),
        ("? [a, b]\n: 1", r"a key must be a word.*line 1"),
        ("a: 2026-99-99", "month must be in 1..12"),
        (DEEP, "is not valid YAML"),
        ("# " + "x" * 1_100_000, r"1,100,002 bytes is too large for a configuration"),
    ],
    ids=lambda value: f"row50-{value[:24]!r}",
)
def test_yaml_that_is_no_plain_configuration_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "score.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"(?s)score\.yaml: .*" + said):
        load_config(tmp_path / "score.yaml")


@pytest.mark.fault(50)
@pytest.mark.parametrize("override", ["tiles={batch: 4, batch: 8}", "model=2026-99-99"])
def test_an_override_is_read_as_strictly(override: str) -> None:
    with pytest.raises(ConfigError, match="is not a YAML value"):
        load_config(overrides=[override])


@pytest.mark.fault(49)
@pytest.mark.parametrize(("name", "value"), [("species", "rat"), ("orientation", "sagittal")])
def test_a_model_of_something_else_is_refused(tmp_path: Path, name: str, value: str) -> None:
    card = json.loads((find_bundle("demo").folder / "model.json").read_text()) | {name: value}
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=f"{value}.*studies are of coronal sections of mouse"):
        find_bundle(str(tmp_path))


class Listener(Silence):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.fault(24)
def test_a_slide_that_the_sheet_does_not_name_is_told_and_not_scored(tmp_path: Path) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    (tmp_path / "b.svs").write_text("grade 6\n")
    listener = Listener()
    config = load_config(overrides=["statistics.permutations=1000"])
    options = ScoreOptions(scorer=SCORER, model=fake_model)
    summary = score_study(sheet, tmp_path / "run", config, options, listener)
    assert [slide.slide for slide in summary.tables.slides] == ["a.svs"]
    assert f"{tmp_path / 'b.svs'}: is not in the sheet and will not be scored" in listener.notes


@pytest.mark.fault(29)
def test_any_file_that_the_user_may_read_is_legal(tmp_path: Path) -> None:
    (tmp_path / "a.svs").write_text("grade 1")
    (tmp_path / "sheets").mkdir()
    (tmp_path / "sheets" / "link.svs").symlink_to(tmp_path / "a.svs")
    (tmp_path / "sheets" / "study.csv").write_text(
        f"slide,animal\n../a.svs,m1\n{tmp_path / 'a.svs'},m1\nlink.svs,m1\n"
    )
    rows = read_study(tmp_path / "sheets" / "study.csv").rows
    assert {row.path.resolve() for row in rows} == {tmp_path / "a.svs"}


@pytest.mark.fault(12)
def test_pillows_own_limit_stands() -> None:
    import histoscore.slides.picture  # noqa: F401

    assert Image.MAX_IMAGE_PIXELS is not None
