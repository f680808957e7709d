"""Bills of every shipped scenario, recomputed from nothing but the ledger and the price cards."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.simulate.longrun import evaluate_whole
from simulator.analysis.study.effort import whole_horizon
from simulator.analysis.study.options import SingleOption, Size
from simulator.analysis.study.study import Study
from simulator.pricing.billing import Usage, bill
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import CONTENTS, CONTEXTS
from simulator.report.documents.ledger import ABOUT, endpoint_labels, ledger_writer
from simulator.scenario.building.study import load
from simulator.scenario.document.shipped import shipped_scenarios

pytestmark = pytest.mark.slow

REQUESTS = 1500
"""Of each scenario's horizon, about."""


def calling(study: Study) -> list[SingleOption]:
    """Options that pay by the call, each once."""
    singles = {s.name: s for option in study.options for s in option.parts}
    return [s for s in singles.values() if s.api is not None]


def small(name: str) -> tuple[Study, float]:
    """A shipped scenario over two days at most, and the volume at which it has few requests."""
    study = load(
        name, ["horizon_hours=48"] if name not in ("bursty-launch", "nightly") else []
    ).study
    expected = study.traffic.requests_per_s * study.traffic.horizon_s
    return whole_horizon(study), min(1.0, REQUESTS / expected)


@pytest.mark.parametrize("name", sorted(shipped_scenarios()))
def test_bills_follow_from_the_ledger(name: str, tmp_path: Path) -> None:
    study, volume = small(name)
    evaluator = Evaluator(study, volume, Sampler(study))
    write = ledger_writer(tmp_path, study, "this run")
    told = json.loads((tmp_path / ABOUT).read_text())["options"]
    for option in calling(study):
        size = Size(1, 1) if option.own is not None else Size()
        outcome = evaluate_whole(evaluator, option, size, None, write).outcome
        api, about = option.api, told[option.name]
        assert api is not None
        rows = pq.read_table(tmp_path / about["folder"])
        columns = {name: rows[name].to_numpy() for name in rows.column_names}
        factor = outcome.month_factor / evaluator.sample(option).scale
        by_bucket = {
            bucket: float(columns[f"usd_{bucket}"] @ columns["weight"]) * factor
            for bucket in outcome.api_usd
        }
        assert by_bucket == pytest.approx(outcome.api_usd, abs=1e-6, rel=1e-12)
        again = sum(
            _recomputed(columns, label, endpoint.card, about["endpoints"][label])
            for label, endpoint in endpoint_labels(api)
        )
        again *= 1 + about.get("gateway_fee_share", 0.0)
        assert again * factor == pytest.approx(sum(outcome.api_usd.values()), abs=1e-6, rel=1e-9)


def _recomputed(columns: dict, endpoint: str, card: RateCard, about: dict) -> float:
    """What an endpoint's rows cost, by their tokens and times alone."""
    paid = (columns["endpoint"] == endpoint) & np.isfinite(columns["billed_at_s"])
    row = {name: column[paid] for name, column in columns.items()}
    read, written, thought = row["cached_tok"], row["written_tok"], row["reasoning_tok"]
    usage = Usage.of(
        row["billed_at_s"],
        uncached_input=row["input_tok"].astype(np.int64) - read - written,
        cache_read=read,
        output=row["completion_tok"] - thought,
        reasoning=thought,
        stored_tok_h=row["stored_tok_h"],
        context=np.full(len(read), CONTEXTS.index(about["context"]), np.int8),
        content=np.full(len(read), CONTENTS.index(about["content"]), np.int8),
        **{"cache_write_1h" if about["writes_for"] == "1h" else "cache_write": written},
    )
    return sum(float(cost @ row["weight"]) for cost in bill(card, usage).values())
