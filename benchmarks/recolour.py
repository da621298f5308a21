"""How a model bundle stands strange colours, and pictures that show less than a joint.

    python -m benchmarks.recolour --studies bench/model

Takes the standard slides of `benchmarks.model`, recolours them as a real section will be (stain
times 0.5 to 1.8, a tinted white point, JPEG quality 30), and cuts frames out of them as people
photograph: half a joint with a growth plate. Prints for each the Dice of articular cartilage
(hyaline and calcified, as the networks label it, with no rule of anatomy) and the share of the
growth plate that is called articular. Says nothing about real tissue.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.demo import read
from histoscore.config import TileSettings
from histoscore.geometry import Box, Mpp
from histoscore.models.bundle import find_bundle
from histoscore.models.predict import Predictor
from histoscore.models.reading import read_section
from histoscore.slides.memory import PictureInMemory
from histoscore.slides.open import open_slide
from histoscore.vocabulary import IGNORE, Tissue

MPP = 1.45
"""µm per pixel of the frames."""
FRAME_UM = (2_200, 1_670)
PINK = np.array([243, 207, 215]) / 255
GREEN = np.array([216, 245, 238]) / 255
ARTICULAR = (Tissue.HYALINE, Tissue.CALCIFIED)

Picture = NDArray[np.uint8]


def stain(by: float) -> Callable[[Picture], Picture]:
    """Optical density times a factor."""
    return lambda picture: _bytes(255 * (np.maximum(picture, 1) / 255.0) ** by)


def tinted(by: NDArray[np.float64]) -> Callable[[Picture], Picture]:
    """Light of another colour."""
    return lambda picture: _bytes(picture * by)


def jpeg(picture: Picture) -> Picture:
    """Through a JPEG of quality 30."""
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just before
    return np.ascontiguousarray(decoded[..., ::-1])


COLOURS: dict[str, Callable[[Picture], Picture]] = {
    "as it is": lambda picture: picture,
    "stain × 0.5": stain(0.5),
    "stain × 0.7": stain(0.7),
    "stain × 1.4": stain(1.4),
    "stain × 1.8": stain(1.8),
    "pink white": tinted(PINK),
    "greenish white": tinted(GREEN),
    "JPEG 30": jpeg,
}


def _bytes(values: NDArray[np.float64]) -> Picture:
    return np.ascontiguousarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))


def frames(study: Path, count: int) -> Iterator[tuple[Picture, Picture, Picture, Picture]]:
    """For each slide: whole section and its labels, half a joint and its labels, at `MPP`."""
    for slide in read(study / "study.csv")["slide"][:count]:
        truth = tifffile.imread(study / "truth" / f"{Path(slide).stem}.labels.tif")
        with open_slide(study / slide) as source:
            info = source.info
            whole = source.read_at(info.whole, Mpp(MPP))
        size = whole.shape[1::-1]
        labels = np.asarray(cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        rows, columns = np.nonzero(np.isin(labels, ARTICULAR))
        wide, high = (round(um / MPP) for um in FRAME_UM)
        left = int(np.clip(columns.mean() - wide * 0.9, 0, size[0]))
        top = int(np.clip(rows.mean() - high * 0.2, 0, size[1]))
        part = (slice(top, top + high), slice(left, left + wide))
        yield whole, labels, np.ascontiguousarray(whole[part]), labels[part]


def counts(predictor: Predictor, picture: Picture, truth: Picture) -> NDArray[np.float64]:
    """Pixels of articular cartilage in both, model, truth; of growth plate, and called so."""
    slide = PictureInMemory(picture, Mpp(MPP))
    box = Box(0, 0, picture.shape[1], picture.shape[0])
    reading = read_section(predictor, slide, box, None, full_section=True)
    found = np.zeros(truth.shape, bool)
    if reading:
        labels = np.isin(reading.labels.tissue, ARTICULAR).astype(np.uint8)
        size = (truth.shape[1], truth.shape[0])
        found = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST) > 0
    known = truth != IGNORE
    true = np.isin(truth, ARTICULAR)
    plate = truth == Tissue.GROWTH_PLATE
    found &= known
    return np.array(
        [(found & true).sum(), found.sum(), true.sum(), plate.sum(), (found & plate).sum()], float
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--studies", type=Path, required=True)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--slides", type=int, default=6)
    arguments = parser.parse_args()
    predictor = Predictor.of(find_bundle(arguments.model), "auto", TileSettings(), "auto")
    totals = {name: np.zeros((2, 5)) for name in COLOURS}
    for whole, labels, half, half_labels in frames(
        arguments.studies / "standard", arguments.slides
    ):
        for name, recolour in COLOURS.items():
            totals[name][0] += counts(predictor, recolour(whole), labels)
            totals[name][1] += counts(predictor, recolour(half), half_labels)
    print("| | section: Dice | growth plate called articular | half a joint: Dice | growth plate |")
    print("|---|---|---|---|---|")
    for name, both in totals.items():
        cells = [
            cell
            for t in both
            for cell in (f"{2 * t[0] / (t[1] + t[2]):.3f}", f"{t[4] / max(t[3], 1):.1%}")
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
