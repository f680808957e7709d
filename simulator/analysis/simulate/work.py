"""Lower bound on the work that traffic makes for a fleet, under any schedule.

A step of T tokens takes at least ``a + b T`` for every line below the table of step times, and
every output token occupies one of ``max_sequences`` sequences of a step. Only those tokens of a
prompt that it shares with no other request are counted.
"""

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.study.study import Slo
from simulator.engine.spec.plan import Fleet
from simulator.traffic.table import NO_NODE, RequestTable

Floats = NDArray[np.float64]


def least_work_s(table: RequestTable, fleet: Fleet, slo: Slo, weight: Floats) -> float:
    """Return the least replica time that a table's requests take [s].

    The most expensive requests, as many as may miss the targets, are left out.

    Parameters
    ----------
    table, fleet, slo
        Requests, the fleet that serves them, and the share that must be served in time.
    weight : ndarray
        Number of times that each request counts. (n_requests,)
    """
    work_s = _work_s(table, fleet, weight)
    share = max(slo.attainment, *slo.percentiles.values(), 0.0)
    order = np.argsort(work_s, kind="stable")
    cumulative = np.cumsum(weight[order])
    included = order[cumulative <= share * cumulative[-1] + 1e-9] if len(order) else order
    return float(weight[included] @ work_s[included])


def _work_s(table: RequestTable, fleet: Fleet, weight: Floats) -> Floats:
    """Return the least replica time of each request [s]. (n_requests,)"""
    time = fleet.step_time
    most_tok = min(fleet.max_model_tok, fleet.kv.longest_tok)
    prompt = table.input_tokens.astype(np.float64)
    output = np.minimum(table.completion_tokens, np.maximum(0, most_tok - prompt))
    fresh = prompt.copy()
    if fleet.prefix_cache:
        shared = table.prefix_node != NO_NODE
        fresh[shared] -= table.tree.depth_tok[table.prefix_node[shared]]
    fresh[prompt >= most_tok] = 0.0  # refused
    # The first output token comes from the last prefill step.
    decoded = np.maximum(output - 1, 0.0)
    fixed_s, token_s = _line_below(
        time.token_s, fleet.max_sequences, float(weight @ decoded), float(weight @ fresh)
    )
    sequences = np.arange(1, fleet.max_sequences + 1)
    sequence_s = float(np.min(time.decoding_s[sequences] / sequences))
    work_s: Floats = (
        decoded * (fixed_s / fleet.max_sequences + sequence_s)
        + (decoded + fresh) * token_s
        + fresh * time.prefill_token_s
        + time.context_token_s * decoded * (prompt + decoded / 2)
    )
    return work_s


def _line_below(
    token_s: Floats, max_sequences: int, decoded: float, fresh: float
) -> tuple[float, float]:
    """Return intercept and slope of a line below a table of step times.

    Every line ``a + b T`` with ``a >= 0`` that stays below the table gives a valid lower bound. The
    bound need not be the best one: of 41 slopes, the one that gives the most work is taken.
    """
    tokens = np.arange(1, len(token_s))
    best, most_s = (0.0, 0.0), -1.0
    for slope in np.append(0.0, np.geomspace(0.01, 1.0, 40) * token_s[-1] / len(token_s)):
        fixed = float(np.min(token_s[1:] - slope * tokens))
        work_s = fixed * decoded / max_sequences + slope * (decoded + fresh)
        if fixed >= 0 and work_s > most_s:
            best, most_s = (fixed, float(slope)), work_s
    return best
