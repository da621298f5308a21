"""Starting `histoscore` with the fake scorer as a program of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
QUICK = ("--set", "statistics.permutations=1000")


def start(
    *arguments: str | Path, ignored: str | None = None, **options: Any
) -> subprocess.Popen[str]:
    """The program, running; standard output and error are pipes of text. Warnings are errors, but
    for those of the `ignored` kind."""
    excepted = ("-W", f"ignore::{ignored}") if ignored else ()
    python_path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-W", "error", *excepted, "-m", "helpers.fake_cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": python_path, "PYTHONUTF8": "1"},
        preexec_fn=_heed_interrupts,
        **options,
    )


def _heed_interrupts() -> None:
    """What a script starts in the background inherits that Ctrl-C is ignored; a test must not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the program, run to its end."""
    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err
