"""The ARRIVE 2.0 essential ten (Percie du Sert et al. 2020), each with what a run knows of it."""

from __future__ import annotations

from histoscore.export import wording
from histoscore.export.origins import animals_by_sex, flow_by_group
from histoscore.records import StudyTables

_FOR_THE_AUTHORS = "to be filled in by the authors"


def arrive_items(tables: StudyTables) -> tuple[tuple[str, str], ...]:
    """(item, words) in the order of the list."""
    counts = wording.flow(tables)
    groups = list(dict.fromkeys(s.group for s in tables.animals if s.group is not None))
    design = f"Groups: {wording.listed(groups)}. " if groups else "Groups are not opened. "
    excluded = counts.slides - counts.slides_graded
    return (
        ("1 Study design", design + "The experimental unit is the animal."),
        (
            "2 Sample size",
            f"{wording.counted(counts.animals, 'animal')}, {counts.animals_compared} with a grade"
            f"{_sizes(tables)}. How the number was chosen: {_FOR_THE_AUTHORS}.",
        ),
        (
            "3 Inclusion and exclusion",
            f"{wording.counted(excluded, 'slide')} without a grade; each stands with its reason in "
            "the sheet Failed and excluded.",
        ),
        ("4 Randomisation", f"Not known to histoscore: {_FOR_THE_AUTHORS}."),
        (
            "5 Blinding",
            tables.reading.get(wording.Facts.BLINDING, "The network sees no group.")
            + f" Blinding of surgery and husbandry: {_FOR_THE_AUTHORS}.",
        ),
        ("6 Outcome measures", f"{wording.primary_sentence(tables)} {wording.aggregation(tables)}"),
        ("7 Statistical methods", wording.statistics_sentence(tables)),
        ("8 Experimental animals", _animals(tables)),
        ("9 Experimental procedures", f"Induction, treatment, histology: {_FOR_THE_AUTHORS}."),
        ("10 Results", "Sheets Animals and Statistics: every animal, n, effect sizes, intervals."),
    )


def _sizes(tables: StudyTables) -> str:
    """n by group, scored of given."""
    rows = [row for row in flow_by_group(tables) if row.group]
    told = [f"{row.group} {row.animals_scored} of {row.animals}" for row in rows]
    return f" ({', '.join(told)})" if len(told) > 1 else ""


def _animals(tables: StudyTables) -> str:
    told = [
        f"{group} {', '.join(f'{n} {sex}' for sex, n in sexes.items())}"
        for group, sexes in animals_by_sex(tables).items()
    ]
    if not told:
        return f"Mice. Strain, sex, age, weight: {_FOR_THE_AUTHORS}."
    words = "; ".join(told)
    return f"Mice. Sex, as in the study sheet: {words}. Strain, age, weight: {_FOR_THE_AUTHORS}."
