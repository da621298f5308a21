"""docs/reliability.md has all sixty rows, each beside the files whose tests are marked with it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from test_faults_slides import CASES

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"
ROWS = range(1, 61)


def marked() -> dict[int, set[str]]:
    """Row → files with a test that is marked with it."""
    found: dict[int, set[str]] = {row: set() for row in ROWS}
    for path in TESTS.rglob("test_*.py"):
        name = path.relative_to(TESTS).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    row = re.fullmatch(r"pytest\.mark\.fault\((\d+)\)", ast.unparse(decorator))
                    if row:
                        found[int(row[1])].add(name)
    for case in CASES:
        found[case.row].add("faults/test_faults_slides.py")
    return found


def told() -> dict[int, str]:
    """Row → the last cell of its line in the page."""
    lines = re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert [int(number) for number, _ in lines] == list(ROWS)
    return {int(number): cell for number, cell in lines}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_the_files_that_prove_it(row: int) -> None:
    cell, files = told()[row], marked()[row]
    assert files, f"row {row} has no test"
    assert set(re.findall(r"`([\w/]+\.py)`", cell)) == files
