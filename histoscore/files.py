"""Files that are whole or absent: atomic writes, hashes, names that every file system takes.

Whatever histoscore writes goes through `write_atomic` or `append_line`, so that a full disk or a
power cut leaves the old file, the new file or none, and never half of one under a final name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from histoscore.errors import EnvironmentStopError

_CHUNK_BYTES = 4 << 20
_SLUG_LENGTH = 40

_PAUSES = (0.5, 2.0, 5.0)
"""Seconds that a share which dropped is given to come back, one after the other."""
_DROPPED = frozenset(
    getattr(errno, name)
    for name in (
        *("EIO", "ESTALE", "ETIMEDOUT", "ENOTCONN", "ECONNRESET", "ECONNABORTED", "ESHUTDOWN"),
        *("EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENETRESET", "EREMOTEIO"),
    )
    if hasattr(errno, name)
)
_CANNOT_FLUSH_FOLDERS = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})
"""What network file systems (some SMB mounts) answer; their renames last without it."""

_T = TypeVar("_T")


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes. Raises OSError where the file cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def patiently(read: Callable[[], _T]) -> _T:
    """What `read` gives, asked again a few times where a disk or network share fails in passing.

    Raises OSError: the last one, after about eight seconds; at once where waiting cannot help.
    """
    for pause in _PAUSES:
        try:
            return read()
        except OSError as error:
            if not is_dropped(error):
                raise
        time.sleep(pause)
    return read()


def is_dropped(error: BaseException) -> bool:
    """Whether the machine failed, not the file: an I/O error, a share that is gone."""
    return isinstance(error, OSError) and error.errno in _DROPPED


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a whole file under its final name, or leave what was there; text becomes UTF-8.

    The bytes go to a temporary name in the same folder, are flushed to the disk, and are then
    renamed; the folder is flushed too, so that the name survives a power cut.

    Raises:
        EnvironmentStopError: the machine refuses (disk full, no permission); names path and size.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        _write_through(temporary, content)
        os.replace(temporary, path)  # noqa: PTH105 (tests make it fail)
        _flush_folder(path.parent)
    except OSError as error:
        raise _stopped(path, len(content), error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """For libraries that write files themselves: what the machine refuses in here becomes an
    EnvironmentStopError that names `path`."""
    try:
        yield
    except OSError as error:
        raise _stopped(path, 0, error) from error


def write_json(path: Path, data: Any) -> None:
    """Write plain data as JSON, equal bytes for equal data; NaN and infinities are refused."""
    write_atomic(path, json_text(data, indent=1) + "\n")


def json_text(data: Any, indent: int | None = None) -> str:
    """Plain data as JSON with sorted keys: the form that hashes are taken over."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=indent)


def append_line(path: Path, line: str) -> None:
    """Add one line to a file and flush it to the disk; the file is made if it is not there.

    Raises:
        EnvironmentStopError: the machine refuses. Part of the line may then stand at the end.
    """
    content = (line + "\n").encode("utf-8")
    try:
        with path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _stopped(path, len(content), error) from error


def make_folder(path: Path) -> Path:
    """The folder, made with its parents if it is not there. Raises EnvironmentStopError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentStopError(
            f"{path}: the folder cannot be made ({_reason(error)}); "
            "choose another place or change its permissions"
        ) from error
    return path


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or a copy where the file system has no such thing (or another
    one holds it). What stood there is replaced. Raises EnvironmentStopError."""
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    with writing(target):
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        temporary.replace(target)
        temporary.unlink(missing_ok=True)  # two names of one file stay two when renamed over


def sweep_leftovers(folder: Path) -> int:
    """Remove temporary files that a killed process left below a folder; says how many."""
    leftovers = [path for path in folder.rglob(".*.part") if path.is_file()]
    for path in leftovers:
        with contextlib.suppress(OSError):
            path.unlink()
    return len(leftovers)


def slug(text: str) -> str:
    """A short name made of `A-Z a-z 0-9 _ -` that is safe on every file system.

    It ends in a hash of the text as given, so two texts never share a name, even where upper and
    lower case are the same to the file system.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[:_SLUG_LENGTH].rstrip("_")
    mark = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{words}-{mark}" if words else mark


def _write_through(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows has no handle on a folder that could be flushed
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH_FOLDERS:
            raise
    finally:
        os.close(descriptor)


def _stopped(path: Path, needed: int, error: OSError) -> EnvironmentStopError:
    return EnvironmentStopError(
        f"{path}: cannot be written ({_reason(error)}"
        + (f"; {needed} bytes needed" if needed else "")
        + "). Results written so far are whole; "
        f"{_way_out(error)}, then run the same line again"
    )


def _way_out(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY):
        return "close it where it is open (Excel), or change the permissions"
    return "make room or change the permissions"


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
