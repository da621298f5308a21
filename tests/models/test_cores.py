"""How networks use the processor and the memory of this process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest

from histoscore.models.cores import (
    has_fast_bfloat16,
    leave_cores_to_networks,
    reuse_memory,
)


@pytest.mark.parametrize(
    ("flags", "is_fast"),
    [("fpu avx2 avx512_bf16 amx_tile", True), ("fpu amx_bf16", True), ("fpu avx2 avx512f", False)],
)
def test_a_processor_is_quick_with_bfloat16_where_it_multiplies_it(
    flags: str, is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, **how: f"flags\t\t: {flags}\n")
    assert has_fast_bfloat16("cpu") == is_fast
    assert has_fast_bfloat16("cuda")
    assert not has_fast_bfloat16("mps")


def test_where_the_processor_is_not_described_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path, **how: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert not has_fast_bfloat16("cpu")


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_memory_is_kept_on_glibc_alone(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the C library is not even looked at."""
    looked_at: list[object] = []
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("ctypes.CDLL", looked_at.append)
    reuse_memory()
    assert looked_at == []


def test_glibc_is_asked_to_keep_what_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda option, value: asked.append((option, value)))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    reuse_memory()
    assert asked == [(-4, 0), (-1, 2**31 - 1)]


def test_a_c_library_without_the_switch_is_looked_at_and_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[str] = []

    class WithoutSwitch:
        def __getattr__(self, name: str) -> None:
            looked_at.append(name)
            raise AttributeError(name)

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: WithoutSwitch())
    reuse_memory()
    assert looked_at == ["mallopt"]


def test_opencv_keeps_to_one_thread_beside_a_network() -> None:
    before = cv2.getNumThreads()
    try:
        leave_cores_to_networks()
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)
