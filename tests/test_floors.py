"""Versions below which a library has a known hole: pyproject.toml keeps above them, and so does
what is installed.

A floor stands once, in pyproject.toml; here stands why it may not be lower.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))[
    "project"
]

MENDED = {
    "CVE-2026-48977": ("openslide-bin", "4.0.1.2"),
    "CVE-2026-54604": ("openslide-bin", "4.0.1.2"),
    "CVE-2025-32434": ("torch", "2.10"),
    "CVE-2026-24747": ("torch", "2.10"),
    "CVE-2026-59205": ("pillow", "12.3.0"),
    "CVE-2025-62727": ("starlette", "1.5.1"),
    "CVE-2026-48710": ("starlette", "1.5.1"),
    "CVE-2026-48817": ("starlette", "1.5.1"),
    "CVE-2026-48818": ("starlette", "1.5.1"),
}
"""Hole → library and first version without it, as far as histoscore uses it."""


def requirements() -> Iterator[tuple[str, Requirement]]:
    """(extra, requirement) of pyproject.toml; extra "" is what always is installed."""
    for line in PROJECT["dependencies"]:
        yield "", Requirement(line)
    for extra, lines in PROJECT["optional-dependencies"].items():
        for line in lines:
            yield extra, Requirement(line)


REQUIRED = list(requirements())


def lowest(required: Requirement) -> Version:
    """The least version that a requirement takes."""
    bounds = [Version(s.version) for s in required.specifier if s.operator in (">=", "==", "~=")]
    assert bounds, f"{required.name} has no floor"
    return max(bounds)


@pytest.mark.parametrize("hole", MENDED)
def test_no_version_with_a_known_hole_is_taken(hole: str) -> None:
    name, mended = MENDED[hole]
    naming = [r for _, r in REQUIRED if canonicalize_name(r.name) == name]
    if not naming and name == "starlette":
        pytest.skip("nothing asks for starlette yet")
    assert naming
    assert all(lowest(required) >= Version(mended) for required in naming)


@pytest.mark.parametrize(
    ("extra", "required"), REQUIRED, ids=[f"{extra or 'core'}-{r.name}" for extra, r in REQUIRED]
)
def test_what_is_installed_is_not_below_its_floor(extra: str, required: Requirement) -> None:
    """Of an extra, what happens to be installed."""
    if required.marker is not None and not required.marker.evaluate({"extra": extra}):
        pytest.skip(f"not needed here: {required.marker}")
    try:
        version = metadata.version(required.name)
    except metadata.PackageNotFoundError:
        assert extra, f"{required.name} is not installed"
        pytest.skip(f"{required.name} is not installed; the extra {extra} would bring it")
    assert required.specifier.contains(version, prereleases=True)
