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
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from histoscore.models.dataset import normalised
from histoscore.models.engines import Precision, engine_name
from histoscore.processes import usable_cores

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

        self.name = engine_name("openvino", self.device, precision)
        core = openvino.Core()
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": usable_cores(),
        }
        whole = _Probabilities(module, zones).eval()
        folder = _cache_folder(weights)
        with TemporaryDirectory(ignore_cleanup_errors=True) as passing:
            if folder:
                core.set_property({"CACHE_DIR": str(folder)})
            try:
                model = _stored(core, whole, shape, folder or Path(passing))
            except (OSError, RuntimeError):  # the disk is full, say
                if folder is None:
                    raise
                model = _stored(core, whole, shape, Path(passing))
            self._compiled = core.compile_model(model, "CPU", options)
            self._request = self._compiled.create_infer_request()

    def __call__(self, tiles: Tensor) -> Tensor:
        """As `Engine` says; the answer is overwritten by the next one."""
        found = self._request.infer([tiles.numpy()], share_inputs=True, share_outputs=True)
        return torch.from_numpy(next(iter(found.values())))

    def release(self) -> None:
        """Layers' results; they are made anew at the next call, in a third of a second."""
        self._compiled.release_memory()


class _Probabilities(nn.Module):
    """Bytes in, probabilities out, so that nothing is left to do around the compiled network."""

    def __init__(self, module: nn.Module, zones: bool) -> None:
        super().__init__()
        self._module, self.zones = module, zones

    def forward(self, tiles: Tensor) -> Tensor:
        tissue, zones = self._module(normalised(tiles))
        if not self.zones:
            return torch.softmax(tissue, 1)
        return torch.cat([torch.softmax(tissue, 1), torch.softmax(zones, 1)], 1)


def _stored(
    core: Any, whole: _Probabilities, shape: tuple[int, int, int, int], folder: Path
) -> Any:
    """The network in OpenVINO's form from a folder; put there where it is not yet.

    Always read from there: what was just translated gives other last digits than what was stored.
    """
    import openvino

    what = f"{openvino.__version__} {shape} {whole.zones}"
    path = folder / f"{hashlib.sha256(what.encode()).hexdigest()[:16]}.xml"
    try:
        return core.read_model(path)
    except RuntimeError:  # not there, or cut short
        part = path.with_name(f"{path.stem}.{os.getpid()}.xml")
        openvino.save_model(_translated(whole, shape), part, compress_to_fp16=False)
        part.with_suffix(".bin").replace(path.with_suffix(".bin"))
        part.replace(path)
        return core.read_model(path)


def _translated(module: nn.Module, shape: tuple[int, int, int, int]) -> Any:
    """The module in OpenVINO's form. By its front end and not by `convert_model`, which calls
    home first: without a network that takes half a minute, and with one it is nobody's business."""
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = torch.zeros((1, 64, 64, shape[3]), dtype=torch.uint8)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the libraries about each other
        traced = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(torch.jit.freeze(traced), example_input=example)
        front_end = FrontEndManager().load_by_framework("pytorch")
        network = front_end.load(decoder)
        for place in network.get_inputs():
            network.set_element_type(place, openvino.Type.u8)
            network.set_partial_shape(place, openvino.PartialShape(list(shape)))
        return front_end.convert(network)


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
