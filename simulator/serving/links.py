"""Links that move activations between the accelerators of one replica.

Bandwidth and latency are absolute and the same for every model, so that they cannot compensate for
losses in the kernels of one of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism


@dataclass(frozen=True, slots=True)
class Link:
    """One kind of link, with the speed that an engine's all-reduces reach."""

    bytes_s: float
    """Bandwidth that a ring all-reduce reaches, per direction [B/s]."""
    latency_s: float
    """Latency of one all-reduce in a large group [s]; for n GPUs it is (n-1)/n of this."""


def communication_s(
    model: ModelShape,
    link: Link,
    exchange_latency_s: float,
    spread: Parallelism,
    tokens: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the time that a step of ``tokens`` tokens spends between GPUs [s]. (n,) -> (n,)

    Ring all-reduces after attention and after the MLP move 2*(n-1)/n of the activations each
    (Patarasuk and Yuan 2009). Data-parallel attention instead gathers tokens before the MLP and
    scatters them after it, which together is the traffic of one ring. Each stage of a pipeline
    passes its activations to the next one once.
    """
    hop_s = tokens * model.hidden * 2 / link.bytes_s
    pipeline_s = (spread.pipeline - 1) * (link.latency_s + hop_s)
    if spread.tensor == 1:
        return pipeline_s
    ring_s = 2 * (spread.tensor - 1) / spread.tensor * hop_s
    if spread.data_attention:
        return pipeline_s + model.layers * (2 * exchange_latency_s + ring_s)
    latency_s = (spread.tensor - 1) / spread.tensor * link.latency_s
    return pipeline_s + 2 * model.layers * (latency_s + ring_s)
