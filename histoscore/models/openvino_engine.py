"""OpenVINO on a CPU: the same network, compiled for the processor it runs on.

A network is converted once and kept beside its compiled form, under a hash of its weights and
shape, in the user's cache folder; where that cannot be written it is converted at every start.
"""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from histoscore.models.cores import has_fast_bfloat16, usable_cores
from histoscore.models.dataset import normalised
from histoscore.models.engines import Precision

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoEngine:
    """A segmentation network in OpenVINO.

    Args:
        module: yields logits of tissue and of zones.
        shape: (batch, rows, columns, channels) of the tiles, always the same.
        precision: of its arithmetic, said outright: left alone OpenVINO takes what is fastest.
        zones: whether the zones' probabilities follow the tissue's.
        weights: hash of the module's weights; None: nothing is kept.
    """

    device = torch.device("cpu")

    def __init__(
        self,
        module: nn.Module,
        shape: tuple[int, int, int, int],
        precision: Precision,
        zones: bool,
        weights: str | None = None,
    ) -> None:
        import openvino

        self.name = openvino_name(precision)
        core = openvino.Core()
        folder = _cache_folder(weights)
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": usable_cores(),
        }
        if folder:
            core.set_property({"CACHE_DIR": str(folder)})
        model = _converted(core, module, shape, zones, folder)
        self._request = core.compile_model(model, "CPU", options).create_infer_request()

    def __call__(self, tiles: Tensor) -> Tensor:
        found = self._request.infer([tiles.numpy()], share_inputs=True, share_outputs=True)
        return torch.from_numpy(next(iter(found.values())))


def openvino_name(precision: Precision) -> str:
    """`openvino cpu float32` and the like."""
    return f"openvino cpu {precision}"


def quick_precision() -> Precision:
    """bfloat16 where the processor multiplies it."""
    return "bfloat16" if has_fast_bfloat16("cpu") else "float32"


class _Probabilities(nn.Module):
    """Bytes in, probabilities out, so that nothing is left to do around the compiled network."""

    def __init__(self, module: nn.Module, zones: bool) -> None:
        super().__init__()
        self._module, self._zones = module, zones

    def forward(self, tiles: Tensor) -> Tensor:
        tissue, zones = self._module(normalised(tiles))
        if not self._zones:
            return torch.softmax(tissue, 1)
        return torch.cat([torch.softmax(tissue, 1), torch.softmax(zones, 1)], 1)


def _converted(
    core: Any, module: nn.Module, shape: tuple[int, int, int, int], zones: bool, folder: Path | None
) -> Any:
    """The network in OpenVINO's own form, from the cache where it is there."""
    import openvino

    name = hashlib.sha256(f"{openvino.__version__} {shape} {zones}".encode()).hexdigest()[:16]
    kept = folder / f"{name}.xml" if folder else None
    if kept and kept.exists():
        return core.read_model(kept)
    model = _translated(_Probabilities(module, zones).eval(), shape)
    if kept:
        _keep(model, kept)
    return model


def _translated(module: nn.Module, shape: tuple[int, int, int, int]) -> Any:
    """The module in OpenVINO's form. By its front end and not by `convert_model`, which calls
    home first: without a network that takes half a minute, and with one it is nobody's business."""
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = torch.zeros((1, 64, 64, shape[3]), dtype=torch.uint8)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the libraries about each other
        traced = torch.jit.freeze(torch.jit.trace(module, example, check_trace=False))
        decoder = TorchScriptPythonDecoder(traced, example_input=example)
        front_end = FrontEndManager().load_by_framework("pytorch")
        network = front_end.load(decoder)
        for place in network.get_inputs():
            network.set_element_type(place, openvino.Type.u8)
            network.set_partial_shape(place, openvino.PartialShape(list(shape)))
        return front_end.convert(network)


def _keep(model: Any, path: Path) -> None:
    """Both files of the model, the one that is looked for last."""
    import openvino

    part = path.with_name(f"{path.stem}.{os.getpid()}.xml")
    try:
        openvino.save_model(model, part, compress_to_fp16=False)
        part.with_suffix(".bin").replace(path.with_suffix(".bin"))
        part.replace(path)
    except (OSError, RuntimeError):
        part.unlink(missing_ok=True)


def _cache_folder(weights: str | None) -> Path | None:
    """Where a network with these weights is kept; None where nothing can be kept."""
    if weights is None:
        return None
    folder = user_cache() / "openvino" / weights[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def user_cache() -> Path:
    """The folder for what can be made again: `HISTOSCORE_CACHE`, else the system's."""
    if "HISTOSCORE_CACHE" in os.environ:
        return Path(os.environ["HISTOSCORE_CACHE"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "histoscore" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "histoscore"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "histoscore"
