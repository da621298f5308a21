"""Nuclei are counted by what they are: small, and dark in red light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from histoscore.image.nuclei import count_nuclei

HEIGHT_UM, WIDTH_UM = 90, 210


def cartilage(mpp: float, background: tuple[int, int, int], spots: int = 30) -> np.ndarray:
    """Matrix of one colour with grain, and nuclei 18 µm apart."""
    rows, columns = round(HEIGHT_UM / mpp), round(WIDTH_UM / mpp)
    fine = np.full((4 * rows, 4 * columns, 3), background, np.uint8)
    for number in range(spots):
        x, y = 15 + 18 * (number % 10) + number // 10, 20 + 22 * (number // 10)
        center = round(x / mpp * 4), round(y / mpp * 4)
        cv2.ellipse(fine, (center, (5.4 / mpp * 4, 3.9 / mpp * 4), 30), (70, 60, 110), -1)
    picture = cv2.resize(fine, (columns, rows), interpolation=cv2.INTER_AREA).astype(float)
    grain = np.random.default_rng(2).normal(0, 2, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("mpp", [1.0, 0.63, 0.4])
@pytest.mark.parametrize("background", [(215, 120, 70), (120, 180, 170), (225, 220, 215)])
def test_each_is_counted_once_whatever_the_matrix_has_bound(
    mpp: float, background: tuple[int, int, int]
) -> None:
    picture = cartilage(mpp, background)
    assert count_nuclei(picture, np.ones(picture.shape[:2], bool), mpp) == pytest.approx(30, abs=1)


def test_only_those_in_the_mask_count() -> None:
    picture = cartilage(1.0, (215, 120, 70))
    left = np.zeros(picture.shape[:2], bool)
    left[:, :104] = True
    assert count_nuclei(picture, left, 1.0) == 15


def test_where_there_is_none_none_is_counted() -> None:
    picture = cartilage(1.0, (215, 120, 70), spots=0)
    assert count_nuclei(picture, np.ones(picture.shape[:2], bool), 1.0) == 0
    assert count_nuclei(picture, np.zeros(picture.shape[:2], bool), 1.0) == 0


def test_a_tidemark_is_no_row_of_nuclei() -> None:
    picture = cartilage(1.0, (215, 120, 70), spots=0)
    cv2.line(picture, (0, 40), (209, 55), (90, 80, 120), 1)
    assert count_nuclei(picture, np.ones(picture.shape[:2], bool), 1.0) <= 12
