"""Speculative decoding: a draft model proposes tokens, and the model checks them in one step."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.serving.steptime import StepTime


@dataclass(frozen=True, slots=True)
class Speculation:
    """Acceptance of draft tokens by position, and the cost of drafting.

    Defaults of ``acceptance`` and ``decay`` were measured with EAGLE3 on gpt-oss-120b, H200 and
    random tokens, 2026-11-23: 60 to 70 % at the first position, and at each further one about .6 of
    the previous.
    """

    draft_tok: int
    """Draft tokens per step."""
    acceptance: float = 0.67
    """Probability that the first draft token is accepted."""
    decay: float = 0.6
    """Factor on the probability from each position to the next."""
    draft_params: float | None = None
    """Parameters of the draft model; None: a head of one layer, as in EAGLE."""
    draft_launch_s: float = 0.001
    """Time to launch one pass of the draft model [s]. Computed from the gains of single requests
    with 1, 3 and 7 draft tokens, 0.6 to 1.6 ms on H200 (EAGLE3 on gpt-oss-120b, 2026-11-23), and
    from a loss on H100, 2.1 ms (EAGLE3 on llama-3.1-8b, inference-perf's demo, 2025-11)."""

    @property
    def tokens_per_step(self) -> float:
        """Expected tokens of a step: one, and the draft tokens up to the first rejected one."""
        accepted = np.cumprod(self.acceptance * self.decay ** np.arange(self.draft_tok))
        return float(1 + accepted.sum())

    def applied(self, step: StepTime, draft_token_s: NDArray[np.float64]) -> StepTime:
        """Return the step time per token and sequence if drafting a token for n sequences takes
        ``draft_token_s[n]`` [s].

        A checking step of ``n`` sequences processes ``n*(draft_tok + 1)`` tokens and yields
        ``tokens_per_step`` for each sequence, so that the gain shrinks as the batch grows. The
        engine still counts one token per sequence and step, which therefore takes the time of a
        checking step and its drafts divided by ``tokens_per_step``.
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
