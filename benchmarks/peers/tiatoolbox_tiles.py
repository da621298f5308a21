"""TIAToolbox's tiles a second, in an environment of its own (requirements-tiatoolbox.txt).

    python benchmarks/peers/tiatoolbox_tiles.py bench/inference

Takes slide and network that `benchmarks.classifier` left in the folder; times `PatchPredictor`,
its own tissue mask included, for every number of loading processes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from tiatoolbox.models.engine.io_config import IOPatchPredictorConfig
from tiatoolbox.models.engine.patch_predictor import PatchPredictor
from tiatoolbox.models.models_abc import ModelABC

SIDE_PX, MPP, BATCH = 256, 1.0, 32


class Classifier(ModelABC):
    """The network in TIAToolbox's terms."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.network = torch.jit.load(str(path), map_location="cpu")
        self.tiles = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.tiles += len(images)
        return self.network(images).softmax(1)

    @staticmethod
    def preproc(image: np.ndarray) -> np.ndarray:
        return image / 127.5 - 1

    @staticmethod
    def infer_batch(model: torch.nn.Module, batch_data: torch.Tensor, *, device: str) -> np.ndarray:
        images = batch_data.to(device).float().permute(0, 3, 1, 2)
        with torch.inference_mode():
            return model(images.contiguous()).cpu().numpy()


def main() -> None:
    """Print a line for each number of processes."""
    folder = Path(sys.argv[1])
    config = IOPatchPredictorConfig(
        input_resolutions=[{"units": "mpp", "resolution": MPP}],
        output_resolutions=[{"units": "mpp", "resolution": MPP}],
        patch_input_shape=(SIDE_PX, SIDE_PX),
        stride_shape=(SIDE_PX, SIDE_PX),
    )
    slides = sorted((folder / "slides").iterdir())
    for processes in (0, 1, 2):
        network = Classifier(folder / "classifier.pt")
        with tempfile.TemporaryDirectory() as results:
            predictor = PatchPredictor(network, batch_size=BATCH, verbose=False)
            start = time.perf_counter()
            predictor.run(
                slides,
                ioconfig=config,
                patch_mode=False,
                save_dir=Path(results) / "out",
                output_type="zarr",
                auto_get_mask=True,
                num_workers=processes,
            )
            rate = network.tiles / (time.perf_counter() - start)
        print(f"TIAToolbox, {processes} workers: {network.tiles} tiles, {rate:.1f} tiles/s")


if __name__ == "__main__":
    main()
