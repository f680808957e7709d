"""What a log tells: sessions, lengths and reuse that it was generated with are found again."""

from dataclasses import replace

import pytest

from simulator.scenario.starter.fitted import log_workloads
from simulator.scenario.starter.generator import preset_workload
from simulator.traffic.logs.collect import collect
from simulator.traffic.logs.generated import generated_log
from simulator.traffic.logs.log import UNKNOWN, Log
from simulator.traffic.usage.log_fit import LogWorkload, fit_log


def log_of(preset: str, per_month: float = 60_000, hours: int = 168) -> Log:
    workload = preset_workload(preset, per_month)
    batches = list(generated_log((workload,), 7, hours, 0.5, 0.02))
    return collect(batches, [preset])


def fitted(log: Log) -> LogWorkload:
    (found,) = fit_log(log)
    return found


@pytest.fixture(scope="module")
def chat() -> Log:
    return log_of("chat")


def test_a_chat_has_the_turns_and_the_beginning_of_its_preset(chat: Log) -> None:
    found = fitted(chat)
    assert found.shared_tok == 1000
    assert found.shared_share == 1
    assert found.stable_share == pytest.approx(0.46, abs=0.05)
    assert found.turns is not None
    assert 2 <= found.turns.quantiles[0.5] <= 3
    assert found.gap_s is not None
    assert found.gap_s.quantiles[0.5] == pytest.approx(124, rel=0.1)
    assert found.first_tok.quantiles[0.5] == pytest.approx(34, rel=0.15)
    assert found.output_tok.quantiles[0.5] == pytest.approx(270, rel=0.05)


def test_a_fitted_chat_has_the_means_and_the_reuse_of_its_log(chat: Log) -> None:
    found = fitted(chat)
    (section,) = log_workloads([found])
    assert section.section["system_prompt_tokens"] == 1000
    assert section.section["stable_session_share"] == pytest.approx(0.46, abs=0.06)
    assert "A cache that forgets nothing would serve" in section.about


def test_turns_with_passages_of_their_own_are_single_calls() -> None:
    found = fitted(log_of("rag"))
    assert found.turns is None
    assert found.message_tok is None
    assert found.shared_tok == 700
    assert found.first_tok.mean + 700 == pytest.approx(found.input_tok, rel=0.01)


def test_a_log_without_sessions_has_those_that_its_prefixes_show(chat: Log) -> None:
    rows = replace(chat.rows, session=chat.rows.session * 0 + UNKNOWN, gap_s=chat.rows.gap_s * 0)
    found = fitted(replace(chat, rows=replace(rows, gap_s=rows.gap_s + float("nan"))))
    assert found.turns is not None
    # Only sessions with a stable prefix show that a prompt continues an earlier one.
    assert 1.3 < found.turns.mean < 4.2
    assert found.gap_s is not None


def test_embeddings_have_no_answers() -> None:
    found = fitted(log_of("embedding", 200_000, 24))
    assert found.completion_tok == 0
    (section,) = log_workloads([found])
    assert section.section["output_tokens"] == 0
