"""A PDF of text and JPEG pictures, written as it is: the pictures' bytes go in unchanged.

Text is Helvetica, which every reader has, and can be searched; a line with letters beyond Western
Europe's is drawn as a picture instead. The same pages give the same bytes (PDF 1.4, ISO 32000).
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

from histoscore.export.lettering import font, shortened
from histoscore.geojson import Rgb

A4_SIDEWAYS = (841.89, 595.28)
"""Width and height in points (1/72 inch)."""

_SHARPNESS = 3
"""Pixels a point, of a line that is drawn as a picture."""


@dataclass(slots=True)
class PdfPage:
    """A page being filled; places are points from the left and from the top."""

    size: tuple[float, float] = A4_SIDEWAYS
    operators: list[bytes] = field(default_factory=list)
    images: list[_Image] = field(default_factory=list)

    def text(
        self, x: float, y: float, words: str, size: float, width: float, color: Rgb, bold: bool
    ) -> None:
        """One line on the baseline `y`, shortened to `width`."""
        letters = font(round(10 * size), bold)  # wider than Helvetica: what fits here fits there
        line = shortened(words, letters, 10 * width)
        try:
            encoded = line.encode("cp1252")
        except UnicodeEncodeError:
            self._drawn(x, y, line, size, color, bold)
            return
        name = b"/F2" if bold else b"/F1"
        place = _numbers(x, self.size[1] - y)
        self.operators.append(
            b"BT %s %s Tf %s rg %s Td (%s) Tj ET"
            % (name, _numbers(size), _rgb(color), place, _escaped(encoded))
        )

    def picture(self, jpeg: bytes, x: float, y: float, width: float, height: float) -> None:
        """A JPEG (RGB) as large as the box allows, in its middle."""
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as opened:
            pixels = opened.size
        scale = min(width / pixels[0], height / pixels[1])
        wide, high = pixels[0] * scale, pixels[1] * scale
        self._place(
            _Image(jpeg, pixels, b"/DCTDecode", b"/DeviceRGB"),
            (x + (width - wide) / 2, y + (height - high) / 2, wide, high),
        )

    def rectangle(self, x: float, y: float, width: float, height: float, color: Rgb) -> None:
        """A filled rectangle."""
        place = _numbers(x, self.size[1] - y - height, width, height)
        self.operators.append(b"%s rg %s re f" % (_rgb(color), place))

    def _drawn(self, x: float, y: float, line: str, size: float, color: Rgb, bold: bool) -> None:
        letters = font(round(_SHARPNESS * size), bold)
        wide, high = round(letters.getlength(line)) + 2, round(1.4 * _SHARPNESS * size)
        strip = Image.new("RGB", (max(1, wide), high), "white")
        baseline = round(_SHARPNESS * size)
        ImageDraw.Draw(strip).text((0, baseline), line, fill=color, font=letters, anchor="ls")
        image = _Image(zlib.compress(strip.tobytes()), strip.size, b"/FlateDecode", b"/DeviceRGB")
        box = (x, y - size, strip.width / _SHARPNESS, strip.height / _SHARPNESS)
        self._place(image, box)

    def _place(self, image: _Image, box: tuple[float, float, float, float]) -> None:
        x, y, width, height = box
        self.images.append(image)
        matrix = _numbers(width, 0, 0, height, x, self.size[1] - y - height)
        self.operators.append(b"q %s cm /I%d Do Q" % (matrix, len(self.images)))


@dataclass(frozen=True, slots=True)
class _Image:
    data: bytes
    pixels: tuple[int, int]
    filter: bytes
    colors: bytes

    def object(self) -> bytes:
        head = (
            b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace %s "
            b"/BitsPerComponent 8 /Filter %s /Length %d >>"
        ) % (*self.pixels, self.colors, self.filter, len(self.data))
        return _stream(head, self.data)


def pdf_bytes(pages: Sequence[PdfPage], title: str, subject: str) -> bytes:
    """The pages as a file's content; title and subject stand in the document's properties."""
    objects: list[bytes] = [b"", b"", _font(b"Helvetica"), _font(b"Helvetica-Bold")]
    objects.append(b"<< /Title %s /Subject %s >>" % (_hex(title), _hex(subject)))
    kids = []
    for page in pages:
        names = []
        for place, image in enumerate(page.images, start=1):
            objects.append(image.object())
            names.append(b"/I%d %d 0 R" % (place, len(objects)))
        content = b"\n".join(page.operators)
        objects.append(_stream(b"<< /Length %d >>" % len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %s] /Contents %d 0 R /Resources "
            b"<< /Font << /F1 3 0 R /F2 4 0 R >> /XObject << %s >> >> >>"
            % (_numbers(*page.size), len(objects), b" ".join(names))
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    """Objects numbered from 1, the table of their places, and the trailer."""
    parts, places, length = [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"], [], 15
    for number, body in enumerate(objects, start=1):
        places.append(length)
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, body))
        length += len(parts[-1])
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    parts.append(b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table))
    parts.append(b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\n" % (len(objects) + 1))
    parts.append(b"startxref\n%d\n%%%%EOF\n" % length)
    return b"".join(parts)


def _font(name: bytes) -> bytes:
    return b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % name


def _stream(head: bytes, data: bytes) -> bytes:
    return head + b"\nstream\n" + data + b"\nendstream"


def _numbers(*numbers: float) -> bytes:
    return b" ".join(f"{number:.2f}".encode("ascii") for number in numbers)


def _rgb(color: Rgb) -> bytes:
    return _numbers(*(part / 255 for part in color))


def _escaped(text: bytes) -> bytes:
    for special in (b"\\", b"(", b")"):
        text = text.replace(special, b"\\" + special)
    return text


def _hex(text: str) -> bytes:
    """A text string of any script (UTF-16 with its mark)."""
    return b"<FEFF" + text.encode("utf-16-be").hex().upper().encode("ascii") + b">"
