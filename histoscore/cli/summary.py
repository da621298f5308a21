"""What a verb says when it is done: tables on the terminal, reasons, where the files lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from histoscore.cli.progress import outcome
from histoscore.export.wording import Facts
from histoscore.pipeline.inspection import CheckedStudy
from histoscore.pipeline.report import RunSummary
from histoscore.pipeline.score_table import TableComparison
from histoscore.records import Answer, GroupComparison, Section, SlideInfo, StudyTables
from histoscore.vocabulary import Status

_REASONS_FOR = (Status.FAILED, Status.REVIEW, Status.NO_TISSUE, Status.SKIPPED)
_NAMES = ("timepoint", "reference", "group")
_LOG_WIDTH = 110
"""Columns of a log, which has no width of its own."""
_COLUMNS = (
    "reference",
    "group",
    "n",
    "medians",
    "p",
    "p Holm",
    "Cliff's δ",
    "test",
)


def print_run(summary: RunSummary) -> None:
    """The group table of the primary outcome, counts, reasons, and where the results lie."""
    console, record = plain_console(), summary.record
    if not record.shard:
        _print_groups(console, summary.tables)
    console.print(_counts(record.counts))
    for status in _REASONS_FOR:
        for slide in summary.tables.slides:
            if slide.status is status:
                console.print(f"  {outcome(slide)}", markup=False)
    if record.model.banner:
        console.print(f"\n{record.model.banner}", markup=False, style="bold")
    if record.shard:
        console.print(f"\nshard {record.shard}  {summary.run.path}", markup=False)
        console.print("when all are finished: histoscore merge RUN… --out RUN", markup=False)
        return
    console.print(f"\nworkbook  {summary.run.path / 'results.xlsx'}", markup=False)
    console.print(f"report    {summary.run.path / 'report.html'}", markup=False)


def _print_groups(console: Console, tables: StudyTables) -> None:
    primary = [comparison for comparison in tables.groups if comparison.primary]
    if primary:
        console.print(_primary_table(primary, tables.confidence))
        _print_notes(console, primary)
    else:
        console.print("No groups to compare (a blinded run is opened with report --key).")
    if Facts.GRADES in tables.reading:
        console.print(tables.reading[Facts.GRADES], markup=False)


def print_comparison(found: TableComparison) -> None:
    """A table an outcome, what was left out, and where the result lies."""
    console = plain_console()
    for name in dict.fromkeys(row.outcome for row in found.answers):
        rows = [row for row in found.answers if row.outcome == name]
        console.print(_group_table(rows, f"{name}, by animal", (), found.confidence))
        _print_notes(console, rows)
    for notice in found.notices:
        console.print(f"note: {notice}", markup=False)
    console.print()
    for file in found.files:
        console.print(f"table  {file}", markup=False)


def print_interrupted(out: Path, counts: Counter[Status]) -> None:
    """What stands after Ctrl-C, and how to go on."""
    done = _counts({status.value: count for status, count in counts.items()})
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"Interrupted. {done} in this call.", markup=False)
    console.print(f"{out} holds what is finished; the same line again goes on.", markup=False)


def print_slide(info: SlideInfo, sections: Sequence[Section]) -> None:
    """A slide's header and its sections, one fact a line."""
    console = plain_console()
    levels = ", ".join(f"{level.width} × {level.height}" for level in info.levels)
    facts = {
        "file": info.path,
        "format": f"{info.format} (read by {info.reader})",
        "size": f"{info.width} × {info.height} px, "
        f"{info.width * info.mpp / 1000:.2f} × {info.height * info.mpp / 1000:.2f} mm",
        "pixel size": f"{info.mpp:g} µm/px (from: {info.mpp_source})",
        "levels": levels,
        "pictures": ", ".join(info.associated) or "none",
        "label image": "present" if "label" in info.associated else "absent",
        "sections": str(len(sections)),
    }
    for name, fact in facts.items():
        console.print(f"{name:<12} {fact}", markup=False)
    for section in sections:
        console.print(f"  {_section(section)}", markup=False)
    for note in info.notes:
        console.print(f"note: {note}", markup=False)


def print_check(checked: CheckedStudy) -> None:
    """Everything that is wrong or odd about a study, and how many slides can be scored."""
    console = plain_console()
    for slide in checked.failing:
        console.print(f"row {slide.row.row}: {slide.row.slide}: {slide.reason}", markup=False)
    for note in checked.notes:
        console.print(f"note: {note}", markup=False)
    excluded = sum(slide.row.exclude for slide in checked.slides)
    readable = len(checked.slides) - len(checked.failing) - excluded
    console.print(
        f"{readable} of {len(checked.slides)} slides can be scored, {excluded} excluded; "
        f"{len(checked.study.animals)} animals, groups: "
        f"{', '.join(checked.study.groups) or 'none (blinded)'}",
        markup=False,
    )


def plain_console() -> Console:
    """Standard output without highlighting; in a log, with a width of its own."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    return console


def _section(section: Section) -> str:
    box, flags = section.box, ", ".join(section.flags)
    text = (
        f"section {section.number}: {box.width} × {box.height} px at ({box.x}, {box.y}), "
        f"tissue {section.area / 1e6:.2f} mm²"
    )
    return f"{text} [{flags}]" if flags else text


def _print_notes(console: Console, rows: Sequence[Answer]) -> None:
    for note in dict.fromkeys(note for row in rows for note in row.note.split("; ") if note):
        console.print(f"  {note}", markup=False)


def _primary_table(comparisons: Sequence[GroupComparison], confidence: float) -> Table:
    first = comparisons[0]
    title = f"{first.outcome} of {first.region.value}, by animal"
    timepoints = [c.timepoint or "" for c in comparisons] if first.timepoint else ()
    return _group_table(comparisons, title, timepoints, confidence)


def _group_table(
    rows: Sequence[Answer],
    title: str,
    timepoints: Sequence[str],
    confidence: float,
) -> Table:
    table = Table(box=SIMPLE_HEAD, title_justify="left", title=title)
    for name in (*(("timepoint",) if timepoints else ()), *_COLUMNS):
        level = f" ({100 * confidence:.6g} %)" if name == "Cliff's δ" else ""
        table.add_column(name + level, overflow="fold", no_wrap=name not in _NAMES)
    for place, row in enumerate(rows):
        leading = timepoints[place : place + 1]
        table.add_row(*map(Text, (*leading, *_cells(row))))  # Text: [brackets] are no markup
    return table


def _cells(row: Answer) -> tuple[str, ...]:
    """What stands under `_COLUMNS`."""
    return (
        row.reference or "",
        row.group,
        _against(row.n_reference, row.n_group),
        _against(row.median_reference, row.median_group),
        _number(row.p),
        _number(row.p_adjusted),
        _interval(row),
        row.test,
    )


def _interval(comparison: Answer) -> str:
    if comparison.cliffs_delta is None:
        return ""
    low, high = comparison.cliffs_delta_low, comparison.cliffs_delta_high
    around = f" ({low:.2f} to {high:.2f})" if low is not None and high is not None else ""
    return f"{comparison.cliffs_delta:.2f}{around}"


def _against(reference: float | None, group: float | None) -> str:
    return " v ".join(_number(value) for value in (reference, group) if value is not None)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _counts(counts: Mapping[str, int]) -> str:
    parts = [f"{counts[s.value]} {s.value.replace('_', ' ')}" for s in Status if s.value in counts]
    return f"Slides: {', '.join(parts) or 'none'}"
