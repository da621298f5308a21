""".ci/audit.py: what a report of pip-audit comes to."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "audit.py"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(*packages: dict[str, Any]) -> dict[str, Any]:
    clean = {"name": "numpy", "version": "2.4", "vulns": []}
    return {"dependencies": [clean, *packages]}


HOLED = {
    "name": "pillow",
    "version": "12.2.0",
    "vulns": [{"id": "PYSEC-2026-1", "aliases": ["CVE-2026-59205"], "fix_versions": ["12.3.0"]}],
}
UNKNOWN = {"name": "torch", "skip_reason": "not found"}


def test_a_finding_fails_with_the_version_that_mends_it(audit: ModuleType) -> None:
    failing, said = audit.verdict(report(HOLED), {})
    assert failing == ["pillow 12.2.0: PYSEC-2026-1, mended in 12.3.0"]
    assert said == ["2 of 2 libraries were looked up"]


@pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-59205"])
def test_an_ignored_finding_is_told_with_its_reason(audit: ModuleType, name: str) -> None:
    failing, said = audit.verdict(report(HOLED), {name: "no JPEG 2000 is read"})
    assert failing == []
    assert said[0].endswith("ignored: no JPEG 2000 is read")


def test_what_could_not_be_looked_up_is_counted(audit: ModuleType) -> None:
    assert audit.verdict(report(UNKNOWN), {}) == ([], ["1 of 2 libraries were looked up"])
    failing, said = audit.verdict({"dependencies": [UNKNOWN]}, {})
    assert failing == []
    assert "cannot be reached" in said[0]


def test_nothing_is_ignored_without_a_reason(audit: ModuleType) -> None:
    assert audit.reasons("# a remark\n\nCVE-1  not reachable\n") == {"CVE-1": "not reachable"}
    with pytest.raises(ValueError, match="CVE-1 is ignored without a reason"):
        audit.reasons("CVE-1\n")


def test_the_list_that_is_kept_can_be_read(audit: ModuleType) -> None:
    kept = audit.reasons(audit.IGNORED.read_text(encoding="utf-8"))
    assert all(kept.values())
