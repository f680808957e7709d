"""Shapes from published configurations: parameters are counted as their makers count them."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.readers.bench_readers import DEEPSEEK, GPT_OSS, LLAMA
from simulator import predict_benchmark
from simulator.errors import InputError
from simulator.scenario.catalog.hf_config import read_config
from simulator.scenario.catalog.profiles import load_model

# Figures of the configurations that Meta, Alibaba, DeepSeek and OpenAI publish.
QWEN_MOE = {
    "hidden_size": 2048, "intermediate_size": 6144, "num_attention_heads": 32, "head_dim": 128,
    "num_hidden_layers": 48, "num_key_value_heads": 4, "vocab_size": 151936, "num_experts": 128,
    "num_experts_per_tok": 8, "moe_intermediate_size": 768, "max_position_embeddings": 40960,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "profile"),
    [
        (LLAMA, "llama-3.1-8b"),
        (QWEN_MOE, "qwen3-30b"),
        (DEEPSEEK, "deepseek-r1"),
        (GPT_OSS, "gpt-oss-120b"),
    ],
)
def test_published_configurations_give_the_shipped_shapes(
    tmp_path: Path, config: dict, profile: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    got, shipped = read_config(path), load_model(profile)
    assert got.total_params == pytest.approx(shipped.total_params, rel=0.01)
    assert got.active_params == pytest.approx(shipped.active_params, rel=0.15)
    assert got.expert_share == pytest.approx(shipped.expert_share, abs=0.03)
    for name in (
        "layers", "hidden", "q_heads", "kv_heads", "head_dim", "experts", "experts_per_token",
        "attention", "window_layers", "window_tok",
    ):  # fmt: skip
        assert getattr(got, name) == getattr(shipped, name), name


def test_a_configuration_on_disk_is_a_model(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA))
    asked = {"load_value": 4, "output_tok": 32}
    mine = predict_benchmark(str(path), "h100-sxm", **asked)
    shipped = predict_benchmark("llama-3.1-8b", "h100-sxm", **asked)
    assert mine.benchmark.output_tok_s == pytest.approx(shipped.benchmark.output_tok_s, rel=0.02)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected a JSON object"),
        (json.dumps(LLAMA | {"hidden_size": "wide"}), "hidden_size must be a whole number"),
        (json.dumps({"num_hidden_layers": 2}), "hidden_size must be"),
    ],
)
def test_what_is_no_configuration_says_why(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_config(path)


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from([*DEEPSEEK, *GPT_OSS, "text_config", "use_sliding_window"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text()),
    )
)
def test_any_object_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, c: dict) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "config.json"
    path.write_text(json.dumps(c))
    with suppress(InputError):
        read_config(path)
