"""What runs a network: the same answers from each engine, whatever is kept or cannot be kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from helpers.fake_networks import OnEveryPixel, network
from torch import Tensor, nn

from histoscore.config import TileSettings
from histoscore.errors import ConfigError, PredictionError
from histoscore.geometry import Box, Mpp
from histoscore.models import engines, openvino_engine, passes
from histoscore.models.engines import Precision, TorchEngine, chosen_engine, chosen_precision
from histoscore.models.networks import N_TISSUES, N_ZONES, build_network
from histoscore.models.openvino_engine import OpenVinoEngine, user_cache
from histoscore.models.predict import Predictor
from histoscore.models.specs import SegmentationSpec
from histoscore.slides.memory import PictureInMemory

CPU = torch.device("cpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
SHAPE = (2, 64, 96, 6)
WEIGHTS = "ab" * 32


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(4)
    spec = SegmentationSpec(depth=3, widths=(16, 12, 8), context=3, mpp=1.0, tile_px=64)
    return build_network(spec)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HISTOSCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tiles() -> Tensor:
    return torch.from_numpy(np.random.default_rng(3).integers(0, 256, SHAPE, np.uint8))


def openvino_says(module: nn.Module, zones: bool = True, weights: str | None = None) -> np.ndarray:
    engine = OpenVinoEngine(module, SHAPE, "float32", zones, weights)
    return engine(tiles()).numpy().copy()


@pytest.mark.parametrize("zones", [True, False])
@pytest.mark.fault(60)
def test_engines_say_the_same(module: nn.Module, zones: bool) -> None:
    torch_says = TorchEngine(module, CPU, "float32", zones)(tiles()).numpy()
    found = openvino_says(module, zones)
    assert found.shape == torch_says.shape == (2, N_TISSUES + zones * N_ZONES, 64, 96)
    assert np.abs(found - torch_says).max() < 1e-4
    assert found[:, :N_TISSUES].sum(1) == pytest.approx(1, abs=1e-4)


def test_bfloat16_is_near(module: nn.Module) -> None:
    exact = TorchEngine(module, CPU, "float32", zones=False)(tiles())
    rough = TorchEngine(module, CPU, "bfloat16", zones=False)(tiles())
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.1


@pytest.mark.gpu
@needs_gpu
def test_tiles_may_be_overwritten_once_a_gpu_has_been_asked(module: nn.Module) -> None:
    engine = TorchEngine(module, torch.device("cuda"), "float32", zones=True)
    expected = engine(tiles().pin_memory()).cpu()
    shown = tiles().pin_memory()
    for _ in range(20):  # work is queued
        engine(shown)
    found = engine(shown)
    shown.zero_()
    assert (found.cpu() - expected).abs().max() < 1e-4


def test_what_was_converted_once_is_read_from_the_cache(
    module: nn.Module, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = openvino_says(module, weights=WEIGHTS)

    def again(*_: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(openvino_engine, "_translated", again)
    assert np.array_equal(openvino_says(module, weights=WEIGHTS), first)
    with pytest.raises(AssertionError, match="converted again"):
        openvino_says(module, zones=False, weights=WEIGHTS)
    with pytest.raises(AssertionError, match="converted again"):
        openvino_says(module, weights="cd" * 32)


def test_a_damaged_cache_is_made_anew(module: nn.Module, cache: Path) -> None:
    first = openvino_says(module, weights=WEIGHTS)
    for file in cache.rglob("*"):
        if file.is_file():
            file.write_bytes(b"no model")
    assert np.array_equal(openvino_says(module, weights=WEIGHTS), first)


def test_where_nothing_can_be_kept_it_runs_all_the_same(
    module: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HISTOSCORE_CACHE", str(tmp_path / "file"))
    assert np.array_equal(openvino_says(module, weights=WEIGHTS), openvino_says(module))


@pytest.mark.parametrize(
    ("system", "variables", "folder"),
    [
        ("linux", {"HISTOSCORE_CACHE": "/kept"}, "/kept"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/histoscore"),
        ("linux", {"HOME": "/home/m"}, "/home/m/.cache/histoscore"),
        ("darwin", {"HOME": "/Users/m"}, "/Users/m/Library/Caches/histoscore"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/histoscore/cache"),
    ],
)
def test_the_cache_lies_where_the_system_wants_it(
    system: str, variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", system)
    for name in ("HISTOSCORE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert user_cache() == Path(folder)


class TestChoice:
    def test_auto_takes_openvino_on_a_cpu_where_it_is_installed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert chosen_engine("auto", CPU) == "openvino"
        assert chosen_engine("auto", torch.device("cuda")) == "torch"
        monkeypatch.setattr(engines, "find_spec", lambda name: None)
        assert chosen_engine("auto", CPU) == "torch"

    def test_what_is_asked_for_is_taken(self) -> None:
        assert chosen_engine("torch", CPU) == "torch"
        assert chosen_engine("openvino", CPU) == "openvino"

    def test_openvino_where_it_cannot_be_had_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ConfigError, match="runs on CPUs, not on cuda"):
            chosen_engine("openvino", torch.device("cuda"))
        monkeypatch.setattr(engines, "find_spec", lambda name: None)
        with pytest.raises(ConfigError, match="pip install openvino"):
            chosen_engine("openvino", CPU)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_precision_asked_for_is_recorded(precision: Precision) -> None:
    assert chosen_precision(precision) == precision
    networks = {"coarse": network(OnEveryPixel(), 0.7, 64)}
    made = Predictor(networks, "cpu", TileSettings(), precision=precision)  # type: ignore[arg-type]
    assert made.engine == f"torch cpu {precision}"


@pytest.mark.parametrize(
    ("device", "asked", "tiles"), [("cpu", "auto", 8), ("cuda", "auto", 32), ("cuda", 5, 5)]
)
def test_a_gpu_is_given_more_tiles_at_once_unless_somebody_says(
    device: str, asked: Any, tiles: int
) -> None:
    networks = {"coarse": network(OnEveryPixel(), 0.7, 64)}
    made = passes.Passes(networks, torch.device(device), "float32", "torch", asked)  # type: ignore[arg-type]
    assert made.shape("coarse") == (tiles, 64, 64, 3)


class TestInThePredictor:
    """Whole maps, and what happens where memory is short."""

    def predictor(self, engine: Any = "torch", batch: int = 8) -> Predictor:
        networks = {"coarse": network(OnEveryPixel(), 0.7, 64)}
        return Predictor(networks, "cpu", TileSettings(batch=batch), engine=engine)  # type: ignore[arg-type]

    def slide(self) -> PictureInMemory:
        picture = np.random.default_rng(1).integers(0, 256, (150, 230, 3), np.uint8)
        return PictureInMemory(picture, Mpp(0.7))

    def test_maps_agree(self) -> None:
        box = Box(10, 20, 200, 120)
        one, other = (
            self.predictor(engine).coarse(self.slide(), box) for engine in ("torch", "openvino")
        )
        assert cv2.absdiff(one.tissue, other.tissue).max() <= 1
        assert cv2.absdiff(one.zones, other.zones).max() <= 1

    @pytest.mark.gpu
    @needs_gpu
    def test_a_gpu_says_the_same(self) -> None:
        box = Box(10, 20, 200, 120)
        networks = {"coarse": network(OnEveryPixel(), 0.7, 64)}
        there = Predictor(networks, "cuda", TileSettings()).coarse(self.slide(), box)  # type: ignore[arg-type]
        here = self.predictor().coarse(self.slide(), box)
        assert cv2.absdiff(there.tissue, here.tissue).max() <= 2
        assert cv2.absdiff(there.zones, here.zones).max() <= 2

    @pytest.mark.parametrize("engine", ["torch", "openvino"])
    def test_the_engine_is_told(self, engine: str) -> None:
        facts = self.predictor(engine).facts()
        assert facts["engine"] == f"{engine} cpu float32"
        assert int(facts["engine_threads"]) >= 1

    @pytest.mark.fault(41)
    def test_where_memory_is_short_the_batch_is_halved(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[int] = []

        class Small(TorchEngine):
            def __call__(self, tiles: Tensor) -> Tensor:
                asked.append(len(tiles))
                if len(tiles) > 2:
                    raise torch.OutOfMemoryError
                return super().__call__(tiles)

        box = Box(0, 0, 230, 150)
        usual = self.predictor().coarse(self.slide(), box)
        monkeypatch.setattr(passes, "TorchEngine", Small)
        small = self.predictor()
        found = small.coarse(self.slide(), box)
        assert cv2.absdiff(found.tissue, usual.tissue).max() <= 1
        assert asked[:3] == [8, 4, 2]
        asked.clear()
        small.coarse(self.slide(), box)
        assert set(asked) == {2}, "what was learnt about the memory is kept"
        assert small.remarks == ("memory of cpu was short: 2 tiles at once instead of 8",)
        assert self.predictor().remarks == ()

    @pytest.mark.fault(41)
    def test_one_tile_that_is_too_much_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Full(TorchEngine):
            def __call__(self, tiles: Tensor) -> Tensor:
                raise torch.OutOfMemoryError

        monkeypatch.setattr(passes, "TorchEngine", Full)
        with pytest.raises(PredictionError, match="out of memory on cpu"):
            self.predictor().coarse(self.slide(), Box(0, 0, 230, 150))
