"""`histoscore train`: examples are parted, a bundle comes out, and the same line resumes."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.miniature import CONFIG, JOINTS, SECTION, STAGES, Miniature

from histoscore.config import parse_settings
from histoscore.errors import ConfigError, ModelError, RunMismatchError
from histoscore.geometry import Mpp
from histoscore.models import priors, stages
from histoscore.models.bundle import find_bundle
from histoscore.models.crossval import HeldOut
from histoscore.models.dataset import scaled
from histoscore.models.examples import (
    Example,
    ExampleFacts,
    load_facts,
    store_example,
    stored_names,
)
from histoscore.models.splits import LeakError, Split
from histoscore.models.stages import Training
from histoscore.models.strips import ExampleStrip
from histoscore.models.train import claim, train_from_config
from histoscore.models.training_config import TrainConfig
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Tissue


def quiet(line: str) -> None:
    """Nobody waits."""


class TestMiniature:
    """A whole training, killed twice on its way."""

    def test_the_bundle_can_be_used(self, miniature: Miniature) -> None:
        bundle = find_bundle(str(miniature.bundle))
        assert bundle.name == "miniature"
        assert miniature.bundle == miniature.out
        for name in bundle.details.networks:
            assert not bundle.load(name).training

    def test_the_card_says_what_it_was_trained_on(self, miniature: Miniature) -> None:
        details = find_bundle(str(miniature.bundle)).details
        told = details.training
        assert "no tissue" in told["data"]
        assert (told["sections"], told["animals"], told["annotated"]) == (6, 6, 6)
        assert (told["train"], told["validation"], told["calibration"]) == (2, 2, 2)
        assert (told["scorers"], told["slides_sha256"]) == (0, "")
        assert told["config"]["seed"] == 7
        assert details.validated_on_real_tissue is False
        assert details.networks["fine"].spec.mpp == 4.0

    def test_the_card_says_which_stains_it_was_shown(self, miniature: Miniature) -> None:
        limits = find_bundle(str(miniature.bundle)).details.appearance
        assert limits
        assert all(0 <= low < high <= 1 for low, high in limits.values())

    def test_two_animals_are_too_few_to_promise_a_set(self, miniature: Miniature) -> None:
        """The calibration says so: its sets are the whole ladder."""
        calibration = find_bundle(str(miniature.bundle)).calibration
        assert calibration is not None
        assert calibration.coverage == 0.9
        assert 1 <= calibration.n_animals <= 2
        assert calibration.n_compartments == 2 * 4 * calibration.n_animals, "in two colours"
        assert calibration.threshold == float("inf")

    def test_without_strips_the_grader_cannot_learn_and_says_so(self, miniature: Miniature) -> None:
        assert "found 0 graded compartments" in miniature.refusal
        assert "grader.training.batch" in miniature.refusal

    @pytest.mark.parametrize("file", STAGES)
    def test_what_was_done_is_not_done_again(self, miniature: Miniature, file: str) -> None:
        first, last = miniature.times[file]
        assert first == last

    def test_it_goes_on_in_the_middle_of_a_network_and_then_stage_by_stage(
        self, miniature: Miniature
    ) -> None:
        killed, refused, finished = miniature.said
        assert killed[0] == "6 of 6 scenes painted"
        assert [line for line in killed if line.endswith("network")] == ["coarse network"]
        assert not any(line.endswith("painted") for line in refused + finished)
        assert refused[:2] == ["coarse network", "goes on after step 1"]
        networks = [line for line in refused if line.endswith("network")]
        assert networks[:2] == ["coarse network", "fine network"]
        assert [line for line in finished if line.endswith("network")] == ["grader network"]

    @pytest.mark.parametrize(("name", "steps"), [("coarse", 2), ("fine", 2), ("grader", None)])
    def test_each_network_leaves_its_curves_and_no_checkpoint(
        self, miniature: Miniature, name: str, steps: int | None
    ) -> None:
        folder = miniature.out / "stages" / name
        rows = list(csv.DictReader((folder / "curves.csv").read_text().splitlines()))
        assert int(rows[-1]["step"]) in ((steps,) if steps else (2, 4)), "one or two joints"
        assert np.isfinite(float(rows[-1]["loss"]))
        assert np.isfinite(float(rows[-1]["held_out_loss"])), "validation animals were looked at"
        assert {file.name for file in folder.iterdir()} == {"curves.csv", "curves.png"}

    def test_only_what_is_fine_enough_teaches_the_fine_network(self, miniature: Miniature) -> None:
        seen = {file.stem for file in (miniature.out / "priors").iterdir()}
        assert seen
        assert seen < set(JOINTS), "neither the coarse section nor the animals that calibrate"

    def test_a_finished_training_is_left_as_it_is(self, miniature: Miniature) -> None:
        files = [f for f in (miniature.out / "stages").glob("**/*") if f.is_file()]
        before = {file: file.stat().st_mtime_ns for file in files}
        hashed = find_bundle(str(miniature.bundle)).weights_hash
        assert train_from_config(miniature.config, miniature.out, quiet) == miniature.bundle
        assert {file: file.stat().st_mtime_ns for file in before} == before
        assert find_bundle(str(miniature.bundle)).weights_hash == hashed

    def test_another_configuration_is_refused_in_the_same_folder(
        self, miniature: Miniature, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.yaml"
        other.write_text(CONFIG.replace("seed: 7", "seed: 8"))
        with pytest.raises(RunMismatchError, match="choose another --out"):
            train_from_config(other, miniature.out, quiet)
        with pytest.raises(RunMismatchError, match="choose another --out"):
            train_from_config(miniature.config, miniature.out, quiet, ["coarse.training.steps=3"])

    def test_a_grader_is_trained_on_the_networks_of_a_bundle(
        self, miniature: Miniature, tmp_path: Path
    ) -> None:
        """Without training of their own coarse and fine are taken as they are."""
        out, config = tmp_path / "out", tmp_path / "grader.yaml"
        for part in ("examples", "strips"):
            shutil.copytree(miniature.out / part, out / part)
        config.write_text(CONFIG)
        start = f"start={json.dumps(str(miniature.bundle))}"
        untrained = ["coarse.training=null", "fine.training=null", "grader.training.epochs=1"]
        bundle = find_bundle(str(train_from_config(config, out, quiet, [start, *untrained])))
        theirs = find_bundle(str(miniature.bundle)).details.networks
        for name, entry in bundle.details.networks.items():
            assert (entry.sha256 == theirs[name].sha256) == (name != "grader")


class TestRefused:
    """A configuration that is wrong, before anything is made."""

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("steps: 2", "stops: 2", "did you mean steps"),
            ("tile_px: 320", "tile_px: 321", "multiple of 32"),
            ("joints: 5", "joints: -1", "joints"),
            ("joints: 5", "joint: 5", "did you mean joints"),
            ("name: miniature", "name: ../elsewhere", "name"),
            ("kind: phantom", "kind: photograph", "phantom"),
        ],
    )
    def test_a_wrong_configuration(self, old: str, new: str, message: str, tmp_path: Path) -> None:
        config = tmp_path / "wrong.yaml"
        config.write_text(CONFIG.replace(old, new, 1))
        with pytest.raises(ConfigError, match=message):
            train_from_config(config, tmp_path / "out", quiet)
        assert not (tmp_path / "out").exists()

    def test_an_unknown_ladder(self, tmp_path: Path) -> None:
        config = tmp_path / "wrong.yaml"
        config.write_text(CONFIG + "ladder: mankin\n")
        with pytest.raises(
            ConfigError, match=r"unknown ladder '?mankin'?; known: oarsi_mouse_2010"
        ):
            train_from_config(config, tmp_path / "out", quiet)
        assert not (tmp_path / "out").exists()


NOTHING_PAINTED = ("data.joints=0", "data.sections=0", "start=nothing")


def store(out: Path, count: int, **facts: object) -> list[str]:
    """Examples of animals m0, m1, … that hold nothing but bone."""
    pixels = np.full((32, 48, 5), Tissue.BONE, np.uint8)
    names = [f"e{number}" for number in range(count)]
    for number, name in enumerate(names):
        known: dict[str, object] = {
            "colours": "rgb",
            "mpp": 4.0,
            "animal": f"m{number}",
            "slide": f"{name}.svs",
            "sha256": f"{number:064d}",
            "grades": {Compartment.MTP: {"A": OARSI_MOUSE.rungs[number % 8]}},
        }
        of_its_own = {k: v[number] if isinstance(v, list) else v for k, v in facts.items()}
        store_example(
            out / "examples", name, pixels, ExampleFacts.model_validate(known | of_its_own)
        )
    return names


def trained(out: Path, *overrides: str, said: list[str] | None = None) -> Path:
    config = out.parent / "mine.yaml"
    config.write_text(CONFIG)
    report = quiet if said is None else said.append
    return train_from_config(config, out, report, [*NOTHING_PAINTED, *overrides])


def test_without_examples_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no example to learn from"):
        trained(tmp_path / "out")


@pytest.mark.parametrize("facts", [{"annotated": False}, {"mpp": 10.5}], ids=str)
def test_without_a_section_to_learn_tissue_from_it_says_what_to_do(
    facts: Mapping[str, object], tmp_path: Path
) -> None:
    store(tmp_path / "out", 6, **facts)
    with pytest.raises(
        ConfigError, match=r"coarse: no training section is both annotated and fine enough \(8 µm"
    ):
        trained(tmp_path / "out")


class TestLeaks:
    """The same slide on two sides is found before anything is learnt."""

    def test_between_the_parts_of_the_split(self, tmp_path: Path) -> None:
        store(tmp_path / "out", 6, sha256="7" * 64)
        with pytest.raises(LeakError, match="the slide with SHA-256 777777777777"):
            trained(tmp_path / "out")
        assert not (tmp_path / "out" / "stages").exists()

    def test_between_what_a_fold_learns_from_and_what_it_is_tested_on(self, tmp_path: Path) -> None:
        """Every example trains but where it is tested: only the folds divide them."""
        store(tmp_path / "out", 4, sha256="7" * 64)
        whole = ("split.validation=0", "split.calibration=0")
        with pytest.raises(LeakError, match=r"\(training\) and .* \(test\)"):
            trained(tmp_path / "out", *whole, "cross_validation.folds=2")
        assert not list((tmp_path / "out").glob("**/*.safetensors"))


class TestCrossValidation:
    """Everything anew for each part of the animals; then once more with all of them."""

    def test_every_animal_is_tested_once_by_networks_that_have_not_seen_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = store(tmp_path / "out", 6)
        asked: list[tuple[Training, str]] = []
        calibrated: list[Sequence[HeldOut]] = []

        def held_out(self: Training, part: str) -> HeldOut:
            asked.append((self, part))
            return HeldOut([], np.zeros((0, 8)), 0)

        def bundle(self: Training, elsewhere: Sequence[HeldOut] = ()) -> Path:
            assert set(self.parts.train) == set(names)
            assert self.test == ()
            calibrated.append(elsewhere)
            return self.out

        monkeypatch.setattr(Training, "held_out", held_out)
        monkeypatch.setattr(Training, "bundle", bundle)
        whole = ("split.validation=0", "split.calibration=0")
        out, said = tmp_path / "out", list[str]()
        assert trained(out, *whole, "cross_validation.folds=3", said=said) == out
        assert [part for _, part in asked] == ["test"] * 3
        assert sorted(n for fold, _ in asked for n in fold.test) == names
        for number, (fold, _) in enumerate(asked, 1):
            assert not set(fold.test) & set(fold.parts.train)
            assert (fold.root, fold.out) == (out, out / "folds" / str(number))
        assert [len(found) for found in calibrated] == [3]
        assert [line for line in said if "fold" in line] == [
            f"fold {number}: 2 sections held out" for number in (1, 2, 3)
        ]


def training(out: Path, *overrides: str, report: Any = quiet, **parts: Any) -> Training:
    """A training of the miniature's kind on examples that were stored by hand."""
    data = json.loads(json.dumps(_DATA))
    for override in overrides:
        *blocks, key = override.partition("=")[0].split(".")
        inner = data
        for block in blocks:
            inner = inner[block]
        inner[key] = json.loads(override.partition("=")[2])
    config = parse_settings(TrainConfig, data, "here")
    split = Split(*(tuple(parts.get(p, ())) for p in ("train", "validation", "calibration")))
    examples = out / "examples"
    facts = {name: load_facts(examples, name) for name in stored_names(examples)}
    return Training(config, out, out, facts, split, report)


_DATA = {
    "name": "by_hand",
    "seed": 3,
    "data": {"kind": "phantom", "joints": 0, "sections": 0},
    "start": "nothing",
    "coarse": {
        "network": {"kind": "segmentation", "depth": 3, "mpp": 8.0, "tile_px": 64},
        "training": {"steps": 1, "batch": 1, "side_px": 64},
    },
    "fine": {
        "network": {"kind": "segmentation", "depth": 3, "mpp": 4.0, "tile_px": 64},
        "training": {"steps": 1, "batch": 1, "side_px": 64},
    },
    "grader": {
        "network": {"kind": "grader", "depth": 3, "mpp": 4.0, "tile_px": 96},
        "training": {"epochs": 1, "batch": 1},
    },
}


def strip(animal: str, **grades: float) -> ExampleStrip:
    pixels = np.zeros((96, 40, 5), np.uint8)
    return ExampleStrip(pixels, Compartment.MTP, grades, animal, False, Mpp(4.0))


class TestExamplesOfAStage:
    """Each network learns from what is fine enough, at about its own scale."""

    def test_examples_are_halved_until_they_are_about_as_coarse_as_the_network_sees(
        self,
    ) -> None:
        facts = ExampleFacts(colours="rgb", mpp=1.0, animal="m", slide="s")
        example = Example("e", facts, np.zeros((64, 96, 5), np.uint8))
        scales = {mpp: scaled(example, mpp).facts.mpp for mpp in (0.8, 1.0, 2.4, 2.6, 8.0)}
        assert scales == {0.8: 1.0, 1.0: 1.0, 2.4: 1.0, 2.6: 2.0, 8.0: 4.0}

    def test_what_is_too_coarse_or_has_no_outlines_is_left_out(self, tmp_path: Path) -> None:
        names = store(tmp_path, 4, mpp=[4.0, 5.2, 5.3, 4.0], annotated=[True, True, True, False])
        tiles = training(tmp_path)._tiles("fine", names, {}, 0)
        assert tiles is not None
        assert [e.name for e in tiles.examples] == ["e0", "e1"]
        assert training(tmp_path)._tiles("fine", names[2:], {}, 0) is None

    def test_training_and_held_out_tiles_are_drawn_apart(self, tmp_path: Path) -> None:
        names = store(tmp_path, 2)
        one, other = (training(tmp_path)._tiles("fine", names, {}, seed) for seed in (0, 1))
        assert one is not None
        assert other is not None
        assert not torch.equal(one.batch(0).images, other.batch(0).images)


class TestGraderStage:
    """What the grader learns from is the training part, and never another."""

    def test_without_training_strips_held_out_ones_do_not_take_their_place(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even with batches of one."""
        monkeypatch.setattr(
            Training, "_strips", lambda self, names: [strip("m1", A=1.0)] if names else []
        )
        made = training(tmp_path, validation=["e0"])
        with pytest.raises(ModelError, match="found 0 graded compartments"):
            made._graded(torch.nn.Identity())

    def test_more_accumulated_batches_than_there_are_still_make_a_step(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            Training, "_strips", lambda self, names: [strip("m1", A=1.0)] if names else []
        )
        steps: list[int] = []

        def learn(
            network: object, task: object, settings: object, number: int, *rest: object
        ) -> Any:
            steps.append(number)

        monkeypatch.setattr(stages, "learn", learn)
        training(tmp_path, "grader.training.accumulate=8", train=["e0"])._graded(
            torch.nn.Identity()
        )
        assert steps == [1]


def test_a_prior_that_was_cut_short_by_a_kill_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written whole or not at all."""
    names = store(tmp_path, 1)

    class CutError(Exception):
        pass

    def cut(*parts: object) -> np.ndarray:
        raise CutError

    monkeypatch.setattr(Training, "coarse", None)
    monkeypatch.setattr(Training, "_predictor", lambda self, networks: None)
    monkeypatch.setattr(priors, "_seen_by_coarse", cut)
    made = training(tmp_path)
    with pytest.raises(CutError):
        made._priors(names)
    assert list((tmp_path / "priors").iterdir()) == []
    monkeypatch.setattr(priors, "_seen_by_coarse", lambda *parts: np.ones((3, 4, 3), np.uint8))
    assert made._priors(names)["e0"].shape == (3, 4, 3)


def test_a_folder_is_claimed_once(tmp_path: Path) -> None:
    config = parse_settings(TrainConfig, _DATA, "here")
    claim(tmp_path, config)
    claim(tmp_path, config)
    with pytest.raises(RunMismatchError, match="another configuration"):
        claim(tmp_path, config.model_copy(update={"seed": 4}))


def test_seeds_from_names_are_the_same_everywhere() -> None:
    assert priors.number_of("j00041") == 2_268_650_469
    assert priors.number_of("j00041") != priors.number_of("s00041")


def test_facts_of_the_miniatures_examples(miniature: Miniature) -> None:
    """Every scene is an animal of its own, with the painter's grades."""
    for name in (*JOINTS, SECTION):
        facts = load_facts(miniature.out / "examples", name)
        assert (facts.animal, facts.slide, facts.colours) == (name, name, "dyes")
        assert facts.mpp == (4.0 if name in JOINTS else 9.0)
        assert {tuple(g) for g in facts.grades.values()} == {("truth",)}
        assert set(facts.grades) == set(Compartment)
        assert facts.medial in ("left", "right")
