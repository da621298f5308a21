"""What stands beside a run's numbers: provenance, blinding, whose slide is whose, the trail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from histoscore.config import ScoreConfig
from histoscore.files import json_text
from histoscore.records import AuditEvent, Record, SlideOrigin, SlideResult
from histoscore.runs.audit import Event
from histoscore.runs.folder import RunFolder
from histoscore.runs.provenance import RunRecord
from histoscore.runs.verify import SEALED
from histoscore.study import Study
from histoscore.study.remarks import scale_outliers

RESUMED = "run resumed"
"""The event with which a run is gone on with."""


class OpenedKey(Record):
    """`key.json`: which animal is in which group, from the sheet that opened a blinded run."""

    sheet: str
    sha256: str
    opened: str
    groups: tuple[tuple[str, str], ...]


def reading(
    record: RunRecord,
    study: Study,
    results: Sequence[SlideResult],
    key: OpenedKey | None,
    grades: str = "",
) -> dict[str, str]:
    """Facts for the workbook's first sheet and the report, label → text; `grades` says whose
    grades count."""
    from histoscore.export.wording import Facts

    settings = record.config.statistics
    facts = {
        Facts.STUDY: Path(record.study).name,
        Facts.CREATED: record.started,
        Facts.VERSION: record.histoscore,
        Facts.MODEL: f"{record.model.name} (weights sha256 {record.model.sha256[:12]})",
        Facts.BANNER: record.model.banner,
        Facts.BLINDING: _blinding(study, key),
        Facts.GRADES: grades,
        Facts.SHEET: record.study_sha256,
        Facts.CONFIG: config_sha256(record.config),
        "device": record.device or "",
        "engine": record.engine or "",
        "engine threads": "" if record.engine_threads is None else str(record.engine_threads),
        "statistics seed": str(settings.seed),
        "colours": "taken as sRGB; colour profiles in slides are not applied",
    }
    scales = {one.slide: one.mpp for one in results if one.mpp}
    told = (*study.notes, *scale_outliers(scales))
    notes = {f"note {place}": note for place, note in enumerate(told, start=1)}
    return {label: text for label, text in (facts | notes).items() if text}


def config_sha256(config: ScoreConfig) -> str:
    """SHA-256 of the block `config` of run.json, as JSON with sorted keys and no line breaks."""
    return hashlib.sha256(json_text(config.model_dump(mode="json")).encode("utf-8")).hexdigest()


def origins(study: Study, groups: Mapping[str, str]) -> dict[str, SlideOrigin]:
    """Whose each slide is; `groups` are those of an opened key, by animal."""
    return {
        row.slide: SlideOrigin(
            group=groups.get(row.animal, row.group),
            batch=row.batch,
            sex=row.sex,
            timepoint=row.timepoint,
            knee=row.knee,
        )
        for row in study.rows
    }


def audit_events(run: RunFolder) -> tuple[AuditEvent, ...]:
    """The trail for people, and behind it what is wrong with it.

    Left out is that the tables were written, and a resumption that found nothing to do: what is
    made again from the same records is then the same again.
    """
    events: list[AuditEvent] = []
    waiting: list[AuditEvent] = []
    try:
        for event in run.trail.events():
            if event.what == SEALED:
                waiting = []
            elif event.what == RESUMED:
                waiting = [_told(event)]
            else:
                events += [*waiting, _told(event)]
                waiting = []
    except ValidationError:
        pass  # told by what follows, with its line
    problems = run.trail.problems()
    return (*events, *(AuditEvent(None, "", "", "trail damaged", words) for words in problems))


def _told(event: Event) -> AuditEvent:
    details = (f"{name}: {_words(value)}" for name, value in event.details.items() if value != "")
    return AuditEvent(event.number, event.time, event.who, event.what, "; ".join(details))


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _blinding(study: Study, key: OpenedKey | None) -> str:
    if key:
        return f"Scored without groups; the key {key.sheet} was opened {key.opened}."
    if study.has_groups:
        return "The groups stand in the study sheet; scoring a slide never sees them."
    return "Scored without groups; the key is not opened."
