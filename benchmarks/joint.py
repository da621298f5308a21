"""Does the anatomical rule find the joint, whichever way a section is mounted?

    python -m benchmarks.joint --scenes 24

Takes the true labels of painted sections (no network), turns each by a multiple of 90°, and asks
for the four compartments and the medial side.
"""

from __future__ import annotations

import argparse

import numpy as np

from histoscore.geometry import Mpp, Placement
from histoscore.image.joint import locate_joint
from histoscore.phantom.scenes import training_scene
from histoscore.records import SegmentationMap
from histoscore.vocabulary import IGNORE, Compartment, Tissue

MPP = Mpp(2.0)
FIRST_SEED = 500_000
"""Far from every training configuration's seeds."""


def turned_truth(seed: int) -> tuple[SegmentationMap, np.ndarray, str]:
    """A scene's true labels as a map, its zones, and the true medial side (femur turned up)."""
    scene, _ = training_scene(seed, MPP)
    tissue = np.where(scene.tissue == IGNORE, Tissue.BONE, scene.tissue)
    quarter = seed % 4
    tissue, zones = np.rot90(tissue, quarter), np.rot90(scene.zones, quarter)
    classes = np.stack([tissue == t for t in Tissue]).astype(np.float32)
    codes = np.stack([zones == code for code in range(5)]).astype(np.float32)
    side = "right" if scene.view.mirrored else "left"
    return SegmentationMap(classes, codes, Placement(0, 0, 1, MPP)), zones, side


def main() -> None:
    """Print how many joints, compartments and medial sides came out right."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=24)
    count = parser.parse_args().scenes
    whole, sides, agreement = 0, 0, []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        truth, zones, side = turned_truth(seed)
        joint = locate_joint(truth, None)
        if joint is None:
            continue
        whole += len(joint.found) == len(Compartment)
        sides += joint.medial_side == side
        cartilage = truth.tissue[[Tissue.HYALINE, Tissue.CALCIFIED]].any(0)
        agreement.append((joint.compartments[cartilage] == zones[cartilage]).mean())
    print(f"four compartments found      {whole} of {count}")
    print(f"medial side right            {sides} of {count}")
    print(f"cartilage in its compartment {np.mean(agreement):.1%} (least {np.min(agreement):.1%})")


if __name__ == "__main__":
    main()
