"""Counter-based random numbers: a function of a request's bits, the attempt and a purpose alone.

The third attempt of a request therefore meets the same latency in every run, and options, volumes
and rules are compared on the same draws. The mixing is SplitMix64 (Steele, Lea and Flood, 2014).
"""

import math

import numpy as np

from simulator.engine.kernels.shared.jit import compiled
from simulator.rng import SPLITMIX

# Purposes of draws; ``normal`` also uses the number after its purpose, hence the gaps.
LATENCY, SPEED, FAILURE, ROUTE, PAUSE, EXPLORE = 0, 2, 4, 5, 6, 7
# Purposes that are not part of an attempt. An attempt takes eight numbers, and no request makes a
# thousand attempts.
EARLIER, UNSIMULATED = 8000, 16000

_STRIDE, _MIX_1, _MIX_2 = (np.uint64(constant) for constant in SPLITMIX)
_EIGHT = np.uint64(8)


@compiled
def uniform(random_bits, attempt, purpose):
    """Return a number that is uniform in [0, 1)."""
    x = random_bits + _STRIDE * (np.uint64(attempt) * _EIGHT + np.uint64(purpose + 1))
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    x = x ^ (x >> np.uint64(31))
    return np.float64(x >> np.uint64(11)) * 2.0**-53


@compiled
def normal(random_bits, attempt, purpose):
    """Return a standard normal number (Box and Muller, 1958); it uses two purposes."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(random_bits, attempt, purpose)))
    return radius * math.cos(2.0 * math.pi * uniform(random_bits, attempt, purpose + 1))
