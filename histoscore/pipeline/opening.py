"""Whether a run may begin, or go on, in a folder."""

from __future__ import annotations

from pathlib import Path

from histoscore.errors import RunMismatchError, UsageError
from histoscore.runs.folder import RunFolder
from histoscore.runs.lock import LOCK_NAME
from histoscore.runs.provenance import RunRecord, differences


def check_place(out: Path) -> None:
    """A folder that holds something else is not written into."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; --out must name a folder")
    if not out.exists() or RunFolder(out).has_record():
        return
    foreign = [p.name for p in out.iterdir() if p.name != LOCK_NAME and p.suffix != ".part"]
    if foreign:
        raise UsageError(
            f"{out}: holds other files ({', '.join(sorted(foreign)[:3])}) and no run; "
            "choose a new folder for --out"
        )


def begun_record(run: RunFolder, wanted: RunRecord) -> RunRecord | None:
    """The record of the run that is resumed, None for a new one."""
    if not run.has_record():
        return None
    begun = run.record()
    differing = differences(begun, wanted)
    if differing:
        lines = "\n".join(f"  {line}" for line in differing)
        raise RunMismatchError(
            f"{run.path}: the run there was begun with something else (then → now)\n{lines}\n"
            "Choose a new folder for --out, or ask for the same as then"
        )
    return begun
