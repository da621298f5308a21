"""`histoscore train`: from a configuration to a model bundle, stage by stage.

Each stage leaves its result in the output folder; the same line again goes on after the last one
that is whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from pydantic import Field

from histoscore.config import Settings, parse_settings, read_yaml
from histoscore.models.dataset import TileSource, halved, load_scenes
from histoscore.models.bundle import NetworkSpec
from histoscore.models.networks import build_network, load_imagenet, load_weights, save_weights
from histoscore.models.segmentation import Report, SegmentationSettings, train_segmentation
from histoscore.phantom.scenes import store_scene


class SceneSettings(Settings):
    """The painted sections that a model learns from."""

    first_seed: int = Field(0, ge=0)
    count: int = Field(160, ge=2)
    mpp: float = Field(1.0, gt=0.2, lt=4)


class SegmentationStage(Settings):
    network: NetworkSpec
    training: SegmentationSettings


class TrainConfig(Settings):
    """A demonstration model's training, complete in one file."""

    name: str
    seed: int
    scenes: SceneSettings
    coarse: SegmentationStage
    fine: SegmentationStage
    grader: dict


def train_from_config(path: Path, out: Path, report: Report = print) -> Path:
    config = parse_settings(TrainConfig, read_yaml(path), str(path))
    out.mkdir(parents=True, exist_ok=True)
    seeds = range(config.scenes.first_seed, config.scenes.first_seed + config.scenes.count)
    _draw_scenes(out / "scenes", seeds, config.scenes.mpp, report)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    coarse = _coarse(config, out, seeds, device, report)
    return out


def _coarse(config, out, seeds, device, report):
    stage = config.coarse
    network = build_network(stage.network)
    file = out / "coarse.safetensors"
    if file.exists():
        return load_weights(network, file)
    report("coarse network")
    torch.manual_seed(config.seed)
    load_imagenet(network)
    scenes = [halved(scene) for scene in load_scenes(out / "scenes", seeds)]
    source = TileSource(
        scenes, [], stage.network.mpp, stage.training.side_px, stage.training.focus,
        stage.training.batch, config.seed,
    )
    network = train_segmentation(
        network, source, stage.training, device, out / "coarse.csv", report
    )
    save_weights(network, file)
    return load_weights(network, file)


def _draw_scenes(folder: Path, seeds: Sequence[int], mpp: float, report: Report) -> None:
    folder.mkdir(exist_ok=True)
    missing = [s for s in seeds if not (folder / f"{s:05d}.json").exists()]
    if not missing:
        return
    report(f"drawing {len(missing)} of {len(seeds)} scenes")
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for number, _ in enumerate(pool.map(store_scene, [folder] * len(missing), missing, [mpp] * len(missing)), 1):
            if number % 10 == 0:
                report(f"  {number} scenes drawn")
