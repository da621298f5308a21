"""The run folder: where each thing lies, and how a slide's result is committed.

    RUN/
      run.json            what the run was made with            (provenance)
      study.json          the rows of the sheet as they were read
      results/KEY/result.json   one committed slide; KEY is its content key
      overlays/ labels/   pictures, GeoJSON and label maps, written before result.json
      events.jsonl        the audit trail                       (audit)
      *.csv results.xlsx report.html …   made from the above, again and again
      SHA256SUMS          hashes of all but events.jsonl

A result counts only when result.json names its own key and every picture it lists is there,
byte for byte: `done` is decided by content, never by a file's being there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from histoscore.errors import RunMismatchError, UsageError
from histoscore.files import make_folder, sha256_of, slug, write_atomic, write_json, writing
from histoscore.records import Record, SlideResult
from histoscore.runs.audit import AuditTrail
from histoscore.runs.lock import LOCK_NAME
from histoscore.runs.provenance import RunRecord

SUMS_NAME = "SHA256SUMS"
EVENTS_NAME = "events.jsonl"
_HASHING_THREADS = 4
"""Of files at once: the hash lets go of the interpreter's lock."""

_R = TypeVar("_R", bound=Record)
_H = TypeVar("_H", str, "str | None")


class Committed(Record):
    """`result.json`: a slide's result, and the hashes of the files that belong to it."""

    key: str
    files: Mapping[str, str]
    result: SlideResult


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run on disk. Paths handed out lie inside it; names never come from input unchanged."""

    path: Path

    @property
    def record_path(self) -> Path:
        return self.path / "run.json"

    @property
    def study_path(self) -> Path:
        return self.path / "study.json"

    @property
    def key_path(self) -> Path:
        """Where the groups are kept once a blinded run's key was opened."""
        return self.path / "key.json"

    @property
    def scorers_path(self) -> Path:
        """Where people's grades are kept once they were given to the run."""
        return self.path / "scorers.json"

    @property
    def sums_path(self) -> Path:
        return self.path / SUMS_NAME

    @property
    def trail(self) -> AuditTrail:
        return AuditTrail(self.path / EVENTS_NAME)

    def overlay_path(self, slide: str, section: int) -> Path:
        """Picture of a section; its folder is there after the call."""
        return make_folder(self.path / "overlays") / f"{slug(slide)}_section{section}.png"

    def geojson_path(self, slide: str) -> Path:
        """QuPath objects of a slide; the folder is there after the call."""
        return make_folder(self.path / "overlays") / f"{slug(slide)}.geojson"

    def label_path(self, slide: str, section: int) -> Path:
        """Label store (a folder) of a section; its parent is there after the call."""
        return make_folder(self.path / "labels") / f"{slug(slide)}_section{section}.ome.zarr"

    def result_path(self, key: str) -> Path:
        return self.path / "results" / key / "result.json"

    def inside(self, name: str) -> Path:
        """A file by its path relative to the run (with /); its folder is there after the call."""
        path = self.path / name
        make_folder(path.parent)
        return path

    def commit(self, key: str, result: SlideResult) -> None:
        """Make a slide's result final, with the hashes of its pictures as they are now.

        Raises:
            EnvironmentStopError: the disk refuses; the slide then counts as not scored.
        """
        path = self.result_path(key)
        make_folder(path.parent)
        committed = Committed(key=key, files=self._pictures(result), result=result)
        write_json(path, committed.model_dump(mode="json"))

    def begin(self, key: str, slide: str) -> None:
        """Mark that a slide is begun; where one was begun before under this key, what that
        attempt left of its pictures is removed. A first attempt looks at no other slide's."""
        folder = self.result_path(key).parent
        make_folder(folder.parent)
        with writing(folder):
            try:
                folder.mkdir()
            except FileExistsError:
                self.clear_pictures(slide)

    def begun(self) -> frozenset[str]:
        """Keys that were begun or committed, from one listing: on a network share a file that was
        looked for in vain may stay invisible for a minute after it is there."""
        try:
            return frozenset(os.listdir(self.path / "results"))  # noqa: PTH208 (names, no paths)
        except OSError:
            return frozenset()

    def committed(self, key: str) -> SlideResult | None:
        """The result under this key, or None where there is none that can be believed."""
        committed = self.recorded(key)
        return committed.result if committed and not self.missing_pictures(committed) else None

    def recorded(self, key: str) -> Committed | None:
        """The same with the hashes of its pictures, which must be there but are not read: what is
        made of the numbers need not wait for gigabytes, and `verify` reads them."""
        try:
            committed = Committed.model_validate_json(self.result_path(key).read_bytes())
        except (OSError, ValidationError):
            return None
        is_whole = all((self.path / name).is_file() for name in committed.files)
        return committed if committed.key == key and is_whole else None

    def missing_pictures(self, committed: Committed) -> list[str]:
        """Files of a result that are gone or changed, as paths relative to the run."""
        hashes = _side_by_side(_hash, [self.path / name for name in committed.files])
        return [
            name
            for (name, sha256), found in zip(committed.files.items(), hashes, strict=True)
            if found != sha256
        ]

    def clear_pictures(self, slide: str) -> None:
        """Remove what an unfinished attempt left of a slide's overlays and label maps."""
        for path in self._artefacts(slide):
            with writing(path):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def record(self) -> RunRecord:
        """What `run.json` says. Raises UsageError where there is no run, or a foreign one."""
        if not self.record_path.exists():
            raise UsageError(f"{self.path}: is no run folder (it has no run.json)")
        return self.read(self.record_path, RunRecord)

    def has_record(self) -> bool:
        return self.record_path.exists()

    def read(self, path: Path, model: type[_R]) -> _R:
        """A record of this run. Raises RunMismatchError where this version cannot read it."""
        try:
            return model.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise RunMismatchError(
                f"{path}: cannot be read as this version's record ({_first_line(error)}); "
                "use the version of histoscore that made the run, or choose another --out"
            ) from None

    def write(self, path: Path, record: Record) -> None:
        write_json(path, record.model_dump(mode="json"))

    def write_sums(self, known: Mapping[str, str] | None = None) -> None:
        """Hash every file of the run but the audit trail into SHA256SUMS.

        `known` are hashes of what the files should be, by path relative to the run: pictures of a
        large study are gigabytes, and one that has changed is then told by `verify`.
        """
        found = dict(known or {})
        rest = [name for name in self.file_names() if name not in found]
        hashes = _side_by_side(sha256_of, [self.path / name for name in rest])
        found |= dict(zip(rest, hashes, strict=True))
        lines = [f"{found[name]}  {name}\n" for name in self.file_names()]
        write_atomic(self.sums_path, "".join(lines))

    def file_names(self) -> list[str]:
        """Relative paths (with /) of all that SHA256SUMS covers, sorted."""
        apart = {SUMS_NAME, EVENTS_NAME, LOCK_NAME}
        names = (
            path.relative_to(self.path).as_posix()
            for path in self.path.rglob("*")
            if path.is_file() and not path.name.endswith(".part")
        )
        return sorted(name for name in names if name not in apart)

    def _artefacts(self, slide: str) -> list[Path]:
        """Whatever there is of a slide; looks through all pictures of the run."""
        stem = slug(slide)
        return [
            path
            for room in ("overlays", "labels")
            for path in sorted((self.path / room).glob(f"{stem}[._]*"))
        ]

    def _pictures(self, result: SlideResult) -> dict[str, str]:
        files = [
            file
            for path in self._illustrations(result)
            for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
            if file.is_file()
        ]
        return {file.relative_to(self.path).as_posix(): sha256_of(file) for file in files}

    def _illustrations(self, result: SlideResult) -> Iterator[Path]:
        """Where the pictures of a slide lie whose sections are known; some may not be there."""
        overlays, labels, stem = self.path / "overlays", self.path / "labels", slug(result.slide)
        yield overlays / f"{stem}.geojson"
        for name in (f"{stem}_section{part.section}" for part in result.sections):
            yield overlays / f"{name}.png"
            yield overlays / f"{name}.small.jpg"
            yield labels / f"{name}.ome.zarr"


def _side_by_side(hash_of: Callable[[Path], _H], paths: Sequence[Path]) -> list[_H]:
    """Hashes in the order of the paths."""
    with ThreadPoolExecutor(_HASHING_THREADS) as pool:
        return list(pool.map(hash_of, paths))


def _hash(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def _first_line(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
