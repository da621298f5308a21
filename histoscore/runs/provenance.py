"""`run.json`: what a run was made with, and the keys that are derived from it.

A run folder belongs to one study sheet, one configuration, one model and one version of this
program. Four settings say only how the work is done, not what comes out, and may change between the
first call and a resumed one: the device, the threads, and the time and memory that a slide may
take.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from histoscore import __version__
from histoscore.config import AnyLadder, LadderSettings, ScoreConfig
from histoscore.files import json_text
from histoscore.records import Record, SlideRow
from histoscore.vocabulary import OARSI_MOUSE

STAGE_VERSION = 10
"""Raised whenever the same slide and settings may give another result than before."""


class ModelFacts(Record):
    """The model bundle of a run: its name, the hash of its weights, and what stands behind it."""

    name: str
    sha256: str
    validated_on_real_tissue: bool
    banner: str = ""
    ladder: AnyLadder = LadderSettings.of(OARSI_MOUSE)


class SlideEntry(Record):
    """A row of the sheet in the run: its content key, and the file's hash (None: not there)."""

    slide: str
    key: str
    sha256: str | None


class RunRecord(Record):
    """Everything in `run.json`. Times are UTC in ISO 8601."""

    histoscore: str
    python: str
    platform: str
    packages: Mapping[str, str]
    study: str
    study_sha256: str
    config: ScoreConfig
    model: ModelFacts
    seeds: Mapping[str, int]
    started: str
    resumed: tuple[str, ...] = ()
    finished: str | None = None
    device: str | None = None
    engine: str | None = None
    engine_threads: int | None = None
    shard: str | None = None
    slides: tuple[SlideEntry, ...] = ()
    counts: Mapping[str, int] = {}


def begin_record(
    study: str, study_sha256: str, config: ScoreConfig, model: ModelFacts, started: str
) -> RunRecord:
    """The record of a run that starts now with this program on this machine."""
    return RunRecord(
        histoscore=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        packages=package_versions(),
        study=study,
        study_sha256=study_sha256,
        config=config,
        model=model,
        seeds={"statistics": config.statistics.seed},
        started=started,
    )


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that histoscore depends on."""
    required = metadata.requires("histoscore") or []
    names = sorted(
        re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in required if "extra" not in line
    )
    return dict(_installed(names))


def content_key(
    row: SlideRow, sha256: str | None, config: ScoreConfig, model: str, verdict: str = ""
) -> str:
    """Name of a slide's result: a hash over all that decides what comes out.

    That is the slide's bytes, the row of the sheet but for the place of the file, the whole
    configuration but for the statistics and the settings named above, the SHA-256 `model` of the
    weights, and the stage version. `verdict` tells apart what was settled without scoring.
    """
    decisive = {
        "sha256": sha256,
        "row": row.model_dump(mode="json", exclude={"path"}),
        "config": _what_comes_out(config, "statistics"),
        "model": model,
        "stage": STAGE_VERSION,
        "verdict": verdict,
    }
    return hashlib.sha256(json_text(decisive).encode("utf-8")).hexdigest()[:32]


def differences(begun: RunRecord, wanted: RunRecord) -> list[str]:
    """What keeps a run from being resumed, one `name: then → now` a line; empty if nothing."""
    then, now = dict(_flat(_identity(begun))), dict(_flat(_identity(wanted)))
    names = sorted(then.keys() | now.keys())
    return [
        f"{name}: {then.get(name, 'absent')} → {now.get(name, 'absent')}"
        for name in names
        if then.get(name) != now.get(name)
    ]


def _identity(record: RunRecord) -> dict[str, Any]:
    return {
        "histoscore": record.histoscore,
        "study sheet (sha256)": record.study_sha256[:12],
        "model weights (sha256)": record.model.sha256[:12],
        "shard": record.shard or "none",
        "config": _what_comes_out(record.config),
    }


def _what_comes_out(config: ScoreConfig, *beside: str) -> dict[str, Any]:
    """The configuration without how the work is done, and without the model's name (its hash
    stands for it) and the blocks named."""
    data = config.model_dump(mode="json", exclude={"device", "threads", "model", *beside})
    for cost in ("seconds_per_slide", "gib_per_slide"):
        del data["limits"][cost]
    return data


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _installed(names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, "not installed"
