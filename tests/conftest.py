"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from helpers.miniature import Miniature

settings.register_profile("histoscore", deadline=None)  # slow shared machines are no failure
settings.load_profile("histoscore")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What networks were compiled to is kept beside the tests, not in the user's cache."""
    os.environ["HISTOSCORE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real slides and pictures that HISTOSCORE_REAL_DATA names."""
    folder = os.environ.get("HISTOSCORE_REAL_DATA")
    if not folder:
        pytest.skip("HISTOSCORE_REAL_DATA is not set: no real files to test on")
    return Path(folder)


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    """A finished training of networks that have learnt nothing, and its bundle."""
    from helpers.miniature import train_in_miniature

    return train_in_miniature(tmp_path_factory.mktemp("miniature"))
