"""`histoscore review` as a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `review` is not installed")


@contextmanager
def served(run: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The page of a run: the process, and the link to enter by. It is killed at the end."""
    line = [sys.executable, "-m", "histoscore", "review", str(run), "--no-browser", *options]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout
    assert process.stderr
    try:
        link = re.search(r"http://127\.0\.0\.1:\d+/enter\S+", process.stderr.readline())
        assert link, process.stderr.read()
        yield process, link[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
