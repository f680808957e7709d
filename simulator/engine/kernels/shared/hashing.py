"""Chance without a generator: every draw is a function of the request, the attempt and a purpose.

Whatever else happens in a run, the third attempt of a request meets the same latency, so that
options, volumes and rules are compared under the same luck. The mixing is SplitMix64 (Steele, Lea
and Flood, 2014).
"""

import math

import numpy as np

from simulator.engine.kernels.shared.jit import compiled
from simulator.rng import SPLITMIX

# Purposes of draws.
LATENCY, SPEED, FAILURE, ROUTE, PAUSE, EXPLORE = 0, 2, 4, 5, 6, 7
# Beyond the eight of an attempt; no request has so many attempts.
EARLIER, UNSIMULATED = 8000, 16000

_STRIDE, _MIX_1, _MIX_2 = (np.uint64(constant) for constant in SPLITMIX)
_EIGHT = np.uint64(8)


@compiled
def uniform(random_bits, attempt, purpose):
    """Uniform in [0, 1)."""
    x = random_bits + _STRIDE * (np.uint64(attempt) * _EIGHT + np.uint64(purpose + 1))
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    x = x ^ (x >> np.uint64(31))
    return np.float64(x >> np.uint64(11)) * 2.0**-53


@compiled
def normal(random_bits, attempt, purpose):
    """Standard normal (Box and Muller, 1958); takes the purpose behind its own as well."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(random_bits, attempt, purpose)))
    return radius * math.cos(2.0 * math.pi * uniform(random_bits, attempt, purpose + 1))
