"""The card that people read, and the facts about training that it tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from histoscore.models.bundle import CalibrationCard, ModelCard, NetworkFile
from histoscore.models.card import TrainingFacts, card_text
from histoscore.models.examples import ExampleFacts
from histoscore.models.specs import GraderSpec
from histoscore.models.splits import Split
from histoscore.vocabulary import Compartment


def section(animal: str, sha256: str = "", **others: object) -> ExampleFacts:
    known = {"colours": "rgb", "mpp": 1.0, "animal": animal, "slide": f"{animal}.svs"}
    return ExampleFacts.model_validate(known | {"sha256": sha256} | others)


LAB = {
    "a": section("m1", "1" * 64, grades={Compartment.MTP: {"A": 1, "A (read 2)": 2, "B": 0}}),
    "b": section("m1", "1" * 64, annotated=False),
    "c": section("m2", "2" * 64, grades={Compartment.MTP: {"C": 3}}),
    "d": section("m3", "3" * 64),
}
PARTS = Split(("a", "b"), ("c",), ("d",))


def told(facts: TrainingFacts, calibration: CalibrationCard | None = None) -> str:
    card = ModelCard(
        name="tiny",
        species="mouse",
        stain="Safranin O / Fast Green",
        orientation="coronal",
        ladder="oarsi_mouse_2010",
        tissues=(),
        networks={
            "grader": NetworkFile(
                file="g.safetensors", sha256="5" * 64, spec=GraderSpec(mpp=1.25, tile_px=160)
            )
        },
        calibration=calibration,
        training={name: getattr(facts, name) for name in TrainingFacts.__slots__},
        software={},
        licence="as its owner says",
        validated_on_real_tissue=False,
    )
    return card_text(card)


class TestFacts:
    """Counted from the examples and how they were parted."""

    facts = TrainingFacts.of(LAB, PARTS, {"seed": 4})

    def test_sections_animals_and_outlines_are_counted(self) -> None:
        assert (self.facts.sections, self.facts.animals, self.facts.annotated) == (4, 3, 3)
        assert (self.facts.train, self.facts.validation, self.facts.calibration) == (1, 1, 1)

    def test_later_reads_of_a_scorer_are_no_other_scorer(self) -> None:
        assert self.facts.scorers == 3

    def test_slides_have_one_hash_whatever_their_order_and_number_of_sections(self) -> None:
        turned = dict(reversed(LAB.items()))
        again = TrainingFacts.of(turned, PARTS, {})
        assert len(again.slides_sha256) == 64
        assert again.slides_sha256 == self.facts.slides_sha256
        other = LAB | {"d": section("m3", "4" * 64)}
        assert TrainingFacts.of(other, PARTS, {}).slides_sha256 != self.facts.slides_sha256

    def test_painted_sections_are_no_tissue_and_have_no_scorer(self) -> None:
        drawn = {
            name: section(name, colours="dyes", grades={Compartment.MTP: {"truth": 1}})
            for name in "abcd"
        }
        facts = TrainingFacts.of(drawn, PARTS, {})
        assert facts.data == "phantoms drawn by histoscore, no tissue"
        assert (facts.scorers, facts.slides_sha256, facts.animals) == (0, "", 4)

    def test_slides_are_never_called_phantoms(self) -> None:
        assert "phantom" not in self.facts.data


class TestCard:
    """`MODEL_CARD.md`."""

    facts = TrainingFacts.of(LAB, PARTS, {})

    def test_a_laboratorys_model_is_no_demonstration_and_not_validated(self) -> None:
        text = told(self.facts)
        assert "demonstration" not in text
        assert "**Not validated**" in text
        assert "4 sections of 3 animals, 3 annotated, 3 scorers" in text
        assert "1 to learn from, 1 to stop by, 1 to calibrate on" in text

    def test_a_model_of_phantoms_is_a_demonstration(self) -> None:
        text = told(replace(self.facts, scorers=0))
        assert text.index("demonstration model") < text.index("| network |")
        assert "validated on real tissue" in text

    def test_networks_are_listed_with_scale_and_hash(self) -> None:
        assert "| grader | tf_efficientnet_lite0, depth 4 | 1.25 | `5555555555555555…` |" in told(
            self.facts
        )

    @pytest.mark.parametrize(
        "calibration",
        [
            None,
            CalibrationCard(
                temperature=1.374, threshold=0.6218, coverage=0.9, n_animals=12, n_compartments=41
            ),
        ],
        ids=["none", "some"],
    )
    def test_it_says_what_was_calibrated_on(self, calibration: CalibrationCard | None) -> None:
        text = told(self.facts, calibration)
        if calibration is None:
            assert "none: the tables leave `grade_low` and `grade_high` empty" in text
        else:
            assert "hold 90% of the grades (temperature 1.37, threshold 0.622, fitted on 12" in text
