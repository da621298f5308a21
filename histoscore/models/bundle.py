"""A model bundle: weights in safetensors and the card that says what they are.

This module reads cards and checks hashes without torch, so that the light parent process can;
only `ModelBundle.load` builds a network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field, ValidationError

from histoscore.config import AnyLadder, Settings
from histoscore.errors import ModelError
from histoscore.files import sha256_of
from histoscore.models.specs import NetworkName, NetworkSpec
from histoscore.scoring.calibration import Calibration
from histoscore.vocabulary import Ladder, Tissue

if TYPE_CHECKING:
    from torch import nn

BUILT_IN = Path(__file__).parent / "bundles"
"""Bundles that come with the package."""

SPECIES, ORIENTATION = "mouse", "coronal"
"""What study sheets are of; a model of anything else would answer another question."""


class NetworkFile(Settings):
    """One network of a bundle: its weights' file, their SHA-256, and how to build it."""

    file: str = Field(pattern=r"^[a-z0-9_-]+\.safetensors$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    spec: NetworkSpec = Field(discriminator="kind")


class CalibrationCard(Settings):
    """What turns the grader's probabilities into ones that may be believed on new animals.

    `temperature` divides their logarithms; `threshold` bounds the sets of neighbouring rungs that
    hold a scorer's grade with probability `coverage` (`histoscore.scoring.calibration`).
    """

    temperature: float = Field(gt=0)
    threshold: float
    coverage: float = Field(gt=0, lt=1)
    n_animals: int = Field(ge=1)
    n_compartments: int = Field(ge=1)


class ModelCard(Settings):
    """`model.json`."""

    format: Literal[1] = 1
    name: str
    species: str
    stain: str
    orientation: str
    ladder: AnyLadder
    tissues: tuple[str, ...]
    networks: Mapping[NetworkName, NetworkFile]
    calibration: CalibrationCard | None = None
    appearance: Mapping[str, tuple[float, float]] = Field(
        default_factory=dict, description="stain read-out → range the model was trained within"
    )
    training: Mapping[str, Any]
    software: Mapping[str, str]
    licence: str
    validated_on_real_tissue: bool


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A folder with a card that was read and weights that match their hashes."""

    folder: Path
    details: ModelCard

    @property
    def name(self) -> str:
        return self.details.name

    @property
    def card(self) -> str:
        """The text for people, `MODEL_CARD.md`. Raises ModelError where it is missing."""
        path = self.folder / "MODEL_CARD.md"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from None

    @property
    def ladder(self) -> Ladder:
        return self.details.ladder.ladder

    @property
    def calibration(self) -> Calibration | None:
        """None where nothing was held out to calibrate on."""
        card = self.details.calibration
        return Calibration.from_mapping(card.model_dump()) if card else None

    @property
    def validated_on_real_tissue(self) -> bool:
        return self.details.validated_on_real_tissue

    @property
    def banner(self) -> str | None:
        """What must stand wherever this model's numbers appear; None for a validated model."""
        if self.validated_on_real_tissue:
            return None
        if self.details.training.get("scorers"):
            return (
                f"MODEL “{self.name}”: not validated. Hold its grades against scorers on animals "
                "that it has not seen (histoscore evaluate) before you rely on them."
            )
        return (
            f"DEMONSTRATION MODEL “{self.name}”: trained on drawn phantoms only, not validated on "
            "real tissue. What its numbers say about real mice is not known. Not for research "
            "conclusions, not for diagnosis."
        )

    @property
    def weights_hash(self) -> str:
        """One hash over all weights, and over what is needed to use them."""
        text = json.dumps(self.details.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def load(self, network: NetworkName) -> nn.Module:
        """The network, ready to predict, its weights as float32."""
        from histoscore.models.networks import build_network, load_weights

        entry = self.details.networks[network]
        return load_weights(build_network(entry.spec, self.ladder), self.folder / entry.file)


def list_bundles() -> tuple[ModelBundle, ...]:
    """The bundles that come with the package."""
    return tuple(_read(card.parent) for card in sorted(BUILT_IN.glob("*/model.json")))


def find_bundle(name_or_folder: str) -> ModelBundle:
    """A bundle by name or folder, checked against its hashes.

    Raises:
        ModelError: there is none, the card is not valid, a file is missing or was changed.
    """
    folder = BUILT_IN / name_or_folder
    if not name_or_folder.isidentifier() or not folder.is_dir():
        folder = Path(name_or_folder)
    if not (folder / "model.json").is_file():
        names = ", ".join(bundle.name for bundle in list_bundles()) or "none"
        raise ModelError(
            f"no model bundle {name_or_folder!r}: it is neither a folder with a model.json nor "
            f"one of the bundles at hand ({names})"
        )
    bundle = _read(folder)
    _check_files(bundle)
    return bundle


def _read(folder: Path) -> ModelBundle:
    path = folder / "model.json"
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelError(f"{path}: not a model card ({place}: {first['msg']})") from None
    missing = [name for name in get_args(NetworkName) if name not in card.networks]
    if missing:
        raise ModelError(f"{path}: the card lists no {', '.join(missing)} network")
    _check_fit(path, card)
    return ModelBundle(folder, card)


def _check_fit(path: Path, card: ModelCard) -> None:
    """Refuses networks that would answer another question than the one that is asked of them."""
    known = tuple(tissue.title for tissue in Tissue)
    if card.tissues != known:
        raise ModelError(
            f"{path}: its networks tell {', '.join(card.tissues)}; this version of histoscore "
            f"asks for {', '.join(known)}, in this order: train the model anew"
        )
    if (card.species, card.orientation) != (SPECIES, ORIENTATION):
        raise ModelError(
            f"{path}: the model is of {card.orientation} sections of {card.species}; studies are "
            f"of {ORIENTATION} sections of {SPECIES}"
        )
    for name, entry in card.networks.items():
        wanted = "grader" if name == "grader" else "segmentation"
        if entry.spec.kind != wanted:
            raise ModelError(f"{path}: the {name} network is a {entry.spec.kind}, not a {wanted}")
    coarse, fine = card.networks["coarse"].spec, card.networks["fine"].spec
    if fine.mpp > coarse.mpp:
        raise ModelError(
            f"{path}: the fine network ({fine.mpp:g} µm/px) sees less than the coarse one "
            f"({coarse.mpp:g} µm/px)"
        )


def _check_files(bundle: ModelBundle) -> None:
    for name, entry in bundle.details.networks.items():
        path = bundle.folder / entry.file
        if not path.is_file():
            raise ModelError(f"{path}: the weights of the {name} network are missing")
        if sha256_of(path) != entry.sha256:
            raise ModelError(
                f"{path}: the weights are not those that the card was written for "
                "(SHA-256 differs); get the bundle again"
            )
