"""The few words of OME-XML that matter here: pixel size and channels."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from histoscore.errors import DamagedSlideError
from histoscore.slides.mpp import SCANNER, DeclaredSize

_UM_PER_UNIT = {"nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
"""Both code points that are drawn as µ are legal in the wild."""


@dataclass(frozen=True, slots=True)
class OmePixels:
    """The first image's pixel size (None where it states none) and its number of channels.

    An RGB picture is one channel of three samples.
    """

    size: DeclaredSize | None
    channels: int


def ome_pixels(xml: str) -> OmePixels:
    """Read OME-XML.

    Raises:
        DamagedSlideError: not XML, or XML with entities (which OME-XML never has).
    """
    pixels = next(_parsed(xml).iterfind(".//{*}Pixels"), None)
    if pixels is None:
        return OmePixels(None, 1)
    channels = sum(1 for _ in pixels.iterfind("{*}Channel"))
    return OmePixels(_size(pixels), max(1, channels))


def _parsed(xml: str) -> ElementTree.Element:
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise DamagedSlideError("damaged: the OME description declares entities")
    try:
        return ElementTree.fromstring(xml)  # noqa: S314 (no entities can be in it)
    except ElementTree.ParseError as error:
        raise DamagedSlideError(f"damaged: the OME description is not XML ({error})") from None


def _size(pixels: ElementTree.Element) -> DeclaredSize | None:
    x, y = (_length(pixels, f"PhysicalSize{axis}") for axis in "XY")
    return DeclaredSize(x, y, SCANNER) if x is not None and y is not None else None


def _length(pixels: ElementTree.Element, name: str) -> float | None:
    value = pixels.get(name)
    unit = _UM_PER_UNIT.get(pixels.get(f"{name}Unit", "µm"))
    if value is None or unit is None:
        return None
    try:
        return float(value) * unit
    except ValueError:
        return float("nan")
