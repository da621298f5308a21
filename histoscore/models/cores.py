"""How networks use the processor and the memory of this process."""

from __future__ import annotations

from pathlib import Path

import cv2

from histoscore.processes import tune_malloc


def has_fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is quicker than float32 there: on GPUs, and on CPUs that multiply it.

    Other CPUs emulate it, many times slower.
    """
    if device != "cpu":
        return device == "cuda"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def leave_cores_to_networks() -> None:
    """OpenCV prepares pictures beside a network that has all cores: one thread is enough."""
    cv2.setNumThreads(1)


def reuse_memory() -> None:
    """Asks glibc to keep freed memory instead of giving it back to the system.

    Networks on a CPU allocate and free the same megabytes at every layer; fetching them anew from
    the system each time costs a good part of a training. Elsewhere than on glibc nothing happens.
    """
    tune_malloc(mmap_max=0, trim_threshold=2**31 - 1)
