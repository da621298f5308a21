"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("histoscore", deadline=None)  # slow shared machines are no failure
settings.load_profile("histoscore")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real slides and pictures that HISTOSCORE_REAL_DATA names."""
    folder = os.environ.get("HISTOSCORE_REAL_DATA")
    if not folder:
        pytest.skip("HISTOSCORE_REAL_DATA is not set: no real files to test on")
    return Path(folder)
