"""The disk fails at the n-th file that the parent writes, for every n."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from zipfile import is_zipfile

import pytest
from helpers.fake_scorer import SCORER, fake_model, times_scored, write_study

from histoscore import files
from histoscore.config import load_config
from histoscore.errors import EnvironmentStopError
from histoscore.pipeline.study import ScoreOptions, score_study
from histoscore.runs.audit import AuditTrail
from histoscore.runs.verify import verify

OPTIONS = ScoreOptions(scorer=SCORER, model=fake_model)
CONFIG = load_config(overrides=["statistics.permutations=1000"])


class FailingDisk:
    """Renames files until the n-th, which fails; then the disk is as good as new."""

    def __init__(self, n: int) -> None:
        self.left = n

    def replace(self, source: Path, target: Path) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        source.rename(target)


def check_whole(run: Path) -> None:
    """No half file under a final name, and no leftovers."""
    assert not list(run.rglob("*.part"))
    for path in run.rglob("*.json"):
        json.loads(path.read_text())
    for path in run.rglob("*.csv"):
        assert path.read_bytes().endswith(b"\n")
    assert all(is_zipfile(path) for path in run.rglob("*.xlsx"))
    assert AuditTrail(run / "events.jsonl").problems() == []


@pytest.mark.fault(33)
@pytest.mark.fault(34)
def test_at_every_write_a_full_disk_stops_the_run_and_a_rerun_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1", "b.svs": "refuse no"})
    stops = 0
    while message := run_on_disk(FailingDisk(stops + 1), sheet, tmp_path / "run", monkeypatch):
        stops += 1
        assert "No space left" in message
        assert str(tmp_path / "run") in message
        check_whole(tmp_path / "run")
    assert stops >= 10
    assert times_scored(tmp_path) == {"a.svs": 1, "b.svs": 1}
    assert verify(tmp_path / "run") == []


def run_on_disk(
    disk: FailingDisk, sheet: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> str | None:
    """What the run says when the disk stops it; None when it gets through."""
    monkeypatch.setattr(files.os, "replace", disk.replace)
    try:
        score_study(sheet, run, CONFIG, OPTIONS)
    except EnvironmentStopError as stop:
        return str(stop)
    return None
