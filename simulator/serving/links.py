"""What moves activations between the accelerators of one replica.

Figures are absolute and the same for every model, so that a link that is fast for one model cannot
stand in for what kernels of another lose.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism


@dataclass(frozen=True, slots=True)
class Link:
    """One kind of link, as all-reduces of an engine find it."""

    bytes_s: float
    """Bandwidth that a ring all-reduce reaches, per direction [B/s]."""
    latency_s: float
    """Of one all-reduce in a wide group; n GPUs pay (n-1)/n of it."""


def communication_s(
    model: ModelShape,
    link: Link,
    exchange_latency_s: float,
    spread: Parallelism,
    tokens: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Time that a step of ``tokens`` tokens spends between GPUs. (n,) -> (n,)

    Ring all-reduces behind attention and MLP move 2*(n-1)/n of the activations each (Patarasuk and
    Yuan 2009). Data-parallel attention gathers and scatters tokens around the MLP instead, which
    is the traffic of one ring. Stages of a pipeline hand their activations on once.
    """
    hop_s = tokens * model.hidden * 2 / link.bytes_s
    passed_s = (spread.pipeline - 1) * (link.latency_s + hop_s)
    if spread.tensor == 1:
        return passed_s
    ring_s = 2 * (spread.tensor - 1) / spread.tensor * hop_s
    if spread.data_attention:
        return passed_s + model.layers * (2 * exchange_latency_s + ring_s)
    latency_s = (spread.tensor - 1) / spread.tensor * link.latency_s
    return passed_s + 2 * model.layers * (latency_s + ring_s)
