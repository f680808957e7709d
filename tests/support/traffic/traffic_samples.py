"""Random request tables for tests: sessions over a small prefix tree, with every corner of it."""

import numpy as np

from simulator.traffic.logs.collect import collect
from simulator.traffic.logs.log import Batch
from simulator.traffic.logs.replay import replay_requests
from simulator.traffic.table import NO_NODE, PrefixTree, RequestTable


def random_table(
    seed: int,
    sessions: int = 40,
    rate_per_s: float = 2.0,
    prompt_tok: int = 300,
    output_tok: int = 60,
) -> RequestTable:
    """Sessions of one to four turns under a few shared system prompts; some without a prefix."""
    rng = np.random.default_rng(seed)
    parent = [NO_NODE, NO_NODE]
    depth = [int(rng.integers(0, prompt_tok)), int(rng.integers(0, prompt_tok))]
    rows: dict[str, list] = {
        name: []
        for name in ("arrival", "gap", "input", "output", "reasoning", "node", "session", "turn")
    }
    starts = np.sort(rng.uniform(0, sessions / rate_per_s, sessions))
    starts[1::7] = starts[0 : sessions - 1 : 7]  # some arrive at the same instant
    for session, start in enumerate(np.sort(starts)):
        root = int(rng.integers(-1, 2))
        node, length = root, depth[root] if root != NO_NODE else 0
        reasons = rng.random() < 0.3
        for turn in range(int(rng.integers(1, 5))):
            prompt = length + int(rng.integers(1, prompt_tok))
            if root != NO_NODE:
                parent.append(node)
                depth.append(prompt)
                node = len(parent) - 1
            output = int(rng.integers(0, output_tok)) if rng.random() < 0.9 else 0
            rows["arrival"].append(start)
            rows["gap"].append(np.nan if turn == 0 else rng.choice([0.0, rng.exponential(1.0)]))
            rows["input"].append(prompt)
            rows["output"].append(output)
            rows["reasoning"].append(int(rng.integers(1, 20)) if reasons else 0)
            rows["node"].append(node if root != NO_NODE else NO_NODE)
            rows["session"].append(session)
            rows["turn"].append(turn)
            length = prompt + output
    n = len(rows["arrival"])

    def column(name: str, dtype: type) -> np.ndarray:
        return np.array(rows[name], dtype)

    return RequestTable(
        arrival_s=column("arrival", np.float64),
        gap_s=column("gap", np.float64),
        workload=np.zeros(n, np.int32),
        input_tokens=column("input", np.int32),
        output_tokens=column("output", np.int32),
        reasoning_tokens=column("reasoning", np.int32),
        max_output_tokens=column("output", np.int32),
        prefix_node=column("node", np.int32),
        session=column("session", np.int32),
        turn=column("turn", np.int32),
        deadline_s=np.full(n, np.inf),
        patience_s=np.full(n, np.inf),
        difficulty=rng.random(n),
        random_bits=rng.bit_generator.random_raw(n),
        earlier_node=np.full(n, -1, np.int32),
        earlier_s=np.zeros(n),
        since_volume=np.zeros(n),
        tree=PrefixTree.numbered(np.array(parent, np.int32), np.array(depth, np.int32)),
        workloads=("sample",),
    )


def open_loop(arrival_s: np.ndarray, input_tok: np.ndarray, output_tok: np.ndarray) -> RequestTable:
    """Requests that arrive at given times, the first at zero, and share nothing."""
    batch = Batch.of(arrival_s, input_tok.astype(np.int64), output_tok.astype(np.int64))
    return replay_requests(collect([batch], ["open"]), 1)
