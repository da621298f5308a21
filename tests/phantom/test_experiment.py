"""Groups, animals, their sections' disease, and the scanner."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from histoscore.config import overridden, parse_settings
from histoscore.errors import ConfigError
from histoscore.phantom.artefacts import SHIFTED, STANDARD, ArtefactRates
from histoscore.phantom.chance import Chance, Slice
from histoscore.phantom.experiment import (
    SCANNER_MPP,
    SMALL,
    AnimalPlan,
    GroupPlan,
    PhantomSettings,
    plan_animals,
    scanner_mpp,
    section_disease,
)
from histoscore.phantom.knee.lesions import EROSION_EXTENT, Disease
from histoscore.vocabulary import OARSI_MOUSE, Compartment, Side

SEVERITIES = (0.0, 2.0, 4.0, 6.0)
KNEES = range(50)
SECTION_UM = 80.0

Diseases = dict[Compartment, Disease]


def plan(
    count: int, seed: int = 0, settings: PhantomSettings | None = None
) -> tuple[AnimalPlan, ...]:
    return plan_animals(count, settings or PhantomSettings(), np.random.default_rng(seed))


def animal(medial: float, lateral: float) -> AnimalPlan:
    group = GroupPlan(name="ill", medial=4, lateral=1)
    return AnimalPlan(0, "M001", group, Side.LEFT, 0, medial, lateral)


@cache
def disease(knee: int, severity: float, depth_um: float = 300.0, section: int = 0) -> Diseases:
    """One section's disease in a knee whose two sides are equally ill."""
    at = Slice(Chance((5, knee)), Chance((6, knee, section)), depth_um)
    return section_disease(animal(severity, severity), at)


def rung(one: Disease) -> int:
    return OARSI_MOUSE.index(one.grade)


class TestAnimals:
    def test_they_are_dealt_to_the_groups_in_turn(self) -> None:
        animals = plan(14)
        assert Counter(a.group.name for a in animals) == {
            "sham": 5,
            "DMM + vehicle": 5,
            "DMM + exosome": 4,
        }
        assert [a.name for a in animals[:2]] == ["M001", "M002"]
        assert len({a.name for a in animals}) == 14
        assert [a.number for a in animals] == list(range(14))

    @pytest.mark.parametrize("batches", [1, 2, 3])
    def test_batches_cross_the_groups(self, batches: int) -> None:
        animals = plan(18, settings=PhantomSettings(batches=batches))
        cells = Counter((a.group.name, a.batch) for a in animals)
        assert len(cells) == 3 * batches
        assert set(cells.values()) == {6 // batches}

    def test_both_knees_occur(self) -> None:
        assert {a.side for a in plan(30)} == {Side.LEFT, Side.RIGHT}

    def test_dmm_is_worse_on_the_medial_side_and_the_exosome_helps(self) -> None:
        animals = plan(300)
        medial = {
            name: np.mean([a.medial for a in animals if a.group.name == name])
            for name in ("sham", "DMM + exosome", "DMM + vehicle")
        }
        assert all(low + 1 < high for low, high in pairwise(medial.values()))
        ill = [a for a in animals if a.group.name != "sham"]
        assert np.mean([a.medial - a.lateral for a in ill]) > 1

    @pytest.mark.parametrize("scatter", [0.0, 0.7, 1.5])
    def test_they_scatter_around_their_group_as_was_asked(self, scatter: float) -> None:
        animals = plan(600, settings=PhantomSettings(scatter=scatter))
        off = [a.medial - a.group.medial for a in animals]
        assert np.std(off) == pytest.approx(scatter, rel=0.1)
        assert np.mean(off) == pytest.approx(0, abs=0.15)

    def test_the_same_seed_gives_the_same_animals(self) -> None:
        assert plan(9, seed=4) == plan(9, seed=4)
        assert plan(9, seed=4) != plan(9, seed=5)

    def test_more_animals_leave_the_first_as_they_were(self) -> None:
        assert plan(12)[:7] == plan(7)


class TestDisease:
    def test_every_compartment_has_a_rung_of_the_ladder(self) -> None:
        for severity in SEVERITIES:
            for knee in KNEES:
                drawn = disease(knee, severity)
                assert set(drawn) == set(Compartment)
                assert {one.grade for one in drawn.values()} <= set(OARSI_MOUSE.rungs)

    @pytest.mark.parametrize("severity", [2.0, 4.0])
    def test_the_tibia_is_ahead_of_the_femur(self, severity: float) -> None:
        ahead = np.mean(
            [
                rung(drawn[tibial]) - rung(drawn[femoral])
                for drawn in (disease(knee, severity) for knee in KNEES)
                for femoral, tibial in (
                    (Compartment.MFC, Compartment.MTP),
                    (Compartment.LFC, Compartment.LTP),
                )
            ]
        )
        assert ahead == pytest.approx(0.7, abs=0.2)

    def test_each_side_follows_its_own_severity(self) -> None:
        one = animal(medial=5.0, lateral=0.5)
        sections = [
            section_disease(one, Slice(Chance((5, knee)), Chance((6, knee)), 300.0))
            for knee in range(40)
        ]
        means = {c: np.mean([rung(drawn[c]) for drawn in sections]) for c in Compartment}
        for compartment, mean in means.items():
            assert (mean > 3.5) == compartment.is_medial
            assert (mean < 1.8) != compartment.is_medial

    def test_grades_follow_the_severity(self) -> None:
        for severity in SEVERITIES[1:]:
            rungs = [rung(one) for knee in KNEES for one in disease(knee, severity).values()]
            assert np.mean(rungs) == pytest.approx(severity, abs=0.15)

    def test_sections_of_an_animal_scatter_but_neighbours_resemble_each_other(self) -> None:
        near, far = (
            np.array(
                [
                    abs(rung(disease(knee, 4.0)[c]) - rung(disease(knee, 4.0, 300 + d, 1)[c]))
                    for knee in KNEES
                    for c in Compartment
                ]
            )
            for d in (SECTION_UM, 1500.0)
        )
        assert near.max() <= 1
        assert 0.05 < near.mean() < 0.25
        assert far.mean() > 2 * near.mean()
        assert far.max() <= 3

    def test_the_same_section_has_the_same_disease(self) -> None:
        at = Slice(Chance((5, 1)), Chance((6, 1)), 700.0)
        assert section_disease(animal(3, 1), at) == section_disease(animal(3, 1), at)

    def test_one_sides_severity_moves_nothing_on_the_other(self) -> None:
        at = Slice(Chance((5, 1)), Chance((6, 1)), 700.0)
        one, other = section_disease(animal(1, 3), at), section_disease(animal(6, 3), at)
        for compartment in (Compartment.LFC, Compartment.LTP):
            assert one[compartment] == other[compartment]

    @pytest.mark.parametrize("sign", ["osteophyte", "sclerosis", "meniscus"])
    def test_osteophytes_sclerosis_and_meniscus_follow_the_severity(self, sign: str) -> None:
        means = [
            np.mean([getattr(disease(knee, s)[Compartment.MTP], sign) for knee in KNEES])
            for s in SEVERITIES
        ]
        assert means == sorted(means)
        assert means[0] < 0.05
        assert means[-1] > 0.6

    def test_thinning_follows_the_severity(self) -> None:
        means = [
            np.mean([disease(knee, s)[Compartment.MTP].thinning for knee in KNEES])
            for s in SEVERITIES
        ]
        assert means == sorted(means, reverse=True)
        assert means[0] == pytest.approx(0.99, abs=0.015)
        assert means[-1] == pytest.approx(0.84, abs=0.015)

    def test_signs_have_a_scatter_of_their_own(self) -> None:
        """A grade does not tell the size of the osteophyte."""
        drawn = [one for knee in KNEES for one in disease(knee, 4.0).values() if one.grade == 3]
        assert len(drawn) > 40
        for sign in ("osteophyte", "sclerosis", "meniscus"):
            values = [getattr(one, sign) for one in drawn]
            assert np.ptp(values) > 0.4

    @pytest.mark.parametrize("severity", [-3.0, 0.0, 4.0, 12.0])
    def test_all_stays_in_its_bounds_however_ill_or_well(self, severity: float) -> None:
        for knee in range(20):
            for one in disease(knee, severity).values():
                assert 0.7 <= one.thinning <= 1.1
                assert 0 <= one.osteophyte <= 3
                assert 0 <= one.sclerosis <= 1
                assert 0 <= one.meniscus <= 1
                assert one.extent is None

    def test_every_rung_with_erosion_has_an_extent(self) -> None:
        assert set(EROSION_EXTENT) == {rung for _, rung in OARSI_MOUSE.extent_rungs}


class TestScanner:
    @pytest.mark.parametrize("appearance", ["standard", "shifted"])
    def test_a_study_is_scanned_at_a_scale_of_its_appearances_scanner(
        self, appearance: str
    ) -> None:
        settings = PhantomSettings(appearance=appearance)
        low, high = SCANNER_MPP[appearance]
        drawn = [scanner_mpp(settings, np.random.default_rng(seed)) for seed in range(300)]
        assert low <= min(drawn) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(drawn) <= high
        assert all(mpp == round(mpp, 4) for mpp in drawn)

    def test_standard_and_shifted_scanners_have_no_scale_in_common(self) -> None:
        assert max(SCANNER_MPP["standard"]) < min(SCANNER_MPP["shifted"])

    def test_no_scanner_hides_fibrillation(self) -> None:
        """0, 0.5 and 1 differ in structures that need 1 µm/px (science.md section 1)."""
        assert all(high <= 1 for _, high in SCANNER_MPP.values())

    def test_a_scale_that_was_set_is_kept(self) -> None:
        settings = PhantomSettings(mpp=1.3)
        assert scanner_mpp(settings, np.random.default_rng(0)) == 1.3

    def test_setting_the_scale_draws_the_same_animals(self) -> None:
        """The scanner's number is drawn from the study's stream either way."""
        animals = []
        for mpp in (None, 1.3):
            rng = np.random.default_rng(6)
            scanner_mpp(PhantomSettings(mpp=mpp), rng)
            animals.append(plan_animals(6, PhantomSettings(mpp=mpp), rng))
        assert animals[0] == animals[1]


class TestSettings:
    def test_no_artefacts_have_no_rates(self) -> None:
        assert PhantomSettings(artefacts=False).rates is None
        mine = ArtefactRates(fold=1)
        assert PhantomSettings(artefacts=False, artefact_rates=mine).rates is None

    def test_the_usual_amount_or_the_shifted_mix(self) -> None:
        assert PhantomSettings().rates == STANDARD
        assert PhantomSettings(appearance="shifted").rates == SHIFTED
        assert SHIFTED != STANDARD

    @pytest.mark.parametrize("appearance", ["standard", "shifted"])
    def test_rates_that_were_set_are_kept(self, appearance: str) -> None:
        mine = ArtefactRates(fold=1, dust=0)
        settings = PhantomSettings(appearance=appearance, artefact_rates=mine)
        assert settings.rates == mine

    @pytest.mark.parametrize(
        ("override", "named"),
        [
            ("sectons=[1,1]", "did you mean sections"),
            ("mpp=9", "mpp"),
            ("mpp=0", "mpp"),
            ("quality=101", "quality"),
            ("scatter=-1", "scatter"),
            ("format=png", "format"),
            ("groups=[]", "groups"),
            ("groups=[{name: sham, medial: 9, lateral: 0}]", "medial"),
            ("batches=0", "batches"),
            ("section_step_um=0", "section_step_um"),
            ("artefact_rates={fold: 2}", "fold"),
        ],
    )
    def test_a_wrong_one_is_refused_by_name(self, override: str, named: str) -> None:
        with pytest.raises(ConfigError, match=named) as refused:
            parse_settings(PhantomSettings, overridden({}, [override]), "phantom --set")
        assert "phantom --set" in str(refused.value)

    def test_the_small_ones_are_the_joint_alone(self) -> None:
        assert SMALL.width_um < PhantomSettings().width_um
        assert SMALL.sections == (1, 1)
        assert SMALL.mpp is not None
