"""Plain pictures: PNG, JPEG and such TIFFs as are no slides, decoded whole by Pillow."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from histoscore.config import LimitSettings
from histoscore.errors import DamagedSlideError, UnsupportedSlideError
from histoscore.files import is_dropped, patiently
from histoscore.records import RgbImage, SlideInfo
from histoscore.slides.base import LevelledSlide, level_scales, levels_of
from histoscore.slides.colour import grey_as_rgb, on_white
from histoscore.slides.mpp import DeclaredSize, resolve_pixel_size, size_from_resolution

FORMATS = ("PNG", "JPEG", "TIFF")

_UM_PER_INCH = 25_400.0
_X_RESOLUTION = 282

_DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    ArithmeticError, EOFError, MemoryError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow raises on damaged pictures (found by giving it a folder of them)."""


class PictureReader(LevelledSlide):
    """A picture that is held in memory: one level, no label."""

    def __init__(self, path: Path, sheet_mpp: float | None, limits: LimitSettings) -> None:
        self._pixels, kind, declared = patiently(lambda: _decoded(path, limits))
        height, width = self._pixels.shape[:2]
        size, notes = resolve_pixel_size(declared, sheet_mpp)
        self.scales = level_scales(((width, height),))
        self.info = SlideInfo(
            path=str(path),
            reader="picture",
            format=kind.lower(),
            width=width,
            height=height,
            mpp=size.mpp,
            mpp_source=size.source,
            levels=levels_of(((width, height),)),
            notes=notes,
        )

    def close(self) -> None:
        self._pixels = np.empty((0, 0, 3), np.uint8)

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> RgbImage:
        return self._pixels[y : y + height, x : x + width]


def _decoded(path: Path, limits: LimitSettings) -> tuple[RgbImage, str, DeclaredSize | None]:
    """Pixels, kind of picture and its own word on the pixel size."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warning limit is ours, checked below
            with Image.open(path, formats=FORMATS) as image:
                _check_size(image, limits)
                declared = _declared_size(image)
                upright = ImageOps.exif_transpose(image)
                return _to_rgb(upright), str(image.format), declared
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UnsupportedSlideError(_unsupported(error)) from None
    except _DECODE_ERRORS as error:
        if isinstance(error, OSError) and is_dropped(error):
            raise
        raise DamagedSlideError(_damage(error)) from None


def _check_size(image: Image.Image, limits: LimitSettings) -> None:
    if image.width * image.height > limits.max_picture_pixels:
        raise UnsupportedSlideError(
            f"too large: a picture of {image.width} × {image.height} pixels that is not tiled; "
            "save it as a tiled TIFF, or raise limits.max_picture_pixels"
        )


def _to_rgb(image: Image.Image) -> RgbImage:
    """Pixels by the picture's mode; raises UnsupportedSlideError for one with no rule."""
    match image.mode:
        case "RGB":
            return np.array(image)
        case "L" | "1":
            return grey_as_rgb(np.array(image.convert("L")))
        case "RGBA" | "LA" | "PA" | "P":
            layers = np.array(image.convert("RGBA"))
            return on_white(layers[..., :3], layers[..., 3])
        case mode:
            raise UnsupportedSlideError(
                f"unsupported: a picture in colour mode {mode}; save it as 8-bit RGB"
            )


def _declared_size(image: Image.Image) -> DeclaredSize | None:
    """The picture's dots per inch as µm per pixel, believable or not; None where it has none."""
    dpi = image.info.get("dpi")
    if isinstance(image, TiffImageFile) and _X_RESOLUTION not in image.tag_v2:
        return None  # Pillow makes up 1 dpi
    if dpi is None:
        return None
    return size_from_resolution(float(dpi[0]), float(dpi[1]), _UM_PER_INCH)


def _damage(error: BaseException) -> str:
    text = str(error)
    if "truncated" in text.lower() or "unexpected end" in text.lower():
        return "truncated (short read)"
    return f"damaged: the picture cannot be decoded ({text or type(error).__name__})"


def _unsupported(error: BaseException) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return "too large: a picture that is not tiled; save it as a tiled TIFF"
    return "unsupported: a picture of a kind that cannot be read; save it as 8-bit RGB TIFF or PNG"
