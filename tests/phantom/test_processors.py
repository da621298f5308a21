"""The same seed gives the same slide on an older processor, too: labels and picture."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

DRAW = """
import hashlib
import cv2
import numpy as np
from histoscore.phantom.experiment import PhantomSettings, plan_animals
from histoscore.phantom.mounting import draw_slide
from histoscore.phantom.staining import sample_batch

settings = PhantomSettings(mpp=0.9371, width_um=2600, height_um=1300, sections=(1, 1))
animal = plan_animals(2, settings, np.random.default_rng(4))[1]
batch = sample_batch(np.random.default_rng(5))
slide = draw_slide(animal, batch, 0.9371, settings, seed=3)
print(hashlib.sha256(slide.tissue).hexdigest(), hashlib.sha256(slide.picture).hexdigest())
"""
OLDER = {
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
    "OPENCV_CPU_DISABLE": "AVX2,FP16,AVX",
    "OPENCV_IPP": "disabled",
    "OPENBLAS_CORETYPE": "Nehalem",
}
"""What takes the vector units of the last fifteen years away from the libraries that draw."""


def drawn_with(environment: dict[str, str]) -> str:
    line = [sys.executable, "-c", DRAW]
    done = subprocess.run(
        line, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.skipif(platform.machine() != "x86_64", reason="takes x86 vector units away")
def test_a_slide_does_not_depend_on_the_processors_vector_units() -> None:
    assert drawn_with({}) == drawn_with(OLDER)
