"""Known holes in the installed libraries, as pip-audit's database has them.

A finding fails, unless audit-ignore.txt names it with a reason. A database that cannot be reached
is said in a line and fails nothing: tests/test_floors.py holds the floors in any case.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IGNORED = Path(__file__).with_name("audit-ignore.txt")
SECONDS = 180
COMMAND = ("-m", "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off")


def reasons(text: str) -> dict[str, str]:
    """Lines `ID reason …` → reason by ID. Raises ValueError where a line gives no reason."""
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.strip().partition(" ")
            if not reason.strip():
                raise ValueError(f"{IGNORED.name}: {name} is ignored without a reason")
            found[name] = reason.strip()
    return found


def verdict(report: Mapping[str, Any], ignored: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """(findings that fail, what else is to be said) of pip-audit's JSON."""
    failing, said = [], []
    packages = report["dependencies"]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    for package in packages:
        for hole in package.get("vulns", []):
            names = {hole["id"], *hole.get("aliases", [])}
            mended = ", ".join(hole.get("fix_versions", [])) or "no version"
            line = f"{package['name']} {package['version']}: {hole['id']}, mended in {mended}"
            known = next((ignored[name] for name in names if name in ignored), None)
            if known is None:
                failing.append(line)
            else:
                said.append(f"{line}; ignored: {known}")
    if len(unknown) == len(packages):
        said.append("pip-audit's database cannot be reached from here: nothing was looked up")
    else:
        said.append(f"{len(packages) - len(unknown)} of {len(packages)} libraries were looked up")
    return failing, said


def main() -> int:
    """Print what was found; 1 where something fails."""
    ignored = reasons(IGNORED.read_text(encoding="utf-8"))
    command = [sys.executable, *COMMAND, "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603 (this interpreter)
            command, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        failing, said = verdict(json.loads(done.stdout), ignored)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        failing, said = [], ["pip-audit has no answer (its database cannot be reached): skipped"]
    for line in [*said, *failing]:
        print(f"audit: {line}")
    return int(bool(failing))


if __name__ == "__main__":
    sys.exit(main())
