"""How long a section takes to draw and how much memory, on one core.

    python -m benchmarks.phantom            # 4 × 5 mm at 0.5 µm/px, as an SVS with its truth
    python -m benchmarks.phantom --mpp 0.72

Writes a study of one animal with one section into a temporary folder and prints processor time,
elapsed time and peak memory, start of the program and imports included.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_DRAW = """
import sys
from pathlib import Path
import cv2
cv2.setNumThreads(1)
from histoscore.phantom.study import write_phantom_study
write_phantom_study(Path(sys.argv[1]), 1, int(sys.argv[2]), overrides=sys.argv[3:])
"""


def main() -> None:
    """Draw in a process of its own and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mpp", type=float, default=0.5)
    parser.add_argument("--width", type=float, default=4000)
    parser.add_argument("--height", type=float, default=5000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=["turn_deg=0"], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    settings = [
        f"mpp={arguments.mpp}",
        f"width_um={arguments.width}",
        f"height_um={arguments.height}",
        "sections=[1,1]",
        *arguments.set,
    ]
    for run in range(arguments.runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            line = [sys.executable, "-c", _DRAW, folder, str(run), *settings]
            subprocess.run(line, check=True)
            size = sum(path.stat().st_size for path in Path(folder).rglob("*.svs"))
        elapsed = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(
            f"seed {run}: processor {processor:.1f} s, elapsed {elapsed:.1f} s, "
            f"peak memory of all runs {after.ru_maxrss / 2**20:.2f} GiB, slide {size / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    main()
