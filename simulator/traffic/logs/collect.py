"""Assembly of a log with the prefix tree of its prompts from batches of rows."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.traffic.logs.log import UNKNOWN, Batch, Log, concatenate, ragged
from simulator.traffic.prefixes import PrefixBuilder, Runs


def collect(batches: Iterable[Batch], workloads: list[str]) -> Log:
    """Return one log of all batches; ``workloads`` may grow while they are read."""
    rows = concatenate(list(batches))
    origin_s = rows.at_s[0]
    at_s = rows.at_s - origin_s
    if not np.isnan(rows.end_s).all():
        rows = replace(rows, end_s=rows.end_s - origin_s)
    rows = replace(rows, at_s=at_s)
    prompts = PromptRuns()
    if not len(rows.runs.start) and (rows.session != UNKNOWN).any():
        runs = prompts.guess(rows)
    else:
        runs = prompts.resolve(rows)
    builder = PrefixBuilder()
    tree, nodes = builder.finish(builder.add(runs))
    return Log(rows, tree, nodes, tuple(workloads) or ("replay",))


class PromptRuns:
    """Runs of whole prompts, for rows that only have what follows the session's previous prompt."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._rows = 0

    def resolve(self, rows: Batch) -> Runs:
        """Return the runs of whole prompts: shared tokens first, then the rows' own runs."""
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
                        f"request {self._rows + i + 1}: its prompt should share {shared} tokens "
                        "with its session's previous prompt, which is not that long"
                    )
                chain = _join(_head(before, shared), chain)
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
        """Return runs for logs without prefix ids, as if each turn repeated the previous prompt.

        A prompt that is not longer than its session's previous one was edited: it shares only the
        tokens that the provider reported as cached. Cached tokens of a session's first turn are
        taken for a prefix common to its workload. These are assumptions, which are stated wherever
        such a log is used.
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
            cached_tok = max(0, cached)
            runs = []
            if before is not None:
                shared[i] = before if prompt > before else min(cached_tok, before)
            elif cached_tok:
                runs.append((common, cached_tok))
            prefix_tok = int(shared[i]) or sum(count for _, count in runs)
            if prompt > prefix_tok:
                runs.append((fresh, prompt - prefix_tok))
                fresh += prompt - prefix_tok
            own.append(runs)
            if session != UNKNOWN:
                last[session] = prompt
        return self.resolve(replace(rows, shared_tok=shared, runs=ragged(own)))


def _head(
    chain: tuple[NDArray[np.int64], NDArray[np.int64]], tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first ``tokens`` tokens of a chain of runs."""
    start, count = chain
    ends = np.cumsum(count)
    last = int(np.searchsorted(ends, tokens))
    if last >= len(ends) or ends[last] == tokens:
        return start[: last + 1], count[: last + 1]
    cut = count[: last + 1].copy()
    cut[last] -= ends[last] - tokens
    return start[: last + 1], cut


def _join(
    head: tuple[NDArray[np.int64], NDArray[np.int64]],
    tail: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return one chain of runs after the other, with the runs that touch merged."""
    if len(head[0]) and len(tail[0]) and head[0][-1] + head[1][-1] == tail[0][0]:
        merged = head[1].copy()
        merged[-1] += tail[1][0]
        return np.append(head[0], tail[0][1:]), np.append(merged, tail[1][1:])
    return np.append(head[0], tail[0]), np.append(head[1], tail[1])
