"""Which artefacts there are, how often they come, and the record of one that was drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import Field
from shapely.geometry import MultiPolygon, Polygon

from histoscore.config import Settings


class ArtefactKind(StrEnum):
    """What spoils a slide; the package's docstring says what each is."""

    FOLD = "fold"
    TEAR = "tear"
    MISSING = "missing"
    BUBBLE = "bubble"
    BLUR = "blur"
    DUST = "dust"
    PEN = "pen"
    COVERSLIP = "coverslip"
    SEAM = "seam"
    LIGHT = "light"


@dataclass(frozen=True, slots=True)
class Artefact:
    """One artefact that was drawn.

    Attributes:
        kind: what it is.
        outline: everything it changed, in picture px (x, y) with pixel corners at whole numbers;
            None where it lies over the whole slide (seams, uneven light).
        facts: its measurements, units in the names.
    """

    kind: ArtefactKind
    outline: Polygon | MultiPolygon | None
    facts: Mapping[str, float] = field(default_factory=dict)


class ArtefactRates(Settings):
    """How often artefacts come; the defaults are the usual amount."""

    fold: float = Field(0.15, ge=0, le=1, description="chance that a section is folded")
    tear: float = Field(0.20, ge=0, le=1, description="chance that a section is torn")
    missing: float = Field(0.08, ge=0, le=1, description="chance that a section lacks a piece")
    bubble: float = Field(0.06, ge=0, le=1, description="chance of bubbles under the coverslip")
    blur: float = Field(0.10, ge=0, le=1, description="chance of a region out of focus on a slide")
    dust: float = Field(1.0, ge=0, le=100, description="mean number of specks per mm² of slide")
    pen: float = Field(0.12, ge=0, le=1, description="chance of a pen mark on a slide")
    coverslip: float = Field(0.08, ge=0, le=1, description="chance that the coverslip ends in view")
    seam: float = Field(0.25, ge=0, le=1, description="chance that a slide's stitching shows")
    light: float = Field(0.50, ge=0, le=1, description="chance that a slide is lit unevenly")


STANDARD = ArtefactRates()
"""The usual amount."""

SHIFTED = ArtefactRates(
    fold=0.55,
    tear=0.60,
    missing=0.35,
    bubble=0.40,
    blur=0.45,
    dust=4.0,
    pen=0.50,
    coverslip=0.40,
    seam=0.85,
    light=0.95,
)
"""A careless laboratory: every artefact several times as often as `STANDARD` draws it."""
