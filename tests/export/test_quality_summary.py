"""What a reader should doubt: flags counted, batch against group."""

from __future__ import annotations

from dataclasses import replace

import pytest
from example_study import example_study, group_of

from histoscore.export.quality import batches, confounding, flag_counts
from histoscore.records import SlideOrigin


def counts(*rows: tuple[int, ...]) -> dict[str, dict[str, int]]:
    return {
        f"batch {n}": dict(zip(("sham", "DMM", "treated"), row, strict=False))
        for n, row in enumerate(rows)
    }


def test_groups_that_share_no_batch_are_named() -> None:
    (words,) = confounding(counts((5, 0, 2), (0, 5, 3)))
    assert "confounded: sham and DMM share no batch" in words


def test_batches_that_lean_to_groups_are_warned_of_by_their_association() -> None:
    """Worked by hand: 9, 1 / 1, 9 has chi-squared 12.8 of 20 animals, V = sqrt(0.64)."""
    (words,) = confounding(counts((9, 1), (1, 9)))
    assert "Cramér's V 0.80" in words


@pytest.mark.parametrize(
    "rows", [((5, 5), (4, 4)), ((5, 5),), ((5, 0), (4, 0)), (), ((6, 4), (4, 6))]
)
def test_balanced_batches_or_only_one_are_no_reason_to_warn(rows: tuple) -> None:
    assert confounding(counts(*rows)) == ()


def test_slides_without_a_batch_are_shown_and_warn_of_nothing() -> None:
    found = batches(replace(example_study(), origins={}))
    assert [row.batch for row in found.rows] == ["no batch given"]
    assert found.rows[0].animals == (4, 4, 3, 1)  # the last lost its slide and has no group
    assert found.readouts == ("focus",)
    assert found.warnings == ()


def test_animals_and_sections_are_counted_by_batch() -> None:
    study = example_study()
    origins = {
        slide.slide: SlideOrigin(group=group_of(i), batch="ab"[i % 2])
        for i, slide in enumerate(study.slides)
    }
    found = batches(replace(study, origins=origins))
    assert [(row.batch, row.animals, row.sections) for row in found.rows] == [
        ("a", (2, 2, 2), 6),
        ("b", (2, 2, 2), 5),
    ]


def test_flags_are_counted_once_a_section() -> None:
    study = example_study()
    first = study.slides[0]
    section = first.sections[0].model_copy(update={"flags": ("uneven_light", "uneven_light")})
    slides = (first.model_copy(update={"sections": (section,)}), *study.slides[1:])
    (count,) = flag_counts(replace(study, slides=slides))
    assert (count.flag, count.where, count.n, count.of) == ("uneven_light", "sections", 1, 11)
