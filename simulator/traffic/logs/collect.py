"""From the batches of a log to one log with the prefix tree of its prompts."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.traffic.logs.log import UNKNOWN, Batch, Log, concatenate, ragged
from simulator.traffic.prefixes import PrefixBuilder, Runs


def collect(batches: Iterable[Batch], workloads: list[str]) -> Log:
    """Make one log of batches; ``workloads`` may still grow while they are drawn."""
    rows = concatenate(list(batches))
    rows = replace(rows, at_s=rows.at_s - rows.at_s[0], end_s=rows.end_s - rows.at_s[0])
    prompts = PromptRuns()
    if not len(rows.runs.start) and (rows.session != UNKNOWN).any():
        runs = prompts.guess(rows)
    else:
        runs = prompts.resolve(rows)
    builder = PrefixBuilder()
    tree, nodes = builder.finish(builder.add(runs))
    return Log(rows, tree, nodes, tuple(workloads) or ("replay",))


class PromptRuns:
    """Runs of whole prompts, for rows that tell only how they go on from their session's last."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._rows = 0

    def resolve(self, rows: Batch) -> Runs:
        """Put the shared beginnings before the rows' own runs."""
        if not rows.shared_tok.any() and not (rows.session != UNKNOWN).any():
            return rows.runs
        offsets = rows.runs.offsets.tolist()
        chains = []
        for i, (session, shared) in enumerate(
            zip(rows.session.tolist(), rows.shared_tok.tolist(), strict=True)
        ):
            own = slice(offsets[i], offsets[i + 1])
            chain = (rows.runs.start[own], rows.runs.length[own])
            if shared:
                before = self._last.get(session)
                if before is None or shared > before[1].sum():
                    raise InputError(
                        f"request {self._rows + i + 1}: its prompt is said to share {shared} "
                        "tokens with its session's previous prompt, which is not that long"
                    )
                chain = _joined(_head(before, shared), chain)
            if session != UNKNOWN:
                self._last[session] = chain
            chains.append(chain)
        self._rows += rows.size
        return Runs(
            np.concatenate([c[0] for c in chains]),
            np.concatenate([c[1] for c in chains]),
            np.append(0, np.cumsum([len(c[0]) for c in chains])),
        )

    def guess(self, rows: Batch) -> Runs:
        """Let every turn begin with its session's previous prompt, for logs without prefix ids.

        A prompt that shrank was edited: of that, only what the provider reported as cached is
        shared. What the first turn of a session had cached is taken for its workload's common
        beginning. This is an assumption, stated wherever such a log is used.
        """
        fresh = int(rows.input_tokens.max()) * (int(rows.workload.max()) + 1)
        offset_of = rows.workload.astype(np.int64) * int(rows.input_tokens.max())
        shared, own = np.zeros(rows.size, np.int64), []
        last: dict[int, int] = {}
        columns = (rows.session, rows.input_tokens, rows.cached_tokens, offset_of)
        for i, (session, prompt, cached, common) in enumerate(
            zip(*(c.tolist() for c in columns), strict=True)
        ):
            before = last.get(session) if session != UNKNOWN else None
            known = max(0, cached)
            runs = []
            if before is not None:
                shared[i] = before if prompt > before else min(known, before)
            elif known:
                runs.append((common, known))
            begun = int(shared[i]) or sum(count for _, count in runs)
            if prompt > begun:
                runs.append((fresh, prompt - begun))
                fresh += prompt - begun
            own.append(runs)
            if session != UNKNOWN:
                last[session] = prompt
        return self.resolve(replace(rows, shared_tok=shared, runs=ragged(own)))


def _head(
    chain: tuple[NDArray[np.int64], NDArray[np.int64]], tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first ``tokens`` of a chain."""
    start, count = chain
    ends = np.cumsum(count)
    last = int(np.searchsorted(ends, tokens))
    if last >= len(ends) or ends[last] == tokens:
        return start[: last + 1], count[: last + 1]
    cut = count[: last + 1].copy()
    cut[last] -= ends[last] - tokens
    return start[: last + 1], cut


def _joined(
    head: tuple[NDArray[np.int64], NDArray[np.int64]],
    tail: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return one chain after the other, as one run where they touch."""
    if len(head[0]) and len(tail[0]) and head[0][-1] + head[1][-1] == tail[0][0]:
        merged = head[1].copy()
        merged[-1] += tail[1][0]
        return np.append(head[0], tail[0][1:]), np.append(merged, tail[1][1:])
    return np.append(head[0], tail[0]), np.append(head[1], tail[1])
