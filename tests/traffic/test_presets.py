"""Every preset against the statistics that its sources measured."""

import pytest

from simulator.errors import InputError
from simulator.scenario.resolve.presets import load_preset, preset_names
from simulator.scenario.starter.generator import preset_workload, workloads_of
from tests.support.traffic.preset_claims import measured

TOLERANCE = 0.25
CLASSES = {
    "chat", "chat_long_context", "code_completion", "rag", "long_document", "agentic_coding",
    "agent_small", "reasoning", "classification", "embedding", "batch",
}  # fmt: skip


def test_all_workload_classes_are_there() -> None:
    assert set(preset_names()) == CLASSES


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_preset_is_what_it_claims(name: str) -> None:
    document = load_preset(name).data
    assert document["source"]
    assert document["as_of"]
    claims, found = measured(name)
    assert claims
    for statistic, wanted in claims.items():
        parts = wanted if isinstance(wanted, dict) else {"": wanted}
        for part, value in parts.items():
            is_ = found[statistic][part] if part else found[statistic]
            assert is_ == pytest.approx(value, rel=TOLERANCE), f"{statistic} {part}"


def test_settings_and_volume_of_a_preset() -> None:
    spec = preset_workload("rag", 730 * 3600.0, ["week=flat", "documents.per_request=2"])
    assert spec.requests_per_s == 1.0
    assert spec.documents.per_request == 2
    assert (spec.rate.week == 1).all()
    with pytest.raises(InputError, match="--set week: unknown week shape"):
        preset_workload("rag", 1e6, ["week=round"])
    with pytest.raises(InputError, match="--set turns: turns must be"):
        preset_workload("rag", 1e6, ["turns=many"])


def test_workloads_of_a_scenario() -> None:
    (spec,) = workloads_of("quickstart", None, ["traffic.support.requests_per_month=1000"])
    assert spec.name == "support"
    with pytest.raises(InputError, match="is for presets"):
        workloads_of("quickstart", 1e6, None)
    with pytest.raises(InputError, match="no such file"):
        workloads_of("chatt", None, None)
