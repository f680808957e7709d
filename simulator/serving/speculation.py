"""Speculative decoding: a draft proposes tokens, the model checks them in one step."""

from dataclasses import dataclass, replace

import numpy as np

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
    draft_step_share: float = 0.045
    """Time of drafting one token, as a share of a model step (assumed .03 to .06)."""

    @property
    def tokens_per_step(self) -> float:
        """Expected tokens of a step: one, and each draft token that it and all before it pass."""
        passed = np.cumprod(self.acceptance * self.decay ** np.arange(self.draft_tok))
        return float(1 + passed.sum())

    def applied(self, step: StepTime) -> StepTime:
        """Return the step time per token and sequence.

        A checking step of ``n`` sequences carries ``n*(draft_tok + 1)`` tokens and yields
        ``tokens_per_step`` for each, so that the gain shrinks as the batch grows; the engine goes
        on counting one token per sequence and step.
        """
        n = np.arange(len(step.token_s))
        checked = np.minimum(n * (self.draft_tok + 1), len(n) - 1)
        alone_s = step.token_s[n] + step.decoding_s[n]
        check_s = step.token_s[checked] + step.decoding_s[n]
        draft_s = self.draft_tok * self.draft_step_share * alone_s
        per_token_s = (check_s + draft_s) / self.tokens_per_step
        return replace(
            step,
            decoding_s=np.where(n > 0, per_token_s - step.token_s[n], 0.0),
            context_token_s=step.context_token_s / self.tokens_per_step,
        )
