"""`histoscore selftest`: is this installation the one that was released, and does it do its work.

`installation` looks at files and libraries, `reading` at a known slide's pixels, `chain` scores it
in a real run and damages that, `statistics` answers published examples. `known/` holds what they
are held against, `known_values` how near a value must come.

It says that a program runs here as it ran where it was released. It says nothing on real tissue.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import histoscore
from histoscore.config import ScoreConfig, parse_settings
from histoscore.errors import HistoscoreError, UsageError
from histoscore.export.selftest import Check, Outcome, Part, SelftestRecord, in_order
from histoscore.models.bundle import ModelBundle, list_bundles
from histoscore.pipeline.selftest.chain import (
    grade_checks,
    refusal_checks,
    run_checks,
    score_known,
)
from histoscore.pipeline.selftest.installation import file_checks, library_checks
from histoscore.pipeline.selftest.known_values import Golden, read_golden
from histoscore.pipeline.selftest.reading import reader_checks
from histoscore.pipeline.selftest.statistics import statistics_checks
from histoscore.pipeline.worker import LOG_NAME
from histoscore.runs.audit import now, who

_PERMUTATIONS = 1_000
"""The run has one animal a group and tests nothing; fewest that a configuration may ask for."""
_CANNOT = (HistoscoreError, ImportError, OSError)
"""What a damaged installation raises: ours, a library that does not load, a file that is gone."""


def run_selftest(device: str = "auto", engine: str = "auto") -> SelftestRecord:
    """Make every check; what goes wrong is a failed check and stops no other.

    Raises:
        ConfigError: there is no such device or engine.
        UsageError: the golden values, or the bundled model's card, cannot be read.
    """
    asked = {"device": device, "engine": engine, "statistics": {"permutations": _PERMUTATIONS}}
    config = parse_settings(ScoreConfig, asked, "selftest")
    golden, bundle, made = read_golden(), bundled(config.model), now()
    facts = _facts(bundle)
    with tempfile.TemporaryDirectory() as folder:
        checks = (
            *tried(Part.FILES, lambda: file_checks(golden, bundle)),
            *tried(Part.LIBRARIES, library_checks),
            *tried(Part.READER, lambda: reader_checks(golden)),
            *tried(Part.STATISTICS, lambda: statistics_checks(golden)),
            *_chain_checks(golden, Path(folder), config, facts),
        )
    return SelftestRecord(made, facts, in_order(checks), bundle.banner or "")


def bundled(name: str) -> ModelBundle:
    """A bundle of the package by its name, its weights not looked at. Raises UsageError."""
    for bundle in list_bundles():
        if bundle.name == name:
            return bundle
    raise UsageError(f"the package carries no model bundle {name}; install histoscore anew")


def tried(part: Part, make: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """The checks that `make` makes; what it raises is one more, failed, and ends this part."""
    try:
        yield from make()
    except _CANNOT as error:
        yield _unfinished(part, error)


def _chain_checks(
    golden: Golden, folder: Path, config: ScoreConfig, facts: dict[str, str]
) -> Iterator[Check]:
    """Checks of the run that is made below `folder`; what it ran on goes into `facts`."""
    try:
        scored = score_known(folder, config)
    except _CANNOT as error:
        note = _last_words(folder / "run" / LOG_NAME)
        for part in (Part.GRADES, Part.RUN, Part.REFUSALS):
            yield _unfinished(part, error, note)
        return
    facts.update(scored.facts)
    yield from tried(Part.GRADES, lambda: grade_checks(golden, scored))
    yield from tried(Part.RUN, lambda: run_checks(scored))
    yield from tried(Part.REFUSALS, lambda: refusal_checks(scored))


def _unfinished(part: Part, error: BaseException, note: str = "") -> Check:
    words = str(error).splitlines() or [type(error).__name__]
    return Check(part, "could not be finished", "no error", words[0], Outcome.FAILED, note=note)


def _last_words(log: Path) -> str:
    """The last line of the worker's log, which goes with the folder it lies in."""
    if not log.is_file():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((f"worker.log ends: {line}" for line in reversed(lines) if line.strip()), "")


def _facts(bundle: ModelBundle) -> dict[str, str]:
    """Installation and machine, as a laboratory names them in its records."""
    return {
        "histoscore": histoscore.__version__,
        "installed in": str(Path(histoscore.__file__).parent),
        "made by": who(),
        "system": platform.platform(),
        "processor": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "Python": f"{platform.python_version()} ({sys.executable})",
        "model": bundle.name,
        "model SHA-256": bundle.weights_hash,
    }
