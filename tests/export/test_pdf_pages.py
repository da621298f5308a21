"""A PDF as it must be written: places that fit, text that is escaped, the same bytes again."""

from __future__ import annotations

import io
import re

import numpy as np
from PIL import Image

from histoscore.export.pdf_pages import PdfPage, pdf_bytes

BLACK = (0, 0, 0)


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((30, 50, 3), 90, np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def content() -> bytes:
    page = PdfPage()
    page.text(20, 40, "group (1) \\ µm", 12, 300, BLACK, bold=True)
    page.picture(jpeg(), 20, 60, 100, 100)
    return pdf_bytes([page, PdfPage()], "title", "made by ✓")


def test_every_object_lies_where_the_table_says() -> None:
    data = content()
    start = int(re.search(rb"startxref\n(\d+)", data)[1])
    assert data[start:].startswith(b"xref\n")
    places = [int(m) for m in re.findall(rb"(\d{10}) 00000 n ", data[start:])]
    for number, place in enumerate(places, start=1):
        assert data[place:].startswith(b"%d 0 obj\n" % number)


def test_streams_are_as_long_as_they_say() -> None:
    data = content()
    for head in re.finditer(rb"/Length (\d+) >>\nstream\n", data):
        end = head.end() + int(head[1])
        assert data[end:].startswith(b"\nendstream")


def test_pages_are_counted_and_pictures_go_in_unchanged() -> None:
    data = content()
    assert b"/Count 2 " in data
    assert jpeg() in data


def test_brackets_in_text_are_escaped() -> None:
    assert rb"(group \(1\) \\ " in content()


def test_long_text_ends_in_an_ellipsis() -> None:
    page = PdfPage()
    page.text(0, 20, "word " * 100, 10, 120, BLACK, bold=False)
    (operator,) = page.operators
    assert "…".encode("cp1252") in operator


def test_the_same_pages_give_the_same_bytes() -> None:
    assert content() == content()
