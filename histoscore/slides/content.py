"""What a file is, by its first bytes; the ending is only ever a promise to hold it to."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from histoscore.errors import (
    DamagedSlideError,
    NotASlideError,
    SlideError,
    UnreachableSlideError,
    UnsupportedSlideError,
)
from histoscore.files import patiently

HEAD_BYTES = 4096


class Content(Enum):
    """Content that a reader exists for, or that only OpenSlide can tell more about."""

    TIFF = "TIFF"
    PNG = "PNG"
    JPEG = "JPEG"
    OTHER = "other"


_READABLE = {
    b"II*\0": Content.TIFF,
    b"MM\0*": Content.TIFF,
    b"II+\0": Content.TIFF,
    b"MM\0+": Content.TIFF,
    b"\x89PNG\r\n\x1a\n": Content.PNG,
    b"\xff\xd8\xff": Content.JPEG,
}

_EXPORT = "export it from the scanner's software as SVS, or as tiled or OME-TIFF"

_IMAGES = {
    b"ZISRAWFILE": "a Zeiss CZI file of a kind that cannot be read here",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (Imaris or the like)",
    b"\xd0\xcf\x11\xe0": "an OLE file (Zeiss ZVI, Olympus OIB or the like)",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"BM": "a BMP picture",
    b"GIF8": "a GIF picture",
}
"""Images that are not read; what they are is said, and what to do."""

_STRANGERS = {
    b"%PDF": "PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"<!DOCTYPE html": "a web page",
    b"<html": "a web page",
    b"<?xml": "XML",
}

_SLIDE_ENDINGS = {".svs", ".svslide", ".ndpi", ".scn", ".bif", ".vms", ".vmu", ".czi", ".dcm"}
"""Endings under which nobody stores a plain picture."""


def content_of(path: Path) -> Content:
    """What a file holds, as far as its first bytes tell.

    Raises:
        NotASlideError: missing, empty, a folder, or a picture under a slide format's ending.
        UnsupportedSlideError: an Olympus VSI, whose pixels lie in another file.
        DamagedSlideError: an MRXS without its folder.
        UnreachableSlideError: the file cannot be read at all.
    """
    head = _head(path)
    content = next((kind for magic, kind in _READABLE.items() if head.startswith(magic)), None)
    ending = path.suffix.lower()
    if ending == ".vsi":
        raise UnsupportedSlideError(f"unsupported: Olympus VSI; {_EXPORT}")
    if ending == ".mrxs":
        _check_mrxs_folder(path)
        return Content.OTHER
    if content in (Content.PNG, Content.JPEG) and ending in _SLIDE_ENDINGS:
        raise NotASlideError(f"not a slide; content looks like {content.value}")
    return content or Content.OTHER


def refusal(path: Path) -> SlideError:
    """The error for a file that no reader takes: what its content looks like instead."""
    head = _head(path)
    for magic, name in _IMAGES.items():
        if head.startswith(magic):
            return UnsupportedSlideError(f"unsupported: {name}; {_EXPORT}")
    if head[128:132] == b"DICM":
        return UnsupportedSlideError(f"unsupported: DICOM that is no whole slide; {_EXPORT}")
    return NotASlideError(f"not a slide; content looks like {_stranger(head)}")


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise NotASlideError("not a slide; content looks like a folder")
    try:
        head = patiently(lambda: _first_bytes(path))
    except FileNotFoundError:
        raise NotASlideError("file not found") from None
    except OSError as error:
        raise unreachable(error) from None
    if not head:
        raise NotASlideError("empty file")
    return head


def unreachable(error: OSError) -> UnreachableSlideError:
    """The error for a file that the system does not hand out."""
    return UnreachableSlideError(f"cannot be read ({error.strerror})")


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _check_mrxs_folder(path: Path) -> None:
    index = path.with_suffix("") / "Slidedat.ini"
    if not index.is_file():
        raise DamagedSlideError(
            f"companion files missing: {index.parent.name}/{index.name}; "
            "copy the folder that belongs to the .mrxs file beside it"
        )


def _stranger(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, name in _STRANGERS.items():
        if start[: len(magic)].lower() == magic.lower():
            return name
    if _is_text(head):
        return "plain text"
    return "none of the known image formats"


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if b"\0" in head:
        return False
    printable = sum(byte >= 32 or byte in b"\t\n\r\f" for byte in head)
    return printable >= 0.95 * len(head)
