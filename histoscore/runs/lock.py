"""The lock on a run folder: one process at a time, and no stale lock that a person must remove.

The lock is the file `run.lock`, made with exclusive creation. It names the owner's process id,
host and start time, so that an owner that died on this host is recognised and replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from histoscore.errors import EnvironmentStopError, RunInUseError
from histoscore.files import json_text, make_folder

LOCK_NAME = "run.lock"


class Owner(BaseModel):
    """Who holds a run folder. `process_start` tells a process from a later one of the same id."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    pid: int
    host: str
    started: str
    process_start: str | None
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, started {self.started}"

    @property
    def is_local(self) -> bool:
        return self.host == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether the owner runs still. Only an owner on this host can be asked."""
        start = process_start(self.pid)
        return start is not None and (self.process_start is None or start == self.process_start)


class RunLock:
    """Holds a run folder for this process while the `with` block lasts.

    Attributes:
        replaced: the dead or overruled owner whose lock was taken over, None if there was none.
    """

    def __init__(self, folder: Path, take_over: bool = False) -> None:
        self.path = folder / LOCK_NAME
        self.replaced: Owner | None = None
        self._take_over = take_over
        self._me = _this_process()

    def __enter__(self) -> Self:
        make_folder(self.path.parent)
        while not self._create():
            self._remove_stale()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if _read(self.path) == self._me:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _create(self) -> bool:
        """Make the lock under its name in one step; False where it stands already."""
        draft = self.path.with_name(f".{LOCK_NAME}.{self._me.token}.part")
        try:
            draft.write_text(json_text(self._me.model_dump()), encoding="utf-8")
            _publish(draft, self.path)
        except FileExistsError:
            return False
        except OSError as error:
            raise EnvironmentStopError(
                f"{self.path}: the run folder cannot be locked ({error.strerror}); "
                "check that the folder is writable"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
        return True

    def _remove_stale(self) -> None:
        """Clear away a lock whose owner is gone; raises RunInUseError where it may not be."""
        owner = _read(self.path)
        if owner is not None:
            self._refuse_living(owner)
        aside = self.path.with_name(f".{LOCK_NAME}.{self._me.token}.old.part")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        if _read(aside) == owner:
            self.replaced = owner or self.replaced
            aside.unlink()
        else:  # another process was quicker, and this is its lock: give it back
            with contextlib.suppress(FileExistsError):
                _publish(aside, self.path)
            aside.unlink(missing_ok=True)

    def _refuse_living(self, owner: Owner) -> None:
        folder = self.path.parent
        if owner.is_local and not owner.is_alive:
            return
        if self._take_over and not owner.is_local:
            return
        if owner.is_local:
            raise RunInUseError(f"{folder} is in use by {owner}; wait for it, or end it first")
        raise RunInUseError(
            f"{folder} is in use by {owner}. Whether it runs still cannot be seen from here; "
            "if you know that it does not, add --take-over"
        )


def process_start(pid: int) -> str | None:
    """When a process of this host began, in the system's own words; None if there is none."""
    if sys.platform == "win32":
        return _windows_process_start(pid)
    if sys.platform == "linux":
        return _linux_process_start(pid)
    listing = subprocess.run(  # noqa: S603 (a number is all that varies)
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return listing.stdout.strip() or None


def _linux_process_start(pid: int) -> str | None:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = status.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]  # a zombie holds nothing any more


if sys.platform == "win32":

    def _windows_process_start(pid: int) -> str | None:
        import ctypes

        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(0x1000, False, pid)  # query limited information
        if not handle:
            return None
        times = [ctypes.c_ulonglong() for _ in range(4)]
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.GetProcessTimes(handle, *(ctypes.byref(time) for time in times))
        kernel.CloseHandle(handle)
        return str(times[0].value) if code.value == 259 else None  # 259: still active


def _publish(draft: Path, name: Path) -> None:
    """Give a finished file its name, unless the name is taken (FileExistsError)."""
    if sys.platform == "win32":
        draft.rename(name)  # refuses an existing name there
        return
    try:
        os.link(draft, name)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        with name.open("xb") as file:
            file.write(draft.read_bytes())


def _read(path: Path) -> Owner | None:
    """The owner a lock names; None where there is no lock or it says nothing intelligible."""
    try:
        return Owner.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError):
        return None


def _this_process() -> Owner:
    return Owner(
        pid=os.getpid(),
        host=socket.gethostname(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        process_start=process_start(os.getpid()),
        token=secrets.token_hex(8),
    )
