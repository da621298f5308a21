"""A machine's language changes no number: files are the same bytes everywhere."""

from __future__ import annotations

import locale
from collections.abc import Iterator
from pathlib import Path

import pytest
from example_study import example_study

from histoscore.export.study import write_study_exports

WITH_COMMAS = ("de_DE.UTF-8", "fr_FR.UTF-8", "nl_NL.UTF-8", "German_Germany", "French_France")


@pytest.fixture
def comma() -> Iterator[str]:
    """A locale that writes 0,5; skipped where the machine has none."""
    before = locale.setlocale(locale.LC_ALL)
    for name in WITH_COMMAS:
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        if locale.localeconv()["decimal_point"] == ",":
            break
    else:
        pytest.skip(f"none of {', '.join(WITH_COMMAS)} is installed")
    yield name
    locale.setlocale(locale.LC_ALL, before)


@pytest.mark.fault(59)
def test_every_export_is_the_same_where_numbers_have_commas(tmp_path: Path, comma: str) -> None:
    there = write_study_exports(example_study(), tmp_path / "there")
    locale.setlocale(locale.LC_ALL, "C")
    here = write_study_exports(example_study(), tmp_path / "here")
    for one, other in zip(there, here, strict=True):
        assert one.read_bytes() == other.read_bytes(), f"{one.name} in {comma}"
