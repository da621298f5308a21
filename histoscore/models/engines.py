"""What runs a segmentation network on tiles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from histoscore.errors import ConfigError, DeviceError
from histoscore.models.dataset import normalised

EngineName = Literal["torch", "openvino"]
Precision = Literal["float32", "bfloat16"]


_DRIVER = re.compile(r"CUDA error|cuDNN error|CUBLAS_STATUS|CUDNN_STATUS|device-side|NVML")
"""How PyTorch tells that a driver failed; its errors have no type of their own in every version."""


@contextmanager
def driver_told() -> Iterator[None]:
    """What a GPU's driver raises in here becomes a DeviceError, but for memory that is short."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if not _DRIVER.search(str(error)):
            raise
        raise DeviceError(f"device: {str(error).splitlines()[0]}") from error


class Engine(Protocol):
    """A segmentation network, ready to be run on batches of tiles of one shape."""

    @property
    def name(self) -> str:
        """Engine, device and precision, as tables and run.json record them."""

    @property
    def device(self) -> torch.device:
        """Where its answers lie."""

    def __call__(self, tiles: Tensor) -> Tensor:
        """(n, rows, columns, channels) bytes → (n, classes, rows, columns) probabilities.

        They may be overwritten by the next call; the tiles may be, once this one has returned.
        """

    def release(self) -> None:
        """Gives back what it holds only to compute: another network works next."""


class TorchEngine:
    """PyTorch, eagerly: what was trained runs as it was trained.

    Args:
        module: yields logits of tissue and of zones. device: where it runs.
        precision: of its arithmetic; probabilities are float32.
        zones: whether the zones' probabilities follow the tissue's.
    """

    def __init__(
        self, module: nn.Module, device: torch.device, precision: Precision, zones: bool
    ) -> None:
        self.device = device
        self.name = engine_name("torch", device, precision)
        self._module = module.to(device).to(memory_format=torch.channels_last).eval()
        self._precision, self._zones = precision, zones

    def __call__(self, tiles: Tensor) -> Tensor:
        with torch.inference_mode(), mixed(self.device, self._precision):
            moved = tiles.to(self.device, non_blocking=self.device.type == "cuda")
            copied = _event(moved.device)
            tissue, zones = self._module(normalised(moved))
            wanted = [tissue, zones] if self._zones else [tissue]
            found = torch.cat([logits.float().softmax(1) for logits in wanted], 1)
        if copied:
            # Whoever fills `tiles` again must not overtake the copy; the network's own work, which
            # is queued behind it, is not waited for.
            copied.synchronize()
        return found

    def release(self) -> None:
        """Nothing: PyTorch's own allocator hands it to the next network."""


def _event(device: torch.device) -> torch.cuda.Event | None:
    """When a CUDA device has done what it was given so far; None where nothing is queued."""
    return torch.cuda.current_stream(device).record_event() if device.type == "cuda" else None


def chosen_engine(wanted: EngineName | Literal["auto"], device: torch.device) -> EngineName:
    """OpenVINO on CPUs where it is installed, else PyTorch.

    Raises:
        ConfigError: OpenVINO is asked for and cannot be had.
    """
    installed = find_spec("openvino") is not None
    if wanted == "openvino" and device.type != "cpu":
        raise ConfigError(f"engine: openvino runs on CPUs, not on {device}; leave it at auto")
    if wanted == "openvino" and not installed:
        raise ConfigError("engine: openvino is not installed; pip install openvino")
    if wanted == "auto":
        return "openvino" if installed and device.type == "cpu" else "torch"
    return wanted


def chosen_precision(wanted: Precision | Literal["auto"]) -> Precision:
    """float32 unless asked otherwise."""
    return "float32" if wanted == "auto" else wanted


def engine_name(engine: EngineName, device: torch.device, precision: Precision) -> str:
    """`torch cpu float32` and the like."""
    return f"{engine} {device.type} {precision}"


def mixed(device: torch.device, precision: Precision) -> torch.autocast:
    """The context in which a network's arithmetic has that precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
