"""Loss and rate over steps: a CSV to keep, a picture to look at."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from histoscore.files import make_folder, write_atomic

FILE = "curves.csv"
PICTURE = "curves.png"


class Curves:
    """Values by step, written as they come; a column is made when a value first has its name."""

    def __init__(self, folder: Path, tensorboard: bool = False) -> None:
        self._folder = make_folder(folder)
        self._rows: dict[int, dict[str, float]] = _read(folder / FILE)
        self._events = _event_writer(folder) if tensorboard else None

    def add(self, step: int, **values: float) -> None:
        """Values at a step; those that were added before stay."""
        self._rows.setdefault(step, {}).update(values)
        for name, value in values.items() if self._events else ():
            self._events.add_scalar(name, value, step)  # type: ignore[union-attr]
        self._write()

    def cut_after(self, step: int) -> None:
        """Forgets what a killed training had written beyond its checkpoint."""
        self._rows = {number: row for number, row in self._rows.items() if number <= step}
        self._write()

    def draw(self) -> None:
        """The picture: losses above, whatever else was seen below."""
        from matplotlib.figure import Figure

        names = [n for n in self._names() if n != "rate"]
        losses = [n for n in names if n.endswith("loss")]
        others = [n for n in names if n not in losses]
        figure = Figure(figsize=(7, 2.6 * (1 + bool(others))), layout="constrained")
        axes = figure.subplots(1 + bool(others), 1, sharex=True, squeeze=False)[:, 0]
        for axis, group in zip(axes, (losses, others), strict=False):
            for name in group:
                points = [(s, row[name]) for s, row in sorted(self._rows.items()) if name in row]
                axis.plot(*zip(*points, strict=True), label=name.replace("_", " "), marker=".")
            axis.grid(alpha=0.3)
            axis.legend(frameon=False)
        axes[-1].set_xlabel("step")
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=120)
        write_atomic(self._folder / PICTURE, picture.getvalue())

    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for row in self._rows.values() for name in row))

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = self._names()
        writer.writerow(["step", *names])
        for step, row in sorted(self._rows.items()):
            cells = (f"{row[name]:.6g}" if name in row else "" for name in names)
            writer.writerow([step, *cells])
        write_atomic(self._folder / FILE, text.getvalue())


def _read(path: Path) -> dict[int, dict[str, float]]:
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {
            int(row.pop("step")): {name: float(cell) for name, cell in row.items() if cell}
            for row in csv.DictReader(file)
        }


def _event_writer(folder: Path) -> Any:
    """TensorBoard's writer. Raises UsageError where TensorBoard is not installed."""
    from histoscore.errors import UsageError

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("tensorboard: true needs it installed: pip install tensorboard") from None
    return SummaryWriter(str(folder / "tensorboard"))
