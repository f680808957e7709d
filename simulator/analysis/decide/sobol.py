"""Sobol indices from existing draws: a polynomial chaos of second order.

A figure that depends on independent standard normal scores is fitted by Hermite polynomials, which
are orthonormal for such scores, so that variances are sums of squared coefficients (Sudret 2008).
With too few draws for all products of two scores, products are left out.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

WORLDS_PER_TERM = 2
"""Fewest draws for each coefficient."""


@dataclass(frozen=True, slots=True)
class Indices:
    """Share of a figure's variance that comes from each score."""

    first: NDArray[np.float64]
    """Share of the variance that the score causes alone. (scores,)"""
    total: NDArray[np.float64]
    """Share of the variance that the score causes alone and together with others. (scores,)"""
    explained: float
    """Share of the variance that the polynomials reproduce; the indices are shares of the whole
    variance."""


def sobol_indices(z: NDArray[np.float64], figure: NDArray[np.float64]) -> Indices | None:
    """Return the indices of a figure over draws; None if it does not vary or draws are too few.

    Parameters
    ----------
    z : ndarray
        Standard normal scores. (scores, worlds)
    figure : ndarray
        Finite values. (worlds,)
    """
    count, worlds = z.shape
    variance = float(figure.var()) if worlds else 0.0
    if worlds < WORLDS_PER_TERM * (1 + 2 * count) or variance <= 1e-12 * (figure**2).mean():
        return None
    terms: list[tuple[int, ...]] = [(i,) for i in range(count) for _ in range(2)]
    columns = [column for row in z for column in (row, (row**2 - 1) / math.sqrt(2))]
    if worlds >= WORLDS_PER_TERM * (1 + 2 * count + count * (count - 1) // 2):
        terms += combinations(range(count), 2)
        columns += [z[i] * z[j] for i, j in combinations(range(count), 2)]
    design = np.column_stack([np.ones(worlds), *columns])
    weights = np.linalg.lstsq(design, figure, rcond=None)[0]
    shares = weights[1:] ** 2
    residual_variance = float((figure - design @ weights).var())
    explained = max(0.0, 1 - residual_variance / variance)
    scale = explained / shares.sum() if shares.sum() else 0.0
    first, total = np.zeros(count), np.zeros(count)
    for term, share in zip(terms, shares * scale, strict=True):
        if len(term) == 1:
            first[term[0]] += share
        for score in term:
            total[score] += share
    return Indices(first, total, explained)
