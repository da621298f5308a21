from collections.abc import Sequence
from pathlib import Path

import pytest

from histoscore.errors import UsageError
from histoscore.study.outline_files import find_outlines


def folder_with(folder: Path, names: Sequence[str]) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("slide", "file"),
    [
        ("m1.svs", "m1.svs.geojson"),
        ("m1.svs", "m1.geojson"),
        ("slides/m1.ome.tif", "m1.ome.geojson"),
        ("slides/m1.ome.tif", "m1.geojson"),
        (r"slides\m 1.2.jpg", "m 1.2.geojson"),
        ("m1.zarr", "m1.zarr.geojson"),
    ],
)
def test_a_file_is_called_after_its_slide(tmp_path: Path, slide: str, file: str) -> None:
    folder = folder_with(tmp_path / "drawn", [file, "elsewhere.geojson"])
    assert find_outlines(folder, [slide, "undrawn.svs"]) == {slide: folder / file}


@pytest.mark.parametrize(
    ("files", "slides", "said"),
    [
        (["m1.geojson"], ["m2.svs"], r"no file .* for example m2\.geojson"),
        (["m1.geojson"], [], "no file"),
        (
            ["m1.geojson", "m1.svs.geojson"],
            ["m1.svs"],
            r"m1\.svs has m1\.svs\.geojson and m1\.geojson; keep one",
        ),
        (
            ["m1.geojson"],
            ["a/m1.svs", "m1.jpg"],
            r"m1\.geojson belongs to a/m1\.svs and m1\.jpg; make it m1\.svs\.geojson and",
        ),
    ],
)
def test_what_does_not_fit_is_told(
    tmp_path: Path, files: list[str], slides: list[str], said: str
) -> None:
    folder = folder_with(tmp_path / "drawn", files)
    with pytest.raises(UsageError, match=said):
        find_outlines(folder, slides)


def test_all_that_does_not_fit_is_told_at_once(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "drawn", ["a.geojson", "a.svs.geojson", "b.geojson"])
    with pytest.raises(UsageError, match=r"(?s)a\.svs has.*b\.geojson belongs to"):
        find_outlines(folder, ["a.svs", "b.svs", "b.jpg"])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        find_outlines(tmp_path / "gone", ["m1.svs"])
