"""Named random streams: a draw added to one stream never shifts another."""

import zlib

import numpy as np
from numpy.typing import NDArray

SPLITMIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Stride and multipliers of SplitMix64 (Steele, Lea and Flood, 2014)."""


def stream(seed: int, name: str, replication: int = 0) -> np.random.Generator:
    """Return the generator of one named stream of a seed.

    Parameters
    ----------
    seed : int
        The scenario's seed.
    name : str
        Name of the quantity that is drawn, for example ``"support/turns"``.
    replication : int
        Number of an independent repetition of the stream.
    """
    key = (zlib.crc32(name.encode()), replication)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def uniforms(random_bits: NDArray[np.uint64], purpose: str, number: int = 0) -> NDArray[np.float64]:
    """Return uniform numbers in (0, 1) that depend only on random bits, a purpose and a number.

    A row therefore has the same draws regardless of what else is drawn.
    ``engine.kernels.shared.hashing`` computes the same numbers one by one. (n,) -> (n,)
    """
    stride, mix_1, mix_2 = SPLITMIX
    salt = (zlib.crc32(purpose.encode()) << 16) + number + 1
    x = random_bits + np.uint64(stride * salt % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(mix_1)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(mix_2)
    x = x ^ (x >> np.uint64(31))
    return ((x >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
