"""Does the anatomical rule find the joint, whichever way a section is mounted?

    python -m benchmarks.joint --scenes 24

Takes the true labels of painted joints (no network), turns each by a multiple of 90°, and asks
for the four compartments and the medial side: once told which bone is which, as the coarse
network tells, and once by shape alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from histoscore.geometry import Mpp, Placement
from histoscore.image.joint import locate_joint
from histoscore.phantom.scenes import training_scene
from histoscore.records import SegmentationMap
from histoscore.vocabulary import IGNORE, Compartment, Tissue, Zone

MPP = Mpp(2.0)
FIRST_SEED = 500_000
"""Far from every training configuration's seeds."""


def turned_truth(seed: int) -> tuple[SegmentationMap, np.ndarray, str]:
    """A scene's true labels as a map, its compartments, and the true medial side (femur up)."""
    scene = training_scene(seed, MPP)
    tissue = np.where(scene.tissue == IGNORE, Tissue.BONE, scene.tissue)
    quarter = seed % 4
    tissue, compartments = np.rot90(tissue, quarter), np.rot90(scene.zones, quarter)
    bones = np.array([Zone.NONE, *(Zone.of(c) for c in Compartment)])[compartments]
    classes = 255 * np.stack([tissue == t for t in Tissue]).astype(np.uint8)
    zones = 255 * np.stack([bones == zone for zone in Zone]).astype(np.uint8)
    truth = SegmentationMap(classes, zones, Placement(0, 0, 1, MPP))
    return truth, compartments, scene.medial


def by_shape_alone(truth: SegmentationMap) -> SegmentationMap:
    """The same where the network cannot tell femur from tibia."""
    bones = truth.zones[1:].max(0) // 2
    return replace(truth, zones=np.stack([truth.zones[0], bones, bones]))


def main() -> None:
    """Print how many joints, compartments and medial sides came out right."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=24)
    count = parser.parse_args().scenes
    for title, known in (("bones told", lambda truth: truth), ("by shape alone", by_shape_alone)):
        print(title)
        report(known, count)


def report(known: Callable[[SegmentationMap], SegmentationMap], count: int) -> None:
    """Prints how the joints of `count` scenes came out of what is known of each."""
    whole, sides, agreement = 0, 0, []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        truth, compartments, side = turned_truth(seed)
        joint = locate_joint(known(truth), None)
        if joint is None:
            continue
        whole += len(joint.found) == len(Compartment)
        sides += joint.medial_side == side
        cartilage = truth.tissue[[Tissue.HYALINE, Tissue.CALCIFIED]].any(0)
        agreement.append((joint.compartments[cartilage] == compartments[cartilage]).mean())
    print(f"  four compartments found      {whole} of {count}")
    print(f"  medial side right            {sides} of {count}")
    if agreement:
        mean, least = np.mean(agreement), np.min(agreement)
        print(f"  cartilage in its compartment {mean:.1%} (least {least:.1%})")


if __name__ == "__main__":
    main()
