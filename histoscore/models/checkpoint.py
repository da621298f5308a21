"""What a killed training has to remember, in one safetensors file. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from histoscore.errors import StoredResultError
from histoscore.files import write_atomic

FILE = "checkpoint.safetensors"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training at a step.

    Attributes:
        step: steps taken. best_loss, stale: least held-out loss, and looks since.
        recent: losses of the last steps, for the curve.
        network, averaged: weights. moments: the optimiser's, `KIND.NUMBER of the parameter`.
        best: averaged weights at the best look; None before the first.
    """

    step: int
    best_loss: float
    stale: int
    recent: tuple[float, ...]
    network: Mapping[str, Tensor]
    averaged: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    best: dict[str, Tensor] | None


_PARTS = ("network", "averaged", "moments", "best")


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Puts a checkpoint in the place of the last one, whole or not at all."""
    tensors = {
        f"{part}/{name}": tensor.detach().contiguous().cpu().clone()
        for part in _PARTS
        for name, tensor in (getattr(checkpoint, part) or {}).items()
    }
    facts = {
        "step": checkpoint.step,
        "best_loss": checkpoint.best_loss,
        "stale": checkpoint.stale,
        "recent": checkpoint.recent,
    }
    write_atomic(folder / FILE, save(tensors, {"facts": json.dumps(facts)}))


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The last checkpoint; None where there is none.

    Raises:
        StoredResultError: the file was changed or damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
    try:
        with safe_open(path, "pt") as stored:
            facts = json.loads(stored.metadata()["facts"])
            for key in stored.keys():  # noqa: SIM118 (not a mapping)
                part, name = key.split("/", 1)
                parts[part][name] = stored.get_tensor(key)
        return Checkpoint(
            step=int(facts["step"]),
            best_loss=float(facts["best_loss"]),
            stale=int(facts["stale"]),
            recent=tuple(map(float, facts.get("recent", ()))),
            network=parts["network"],
            averaged=parts["averaged"],
            moments=parts["moments"],
            best=parts["best"] or None,
        )
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise StoredResultError(
            f"{path}: not a checkpoint ({error}); remove it to train this network anew"
        ) from None


def drop_checkpoint(folder: Path) -> None:
    """Removes the checkpoint of a training that is finished."""
    (folder / FILE).unlink(missing_ok=True)
