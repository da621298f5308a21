"""Is what is installed what was delivered: files against their list, libraries against floors."""

from __future__ import annotations

import base64
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import histoscore
from histoscore.errors import ModelError
from histoscore.export.selftest import Check, Outcome, Part
from histoscore.files import sha256_of
from histoscore.models.bundle import ModelBundle, find_bundle
from histoscore.pipeline.selftest.known_values import KNOWN, Golden, compared, decided, listed

NAME = "histoscore"
FOR_DEVELOPERS = frozenset({"test", "docs", "ome-zarr"})
"""Extras that scoring never touches."""


def file_checks(golden: Golden, bundle: ModelBundle) -> Iterator[Check]:
    """The package's own files, the bundle, and that a changed bundle would be noticed."""
    yield package_check(_distribution(), Path(histoscore.__file__).parent)
    for name, sha256 in golden.files.items():
        yield _file_check(f"self-test's {name}", KNOWN / name, sha256)
    for network, entry in bundle.details.networks.items():
        title = f"weights of the {network} network"
        yield _file_check(title, bundle.folder / entry.file, entry.sha256)
    name = "card of the model bundle, which names those (SHA-256)"
    yield compared(Part.FILES, name, golden.model, bundle.weights_hash)
    yield _changed_weights(bundle)


def package_check(installed: metadata.Distribution | None, package: Path) -> Check:
    """The package's files against RECORD, the list that the installer wrote.

    `package` is the folder that this program runs from.
    """
    hashes = _recorded(installed)
    if installed is None or not hashes:
        note = (
            "installed from its sources (pip install -e) or not at all: no list to hold it against"
        )
        return _package(Outcome.NOT_CHECKED, "–", note)
    home = Path(str(installed.locate_file(NAME))).resolve()
    if home != package.resolve():
        return _package(Outcome.FAILED, f"runs from {package}", f"what is installed lies in {home}")
    problems = list(_differences(home, hashes))
    outcome = Outcome.FAILED if problems else Outcome.PASSED
    return _package(outcome, listed(problems, f"{len(hashes)} files, all as installed"))


def library_checks(requirements: list[str] | None = None) -> Iterator[Check]:
    """Every library that is required against its floor, and those of extras that are installed.

    `requirements` are lines as the package's metadata have them; None: the installed package's.
    """
    installed = _distribution()
    if requirements is None:
        requirements = list(installed.requires or []) if installed else []
    if installed is None and not requirements:
        yield Check(
            Part.LIBRARIES, "floors", "a list", "none", Outcome.NOT_CHECKED, note="not installed"
        )
        return
    python = installed.metadata["Requires-Python"] if installed else ">=3.11"
    yield _floor("Python", SpecifierSet(python or ""), platform.python_version())
    for line in requirements:
        yield from _library(Requirement(line))


def _distribution() -> metadata.Distribution | None:
    try:
        return metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return None


def _recorded(installed: metadata.Distribution | None) -> dict[str, str]:
    """File below the package → SHA-256 in hex, as RECORD lists them."""
    files = (installed.files if installed else None) or []
    return {
        path.relative_to(NAME).as_posix(): base64.urlsafe_b64decode(path.hash.value + "==").hex()
        for path in files
        if path.parts[0] == NAME and path.hash is not None and path.hash.mode == "sha256"
    }


def _differences(home: Path, hashes: Mapping[str, str]) -> Iterator[str]:
    there = {
        path.relative_to(home).as_posix()
        for path in home.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    yield from (f"{name} is missing" for name in sorted(hashes.keys() - there))
    yield from (f"{name} was added" for name in sorted(there - hashes.keys()))
    for name in sorted(there & hashes.keys()):
        if sha256_of(home / name) != hashes[name]:
            yield f"{name} was changed"


def _package(outcome: Outcome, found: str, note: str = "") -> Check:
    expected = "every file as the installer listed it, none added"
    return Check(Part.FILES, "files of the package", expected, found, outcome, note=note)


def _file_check(title: str, path: Path, sha256: str) -> Check:
    found = sha256_of(path) if path.is_file() else "missing"
    return compared(Part.FILES, f"{title} (SHA-256)", sha256, found)


def _changed_weights(bundle: ModelBundle) -> Check:
    """A copy of the bundle with one bit of its smallest weights turned must not load."""
    name, expected = "weights with one bit turned", "refused"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(bundle.folder, Path(folder) / "copy"))
        weights = min(copy.glob("*.safetensors"), key=lambda path: path.stat().st_size)
        data = bytearray(weights.read_bytes())
        data[len(data) // 2] ^= 1
        weights.write_bytes(data)
        try:
            find_bundle(str(copy))
        except ModelError:
            return decided(Part.FILES, name, expected, "refused", passed=True)
    return decided(Part.FILES, name, expected, "accepted", passed=False)


def _library(required: Requirement) -> Iterator[Check]:
    """A check of a library that is required here; none for what an extra would add and has not."""
    extra = _extra_of(required)
    if extra in FOR_DEVELOPERS or not _applies(required, extra):
        return
    try:
        version = metadata.version(required.name)
    except metadata.PackageNotFoundError:
        if not extra:
            yield _floor(required.name, required.specifier, "not installed")
        return
    yield _floor(required.name, required.specifier, version, f"extra {extra}" if extra else "")


def _floor(name: str, specifier: SpecifierSet, version: str, note: str = "") -> Check:
    held = version != "not installed" and specifier.contains(version, prereleases=True)
    return decided(Part.LIBRARIES, name, str(specifier) or "any version", version, held, note)


def _extra_of(required: Requirement) -> str:
    """The extra that brings a library in; "" where it always is."""
    if required.marker is None or required.marker.evaluate({"extra": ""}):
        return ""
    extras = _distribution()
    names = (extras.metadata.get_all("Provides-Extra") or []) if extras else []
    return next((name for name in names if required.marker.evaluate({"extra": name})), "")


def _applies(required: Requirement, extra: str) -> bool:
    return required.marker is None or required.marker.evaluate({"extra": extra})
