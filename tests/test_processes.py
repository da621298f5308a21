"""What a process keeps of the memory that it has freed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from histoscore.processes import give_memory_back


def test_glibc_is_asked_to_give_back_what_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[int, int] = {}
    library = SimpleNamespace(mallopt=asked.__setitem__)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    give_memory_back()
    assert asked == {-8: 2, -3: 2**24, -1: 2**26}
