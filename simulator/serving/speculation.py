"""Speculative decoding: a draft proposes tokens, the model checks them in one step."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.serving.steptime import StepTime


@dataclass(frozen=True, slots=True)
class Speculation:
    """Acceptance by position, and what drafting costs.

    Defaults of ``acceptance`` and ``decay``: measured with EAGLE3 on gpt-oss-120b, H200, random
    tokens (60 to 70 % at the first position, about .6 of it at each further one), 2026-11-23.
    """

    draft_tok: int
    acceptance: float = 0.67
    decay: float = 0.6
    draft_params: float | None = None
    """Parameters of the draft model; default: a head of one layer, as EAGLE's."""
    draft_launch_s: float = 0.001
    """Launching one pass of the draft. Computed from gains with 1, 3 and 7 draft tokens at one
    request, 0.6 to 1.6 ms on H200 (EAGLE3 on gpt-oss-120b, 2026-11-23), and a loss on H100, 2.1 ms
    (EAGLE3 on llama-3.1-8b, inference-perf's demonstration, 2025-11)."""

    @property
    def tokens_per_step(self) -> float:
        """Expected tokens of a step: one, and each draft token that it and all before it pass."""
        passed = np.cumprod(self.acceptance * self.decay ** np.arange(self.draft_tok))
        return float(1 + passed.sum())

    def applied(self, step: StepTime, draft_token_s: NDArray[np.float64]) -> StepTime:
        """Return the step time per token and sequence, where drafting a token for n sequences
        takes ``draft_token_s[n]``.

        A checking step of ``n`` sequences carries ``n*(draft_tok + 1)`` tokens and yields
        ``tokens_per_step`` for each, so that the gain shrinks as the batch grows; the engine goes
        on counting one token per sequence and step.
        """
        n = np.arange(len(step.token_s))
        checked = np.minimum(n * (self.draft_tok + 1), len(n) - 1)
        check_s = step.token_s[checked] + step.decoding_s[n]
        per_token_s = (check_s + self.draft_tok * draft_token_s) / self.tokens_per_step
        return replace(
            step,
            decoding_s=np.where(n > 0, per_token_s - step.token_s[n], 0.0),
            context_token_s=step.context_token_s / self.tokens_per_step,
            window_token_s=step.window_token_s / self.tokens_per_step,
        )
