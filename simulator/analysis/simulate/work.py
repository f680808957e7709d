"""The least work that traffic makes for a fleet, whatever the schedule.

A step of T tokens takes at least ``a + b T`` for every line below the table of steps, and a token
of output needs a place among ``max_sequences``. Of prompts only what no other request shares is
counted.
"""

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.study.study import Slo
from simulator.engine.spec.plan import Fleet
from simulator.traffic.table import NO_NODE, RequestTable

Floats = NDArray[np.float64]


def least_work_s(table: RequestTable, fleet: Fleet, slo: Slo, weight: Floats) -> float:
    """Return the least replica time that a table's requests take [s].

    The most expensive requests that the SLO lets go are left out.

    Parameters
    ----------
    table, fleet, slo
        What is asked of whom, and how much of it must be served in time.
    weight : ndarray
        How often each request counts. (n_requests,)
    """
    work_s = _work_s(table, fleet, weight)
    share = max(slo.attainment, *slo.percentiles.values(), 0.0)
    order = np.argsort(work_s, kind="stable")
    upto = np.cumsum(weight[order])
    counted = order[upto <= share * upto[-1] + 1e-9] if len(order) else order
    return float(weight[counted] @ work_s[counted])


def _work_s(table: RequestTable, fleet: Fleet, weight: Floats) -> Floats:
    """Least replica time of each request [s]. (n_requests,)"""
    time = fleet.step_time
    most_tok = min(fleet.max_model_tok, fleet.kv.longest_tok)
    prompt = table.input_tokens.astype(np.float64)
    output = np.minimum(table.completion_tokens, np.maximum(0, most_tok - prompt))
    fresh = prompt.copy()
    if fleet.prefix_cache:
        shared = table.prefix_node != NO_NODE
        fresh[shared] -= table.tree.depth_tok[table.prefix_node[shared]]
    fresh[prompt >= most_tok] = 0.0  # refused
    # The first token of an answer comes with the last step of its prompt.
    decoded = np.maximum(output - 1, 0.0)
    fixed_s, token_s = _line_below(
        time.token_s, fleet.max_sequences, float(weight @ decoded), float(weight @ fresh)
    )
    places = np.arange(1, fleet.max_sequences + 1)
    sequence_s = float(np.min(time.decoding_s[places] / places))
    found: Floats = (
        decoded * (fixed_s / fleet.max_sequences + sequence_s)
        + (decoded + fresh) * token_s
        + fresh * time.prefill_token_s
        + time.context_token_s * decoded * (prompt + decoded / 2)
    )
    return found


def _line_below(token_s: Floats, places: int, decoded: float, fresh: float) -> tuple[float, float]:
    """Of the lines ``a + b T`` below a table of steps, ``a >= 0``, the one that tells most work."""
    tokens = np.arange(1, len(token_s))
    best, most_s = (0.0, 0.0), -1.0
    for slope in np.append(0.0, np.geomspace(0.01, 1.0, 40) * token_s[-1] / len(token_s)):
        fixed = float(np.min(token_s[1:] - slope * tokens))
        work_s = fixed * decoded / places + slope * (decoded + fresh)
        if fixed >= 0 and work_s > most_s:
            best, most_s = (fixed, float(slope)), work_s
    return best
