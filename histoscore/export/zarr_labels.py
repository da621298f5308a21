"""Label maps as OME-Zarr 0.4, believed only when they are whole.

A store is a Zarr v2 group with a `labels` group that names two label images, `tissue` and
`compartments`, each with a nearest-neighbour pyramid. A missing chunk of a Zarr reads as zeros
without an error, so every chunk is written, and a marker with the number of files and their
checksum is written last: a store without a fitting marker is refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from histoscore.errors import StoredResultError
from histoscore.files import make_folder, sha256_of, write_json, writing
from histoscore.geometry import Mpp, Placement
from histoscore.records import LabelArray, LabelMap
from histoscore.vocabulary import Compartment, Tissue

MARKER = "committed.json"
CHUNK = 512
"""Side of a chunk in pixels."""

_SMALLEST = 256
"""The pyramid ends where the longer side is no longer than this."""

_COMPARTMENT_COLORS = {
    Compartment.MFC: (0, 114, 178),
    Compartment.MTP: (86, 180, 233),
    Compartment.LFC: (213, 94, 0),
    Compartment.LTP: (230, 159, 0),
}


def write_label_store(store: Path, labels: LabelMap) -> Path:
    """Writes the store, a folder, in place of an older one; returns its path.

    A store that was not finished has no marker, so that `read_label_store` refuses it.

    Raises:
        EnvironmentStopError: the disk refuses.
    """
    make_folder(store.parent)
    with writing(store):
        _write_store(store, labels)
    return store


def _write_store(store: Path, labels: LabelMap) -> None:
    if store.exists():
        (store / MARKER).unlink(missing_ok=True)
        shutil.rmtree(store)
    root = zarr.open_group(store, mode="w", zarr_format=2)
    root.attrs["histoscore"] = _placement_record(labels.placement)
    group = root.create_group("labels")
    group.attrs["labels"] = ["tissue", "compartments"]
    _write_image(group, "tissue", labels.tissue, labels.placement, _tissue_classes())
    _write_image(group, "compartments", labels.compartments, labels.placement, _joint_classes())
    write_json(store / MARKER, _inventory(store))


def read_label_store(store: Path) -> LabelMap:
    """The label map of a store that is whole.

    Raises:
        StoredResultError: no store there, not finished, or a file is missing or changed.
    """
    _check(store)
    root = zarr.open_group(store, mode="r", zarr_format=2)
    return LabelMap(
        tissue=_full_resolution(root, "tissue"),
        compartments=_full_resolution(root, "compartments"),
        placement=_placement(root.attrs["histoscore"]),
    )


def _check(store: Path) -> None:
    try:
        expected = json.loads((store / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise StoredResultError(
            f"{store}: the label map was not finished; score the slide again"
        ) from None
    if expected != _inventory(store):
        raise StoredResultError(
            f"{store}: files of the label map are missing or changed; score the slide again"
        )


def _inventory(store: Path) -> dict[str, Any]:
    """How many files the store has, and one checksum over their names and contents."""
    paths = sorted(p for p in store.rglob("*") if p.is_file() and p.name != MARKER)
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(store).as_posix()}\0{sha256_of(path)}\n".encode())
    chunks = sum(not path.name.startswith(".z") for path in paths)
    return {"files": len(paths), "chunks": chunks, "sha256": digest.hexdigest()}


def _write_image(
    group: Any, name: str, labels: LabelArray, placement: Placement, classes: list[dict[str, Any]]
) -> None:
    image = group.create_group(name)
    levels = _pyramid(labels)
    for index, level in enumerate(levels):
        array = image.create_array(
            str(index),
            shape=level.shape,
            chunks=tuple(min(CHUNK, side) for side in level.shape),
            dtype="uint8",
            fill_value=0,
            chunk_key_encoding={"name": "v2", "separator": "/"},
            config={"write_empty_chunks": True},
        )
        array[:] = level
    image.attrs["multiscales"] = [_multiscale(name, len(levels), placement)]
    image.attrs["image-label"] = _image_label(classes)


def _pyramid(labels: LabelArray) -> list[LabelArray]:
    """The label map and its halvings by nearest neighbour: no class is ever mixed."""
    levels = [labels]
    while max(levels[-1].shape) > _SMALLEST and min(levels[-1].shape) > 1:
        levels.append(np.ascontiguousarray(levels[-1][::2, ::2]))
    return levels


def _multiscale(name: str, n_levels: int, placement: Placement) -> dict[str, Any]:
    """Levels with scale and translation in µm; the slide's first pixel centre is the origin."""
    slide_mpp = placement.mpp / placement.downsample
    datasets = []
    for level in range(n_levels):
        factor = 2**level
        middle = (placement.downsample * factor - 1) / 2
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [placement.mpp * factor] * 2},
                    {
                        "type": "translation",
                        "translation": [
                            (placement.y + middle) * slide_mpp,
                            (placement.x + middle) * slide_mpp,
                        ],
                    },
                ],
            }
        )
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in ("y", "x")]
    return {"version": "0.4", "name": name, "axes": axes, "datasets": datasets, "type": "nearest"}


def _image_label(classes: list[dict[str, Any]]) -> dict[str, Any]:
    colors = [{"label-value": c["value"], "rgba": [*c["color"], 255]} for c in classes]
    properties = [{"label-value": c["value"], "class": c["name"]} for c in classes]
    return {"version": "0.4", "colors": colors, "properties": properties}


def _tissue_classes() -> list[dict[str, Any]]:
    return [
        {"value": int(t), "name": t.title, "color": t.color}
        for t in Tissue
        if t is not Tissue.BACKGROUND
    ]


def _joint_classes() -> list[dict[str, Any]]:
    return [
        {"value": c.code, "name": c.value, "color": _COMPARTMENT_COLORS[c]} for c in Compartment
    ]


def _placement_record(placement: Placement) -> dict[str, float]:
    return {
        "x_px0": float(placement.x),
        "y_px0": float(placement.y),
        "downsample": float(placement.downsample),
        "mpp": float(placement.mpp),
    }


def _placement(record: Any) -> Placement:
    return Placement(record["x_px0"], record["y_px0"], record["downsample"], Mpp(record["mpp"]))


def _full_resolution(root: Any, name: str) -> LabelArray:
    array: LabelArray = np.asarray(root[f"labels/{name}/0"][:])
    array.setflags(write=False)
    return array
