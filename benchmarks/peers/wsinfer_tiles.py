"""WSInfer's tiles a second, in an environment of its own (requirements-wsinfer.txt).

    python benchmarks/peers/wsinfer_tiles.py bench/inference

Takes slide and network that `benchmarks.classifier` left in the folder; finds tissue and patches
as WSInfer does, then times its `run_inference` for every number of loading processes.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import h5py
import torch
from wsinfer.modellib.models import LocalModelTorchScript
from wsinfer.modellib.run_inference import run_inference
from wsinfer.patchlib import segment_and_patch_directory_of_slides
from wsinfer_zoo.client import ModelConfiguration, TransformConfigurationItem

SIDE_PX, MPP, BATCH, CLASSES = 256, 1.0, 32, 5


def main() -> None:
    """Print a line for each number of processes."""
    folder = Path(sys.argv[1])
    os.environ["WSINFER_FORCE_CPU"] = "1"
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    config = ModelConfiguration(
        architecture="tf_efficientnet_lite0",
        num_classes=CLASSES,
        class_names=[f"class {n}" for n in range(CLASSES)],
        spacing_um_px=MPP,
        patch_size_pixels=SIDE_PX,
        transform=[
            TransformConfigurationItem("ToTensor", None),
            TransformConfigurationItem("Normalize", {"mean": [0.5] * 3, "std": [0.5] * 3}),
        ],
    )
    network = LocalModelTorchScript(config=config, model_path=str(folder / "classifier.pt"))
    for processes in (0, 1, 2):
        with tempfile.TemporaryDirectory() as results:
            segment_and_patch_directory_of_slides(folder / "slides", results, SIDE_PX, MPP)
            (patches,) = (Path(results) / "patches").glob("*.h5")
            with h5py.File(patches) as file:
                tiles = len(file["coords"])
            start = time.perf_counter()
            run_inference(folder / "slides", results, network, BATCH, processes)
            rate = tiles / (time.perf_counter() - start)
        print(f"WSInfer, {processes} loading processes: {tiles} tiles, {rate:.1f} tiles/s")


if __name__ == "__main__":
    main()
