"""Small plans for the engine, and the laws that every ledger keeps."""

import numpy as np

from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.spec.plan import Endpoint, Fleet, Gateway, Plan, Target
from simulator.pricing.caching import PromptCache
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime
from tests.support.pricing.api_samples import CARD

FLEET = Fleet(
    step_time=StepTime.linear(256, fixed_s=0.02, prefill_token_s=1e-4, context_token_s=1e-7),
    kv=KvCapacity(200, 16, 0.5),
    max_batched_tok=256,
    max_sequences=8,
    max_model_tok=2000,
    prefix_cache=True,
    request_overhead_s=0.03,
    replicas=2,
    cold_start_s=5.0,
)


ENDPOINT = Endpoint(
    name="api",
    card=CARD,
    ttft_median_s=0.5,
    ttft_sigma=0.3,
    prefill_token_s=1e-4,
    output_tok_s=80.0,
    speed_sigma=0.2,
    context_tok=1500,
    max_output_tok=50,
    cache=PromptCache("prefix", ttl_s=30.0, min_tok=64, step_tok=16),
)


OWN = (layout.OWN,)


DIRECT = (Gateway((Target(0),)),)


def assert_invariants(ledger: Ledger, plan: Plan) -> None:
    table = ledger.table
    offered, done = ledger.offered, ledger.completed
    counts = np.bincount(ledger.outcome, minlength=5)
    assert offered.sum() == counts[1:].sum()
    # Causality: arrival <= start <= first token <= finish, and nothing beyond the horizon.
    for earlier, later in (
        ("arrival_s", "start_s"),
        ("start_s", "first_token_s"),
        ("first_token_s", "finished_s"),
    ):
        assert (getattr(ledger, earlier)[done] <= getattr(ledger, later)[done] + 1e-9).all()
    assert (ledger.finished_s[done] <= ledger.horizon_s).all()
    # A turn arrives its gap after the row above is done, never before.
    turns = np.flatnonzero(offered & (table.gap_s >= 0))
    expected = ledger.finished_s[turns - 1] + table.gap_s[turns]
    np.testing.assert_allclose(ledger.arrival_s[turns], expected, rtol=1e-12)
    # The prompt is partitioned; nothing more is produced than was wished for.
    assert (ledger.cached_tok + ledger.written_tok <= table.input_tokens).all()
    assert (ledger.completion_tok <= table.completion_tokens).all()
    assert (ledger.completion_tok >= 0).all()
    if plan.fleets:
        assert 0 <= ledger.fleets[0].busy_s <= ledger.fleets[0].owned_s(0, ledger.horizon_s) + 1e-6
