"""Named random streams: a draw added to one stream never shifts another."""

import zlib

import numpy as np


def stream(seed: int, name: str, replication: int = 0) -> np.random.Generator:
    """Return the generator of one named stream of a seed.

    Parameters
    ----------
    seed : int
        The scenario's seed.
    name : str
        What is drawn, for example ``"support/turns"``.
    replication : int
        Independent repetition of the same stream.
    """
    key = (zlib.crc32(name.encode()), replication)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
