"""OME-Zarr label stores: read back exactly, and believed only when whole."""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from helpers.failing_disk import FailingDisk, small_map
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histoscore.errors import EnvironmentStopError, StoredResultError
from histoscore.export.zarr_labels import MARKER, read_label_store, write_label_store
from histoscore.geometry import Mpp, Placement
from histoscore.records import LabelMap
from histoscore.vocabulary import Tissue

PLACEMENT = Placement(x=310.5, y=-20, downsample=2.5, mpp=Mpp(1.8))


def label_map(rows: int = 530, columns: int = 1100) -> LabelMap:
    generator = np.random.default_rng(7)
    tissue = np.zeros((rows, columns), dtype=np.uint8)
    tissue[: rows // 2, : columns // 3] = generator.integers(0, 8, (rows // 2, columns // 3))
    return LabelMap(tissue, (tissue % 5).astype(np.uint8), PLACEMENT)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_label_store(tmp_path / "labels" / "slide_section1.ome.zarr", label_map())


def attributes(store: Path, group: str) -> dict:
    return json.loads((store / group / ".zattrs").read_text(encoding="utf-8"))


def chunks_of(store: Path) -> list[Path]:
    return sorted(p for p in store.rglob("*") if p.is_file() and p.name.isdigit())


def test_it_reads_back_exactly(store: Path) -> None:
    back = read_label_store(store)
    assert np.array_equal(back.tissue, label_map().tissue)
    assert np.array_equal(back.compartments, label_map().compartments)
    assert back.placement == PLACEMENT


def test_it_is_zarr_2_with_a_labels_group_that_names_the_images(store: Path) -> None:
    assert json.loads((store / ".zgroup").read_text(encoding="utf-8")) == {"zarr_format": 2}
    assert attributes(store, "labels")["labels"] == ["tissue", "compartments"]


def test_scale_and_translation_are_in_micrometres(store: Path) -> None:
    (image,) = attributes(store, "labels/tissue")["multiscales"]
    assert image["version"] == "0.4"
    assert [(a["name"], a["unit"]) for a in image["axes"]] == [
        ("y", "micrometer"),
        ("x", "micrometer"),
    ]
    scales = [d["coordinateTransformations"][0]["scale"] for d in image["datasets"]]
    assert scales == [[1.8, 1.8], [3.6, 3.6], [7.2, 7.2], [14.4, 14.4]]
    y, x = image["datasets"][0]["coordinateTransformations"][1]["translation"]
    assert x == pytest.approx((310.5 + 0.75) * 0.72)
    assert y == pytest.approx((-20 + 0.75) * 0.72)


def test_classes_have_colours(store: Path) -> None:
    label = attributes(store, "labels/tissue")["image-label"]
    colors = {c["label-value"]: c["rgba"] for c in label["colors"]}
    assert colors[Tissue.HYALINE] == [*Tissue.HYALINE.color, 255]
    names = {p["label-value"]: p["class"] for p in label["properties"]}
    assert names[Tissue.CALCIFIED] == "calcified cartilage"


def test_smaller_levels_hold_no_class_that_was_not_there(store: Path) -> None:
    import zarr

    image = zarr.open_group(store, mode="r", zarr_format=2)["labels/tissue"]
    assert [image[str(n)].shape for n in range(4)] == [
        (530, 1100),
        (265, 550),
        (133, 275),
        (67, 138),
    ]
    assert np.array_equal(image["1"][:], label_map().tissue[::2, ::2])


def test_every_chunk_is_on_the_disk_even_an_empty_one(store: Path) -> None:
    marker = json.loads((store / MARKER).read_text(encoding="utf-8"))
    assert marker["chunks"] == len(chunks_of(store)) == 2 * (2 * 3 + 1 * 2 + 1 + 1)


@pytest.mark.fault(52)
def test_a_missing_chunk_is_noticed(store: Path) -> None:
    chunks_of(store)[-1].unlink()
    with pytest.raises(StoredResultError, match="missing or changed; score the slide again"):
        read_label_store(store)


@pytest.mark.fault(52)
def test_a_truncated_chunk_is_noticed(store: Path) -> None:
    chunk = chunks_of(store)[0]
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(StoredResultError, match="missing or changed"):
        read_label_store(store)


@pytest.mark.fault(52)
def test_a_store_without_its_marker_is_not_believed(store: Path) -> None:
    (store / MARKER).unlink()
    with pytest.raises(StoredResultError, match="was not finished"):
        read_label_store(store)


def test_no_store_is_not_an_empty_label_map(tmp_path: Path) -> None:
    with pytest.raises(StoredResultError, match="was not finished"):
        read_label_store(tmp_path / "nothing.zarr")


def test_an_older_store_is_replaced(store: Path) -> None:
    small = label_map(90, 70)
    again = write_label_store(store, small)
    assert again == store
    assert np.array_equal(read_label_store(again).tissue, small.tissue)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 700), st.integers(1, 700))
def test_any_shape_reads_back(
    tmp_path_factory: pytest.TempPathFactory, rows: int, columns: int
) -> None:
    labels = label_map(rows, columns)
    store = write_label_store(tmp_path_factory.mktemp("any") / "s.zarr", labels)
    assert np.array_equal(read_label_store(store).tissue, labels.tissue)


@pytest.mark.fault(34)
def test_where_the_disk_refuses_at_the_nth_write_a_store_is_whole_or_not_believed(
    tmp_path: Path,
) -> None:
    """Zarr writes the chunks itself, in threads: every n-th of what it asks fails once. Whole is
    a store of which only the folder could not be flushed, last of all."""
    whole: list[int] = []
    for n in count(1):
        store = (
            tmp_path / f"{n:03d}" / "labels" / "a.ome.zarr"
        )  # threads may still write into the last
        message = refused_at(n, store)
        if not message:
            break
        assert str(tmp_path) in message
        assert os.strerror(errno.ENOSPC) in message
        with suppress(StoredResultError):
            assert np.array_equal(read_label_store(store).tissue, small_map().tissue)
            whole.append(n)
    assert n > 20
    assert whole == [n - 1]


def refused_at(n: int, store: Path) -> str:
    """What writing a store says where the disk refuses the n-th thing; "" where it never comes."""
    try:
        with FailingDisk(n, errno.ENOSPC, store.parents[1]):
            write_label_store(store, small_map())
    except EnvironmentStopError as stop:
        return str(stop)
    return ""
