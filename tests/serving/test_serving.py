"""Step time and capacity: monotone physics, published throughput, what does not fit."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.analysis.bench.benchmark import Serving, run_benchmark
from simulator.analysis.bench.loads import Load
from simulator.errors import InputError
from simulator.scenario.catalog.deployments import deployment
from simulator.scenario.catalog.profiles import (
    load_accelerator,
    load_model,
    profile_names,
)
from simulator.scenario.catalog.serving_profile import serving_profile
from simulator.serving.capacity import WORKING_GB
from simulator.serving.deployment import Deployment
from simulator.serving.parallelism import Parallelism
from simulator.serving.speculation import Speculation
from simulator.serving.steptime import StepTime


def served(
    model: str = "llama-3.3-70b",
    gpu: str = "h100-sxm",
    gpus: int = 2,
    precision: str = "fp8",
    *,
    engine: str = "vllm",
    kv_precision: str = "fp8",
    **degrees: int,
) -> Deployment:
    spread = Parallelism(gpus, **degrees)
    return deployment(serving_profile(), model, gpu, engine, spread, precision, kv_precision)


# Published by NVIDIA in the TensorRT-LLM performance overview: 1000 tokens in and out, offline.
PUBLISHED = [
    ("llama-3.3-70b", "h100-sxm", 2, "fp8", 4205),
    ("llama-3.3-70b", "h200-sxm", 1, "fp8", 2909),
    ("llama-3.1-8b", "h100-sxm", 1, "fp8", 15220),
    ("llama-3.1-8b", "h200-sxm", 1, "fp8", 17744),
    ("llama-3.1-405b", "h100-sxm", 8, "fp8", 2919),
    ("llama-3.1-405b", "h200-sxm", 8, "fp8", 3330),
]


@pytest.mark.parametrize(("model", "gpu", "gpus", "precision", "published"), PUBLISHED)
def test_published_throughput_is_within_the_stated_band(
    model: str, gpu: str, gpus: int, precision: str, published: float
) -> None:
    found = served(model, gpu, gpus, precision, engine="trtllm")
    predicted = run_benchmark(found, Load("offline", 0, 1000, 1000), Serving()).output_tok_s
    band = found.coefficients
    assert band.band_low <= published / predicted <= band.band_high


def test_embeddings_measured_on_an_l4_are_within_the_stated_band() -> None:
    """bge-large on L4: 62,100 input tok/s with text-embeddings-inference."""
    found = served("bge-large", "l4", 1, "fp16", engine="tei", kv_precision="fp16")
    got = run_benchmark(found, Load("concurrency", 64, 450, 0, requests=2000), Serving())
    assert got.output_tok == 0
    band = found.coefficients
    assert band.band_low <= 62100 / got.total_tok_s <= band.band_high


def step(found: Deployment, **change: object) -> StepTime:
    return replace(found, gpu=replace(found.gpu, **change)).step_time(2048)


def linked(found: Deployment, bytes_s: float) -> StepTime:
    link = replace(found.coefficients.link, bytes_s=bytes_s)
    return replace(found, coefficients=replace(found.coefficients, link=link)).step_time(2048)


def test_steps_grow_with_tokens_and_shrink_with_better_hardware() -> None:
    base = step(served())
    assert (np.diff(base.token_s) > 0).all()
    for better in (
        step(served(), memory_tb_s=6.0),
        step(served(), peak_tflops={"bf16": 2000.0, "fp8": 4000.0}),
        linked(served(), 900e9),
    ):
        assert (better.token_s <= base.token_s).all()
        assert better.token_s[512] < base.token_s[512]
        assert better.context_token_s <= base.context_token_s


@pytest.mark.parametrize("precision", ["bf16", "fp8", "nvfp4"])
@pytest.mark.parametrize("model", ["llama-3.1-8b", "llama-3.3-70b", "qwen3-235b", "deepseek-r1"])
@pytest.mark.parametrize("gpu", ["a100-sxm-80", "h100-sxm", "b200-sxm", "mi300x"])
def test_steps_are_never_above_the_roofline(gpu: str, model: str, precision: str) -> None:
    found = served(model, gpu, 8, precision)
    tokens = np.arange(2049, dtype=float)
    flops_s = 2 * found.model.active_params * tokens / (8 * found.gpu.peak_flops(precision))
    model = found.model
    touched = model.touched_experts(tokens, found.coefficients.expert_evenness)
    read = model.always_read_bytes(precision, found.spread)
    read += touched * model.expert_params * model.weight_bytes_per_param(precision)[1]
    bytes_s = read / (8 * found.gpu.memory_bytes_s)
    got = found.step_time(2048)
    assert (got.token_s > np.maximum(flops_s, bytes_s)).all()
    kv_s = found.model.kv_bytes_per_tok("fp8", found.spread) / (8 * found.gpu.memory_bytes_s)
    assert got.context_token_s > kv_s


@pytest.mark.parametrize("model", ["llama-3.1-8b", "llama-3.3-70b", "qwen3-235b"])
@pytest.mark.parametrize("gpu", ["h100-sxm", "h200-sxm", "b200-sxm"])
def test_throughput_grows_with_gpus_and_concurrency(gpu: str, model: str) -> None:
    def tok_s(gpus: int, clients: int) -> float:
        load = Load("concurrency", clients, 1024, 256, requests=4 * clients)
        return run_benchmark(served(model, gpu, gpus), load, Serving()).output_tok_s

    enough = {"llama-3.1-8b": 1, "llama-3.3-70b": 2, "qwen3-235b": 8}[model]
    by_gpus = [tok_s(n, 16) for n in (1, 2, 4, 8) if n >= enough]
    assert (np.diff(by_gpus) > 0).all()
    by_clients = [tok_s(8, c) for c in (1, 4, 16, 64, 256)]
    assert (np.diff(by_clients) > 0).all()


def test_experts_are_touched_one_by_one() -> None:
    shape = load_model("qwen3-235b")
    once = shape.experts_per_token / shape.experts
    tokens = np.array([0.0, 1.0, 16.0, 4096.0])
    uneven, even = (shape.touched_experts(tokens, shape_of) for shape_of in (1.0, 1e6))
    assert (uneven[0], uneven[1]) == (0.0, once)
    assert (np.diff(uneven) > 0).all()
    assert (uneven[2:] < even[2:]).all()
    assert even == pytest.approx([0.0, once, 1 - np.exp(-16 * once), 1.0], rel=1e-4)
    assert (load_model("llama-3.1-8b").touched_experts(tokens, 1.0) == 0).all()


def test_capacity_is_what_weights_leave() -> None:
    two, four = (served(gpus=n).kv(0.9, 16, 2048) for n in (2, 4))
    kept = served().model.kv_bytes_per_tok("fp8", Parallelism(2))
    assert kept == 80 * 2 * 8 * 128
    working_gb = WORKING_GB + 2 * 2048 * 8192 * (2 + 4 / 2) / 1e9
    free_gb = 2 * 85 * 0.9 - 2 * working_gb - 70.6 * 1.03
    assert two.blocks == int(free_gb * 1e9 / (16 * kept))
    assert four.blocks > 2 * two.blocks
    assert not two.starved(1e12)
    with pytest.raises(InputError, match=r"does not fit 1 x h100-sxm: weights 141\.2 GB"):
        served(gpus=1, precision="bf16").kv(0.9, 16)
    tight = served(gpus=1).kv(0.9, 16)
    assert tight.starved(1e12)
    assert not tight.starved(1000)
    told = replace(served(gpus=1), kv_tok=4000)  # the engine's word stands above the estimate
    assert told.kv(0.9, 16).blocks == 250
    assert not told.kv(0.9, 16).starved(1e12)


# Logged by vLLM; compiled from inference-sim (Apache-2.0) and LLMServingSim (MIT), 2025 and 2026.
LOGGED_BLOCKS = [
    ("llama-3.1-70b", "h100-sxm", 4, "bf16", 30425),
    ("mistral-nemo-12b", "h100-sxm", 1, "bf16", 19251),
    ("mistral-nemo-12b", "h100-sxm", 2, "bf16", 48009),
    ("yi-34b", "h100-sxm", 2, "bf16", 20793),
    ("qwen2.5-7b", "h100-sxm", 1, "bf16", 65352),
    ("llama-3.1-8b", "rtx-4090", 1, "bf16", 2588),
]


@pytest.mark.parametrize(("model", "gpu", "gpus", "precision", "logged"), LOGGED_BLOCKS)
def test_kv_blocks_are_those_that_vllm_logs(
    model: str, gpu: str, gpus: int, precision: str, logged: int
) -> None:
    found = served(model, gpu, gpus, precision, kv_precision="bf16")
    assert found.kv(0.9, 16).blocks == pytest.approx(logged, rel=0.02)


def test_a_checkpoint_of_mixed_precisions_is_as_large_as_is_said() -> None:
    plain = served("llama-3.1-8b", gpus=1, precision="fp8")
    mixed = replace(plain, weights_gb=10.0)
    more_gb = 10.0 - 8.03 * 1.03
    lost = plain.kv(0.9, 16).blocks - mixed.kv(0.9, 16).blocks
    block_gb = 16 * plain.model.kv_bytes_per_tok("fp8", Parallelism(1)) / 1e9
    assert lost == pytest.approx(more_gb / block_gb, abs=1)
    assert mixed.step_time(64).token_s[1] > plain.step_time(64).token_s[1]


def test_prompt_steps_beyond_captured_graphs_take_their_launches() -> None:
    found = served("llama-3.1-8b", gpus=1)
    c, step = found.coefficients, found.step_time(2048)
    launches_s = c.fixed_s + 32 * c.launch_s
    assert 0 < c.captured_tok < 2048
    np.testing.assert_array_equal(step.mixed_s[: c.captured_tok], step.token_s[: c.captured_tok])
    assert (step.mixed_s[c.captured_tok + 1 :] >= launches_s).all()
    eager = replace(found, eager=True).step_time(2048)
    assert (eager.token_s >= launches_s).all()
    assert (eager.mixed_s == eager.token_s).all()


def test_limits_follow_the_card() -> None:
    """vLLM: cards of 70 GiB or more but A100 take 1,024 sequences and 8,192 tokens by default."""
    large = [served(gpu=name, gpus=8).engine.limits for name in ("h100-sxm", "b200-sxm")]
    small = [served(gpu=name, gpus=8).engine.limits for name in ("a100-sxm-80", "l40s")]
    assert {(f.max_sequences, f.max_batched_tok) for f in large} == {(1024, 8192)}
    assert {(f.max_sequences, f.max_batched_tok) for f in small} == {(256, 2048)}


def test_heads_are_shared_out_evenly() -> None:
    with pytest.raises(InputError, match="3 GPUs cannot share the 64 attention heads"):
        served(gpus=3)
    assert served(gpus=1, pipeline=3).spread.gpus == 3
    assert served(gpus=3, engine="llama.cpp").spread == Parallelism(1, 3)  # which cuts no head


def test_pipelines_keep_throughput_and_lengthen_steps() -> None:
    """Two stages of four GPUs: a step takes what four GPUs take, for half of the tokens each."""
    cut, staged = served(gpus=8).step_time(512), served(gpus=4, pipeline=2).step_time(512)
    alone = served(gpus=4).step_time(512)
    assert staged.token_s[2] > cut.token_s[2]
    assert staged.token_s[512] == pytest.approx(alone.token_s[256], rel=0.01)
    assert staged.context_token_s == pytest.approx(cut.context_token_s)


def test_data_parallel_attention_keeps_one_copy_of_the_latent_cache() -> None:
    """Eight GPUs copy MLA's one head eight times, unless each attends for its own sequences."""
    cut = served("deepseek-r1", "h200-sxm", 8)
    own = served("deepseek-r1", "h200-sxm", 8, expert=8, data_attention=1)
    assert own.kv(0.9, 16).blocks > 4 * cut.kv(0.9, 16).blocks
    spread = own.spread
    assert own.model.weight_bytes("fp8", spread) > own.model.weight_bytes("fp8", cut.spread)
    assert own.model.kv_bytes_per_tok("fp8", spread) == 61 * 576
    assert cut.model.kv_bytes_per_tok("fp8", cut.spread) == 8 * 61 * 576


def test_windows_bound_what_a_sequence_reads() -> None:
    gemma = load_model("gemma-3-27b")
    whole = replace(gemma, window_layers=0)
    spread = Parallelism(1)
    per_layer = whole.kv_bytes_per_tok("bf16", spread) / 62
    assert gemma.kv_bytes_per_tok("bf16", spread) == pytest.approx(10 * per_layer)
    found = served("gemma-3-27b", "h100-sxm", 1)
    got, kv = found.step_time(64), found.kv(0.9, 16)
    assert (got.window_tok, kv.window_tok, kv.window_share) == (1024, 1024, 5.2)
    assert got.window_token_s == pytest.approx(5.2 * got.context_token_s)
    assert got.window_attention_s == pytest.approx(5.2 * got.attention_s)
    scout = load_model("llama-4-scout")  # whose windows vLLM does not make use of
    assert scout.kv_bytes_per_tok("bf16", spread) == 48 * 2 * 2 * 8 * 128


def test_speculation_gains_less_as_the_batch_grows() -> None:
    guess = Speculation(3)
    assert guess.tokens_per_step == pytest.approx(1 + 0.67 + 0.67 * 0.402 + 0.67 * 0.402 * 0.2412)
    plain = served("llama-3.3-70b", "h100-sxm", 4)
    base, fast = plain.step_time(4096), replace(plain, speculation=guess).step_time(4096)
    n = np.array([1, 8, 64, 512])
    gain = (base.token_s[n] + base.decoding_s[n]) / (fast.token_s[n] + fast.decoding_s[n])
    assert (np.diff(gain) < 0).all()
    assert 1 < gain[0] < guess.tokens_per_step
    assert gain[-1] < 1.05
    np.testing.assert_array_equal(fast.token_s, base.token_s)  # prompts are read as before


def test_a_draft_that_is_never_wrong_and_free_divides_the_step() -> None:
    perfect = Speculation(1, acceptance=0.999999, decay=1.0)
    base = StepTime.linear(64, fixed_s=0.01, context_token_s=1e-6)
    fast = perfect.applied(base, np.zeros(65))
    assert fast.token_s[5] + fast.decoding_s[5] == pytest.approx(0.005, rel=1e-5)
    assert fast.context_token_s == pytest.approx(0.5e-6, rel=1e-5)


def test_a_draft_can_lose_alone_and_saturated() -> None:
    """Measured with EAGLE3, 4 tokens, on llama-3.1-8b and H100: 11.0 ms a token against 7.2 alone
    (inference-perf's demonstration, 2025-11); acceptance was not told.
    """
    plain = served("llama-3.1-8b", "h100-sxm", 1, "bf16")
    base = plain.step_time(4096)
    fast = replace(plain, speculation=Speculation(4, acceptance=0.35)).step_time(4096)
    n = np.array([1, 128])
    gain = (base.token_s[n] + base.decoding_s[n]) / (fast.token_s[n] + fast.decoding_s[n])
    assert (gain < 1).all()


def test_eight_bits_fall_back_to_what_a_chip_has() -> None:
    a100, h100, b200 = (load_accelerator(n)[0] for n in ("a100-sxm-80", "h100-sxm", "b200-sxm"))
    assert a100.peak_flops("fp8") == a100.peak_flops("bf16")
    assert a100.peak_flops("int8") == 2 * a100.peak_flops("bf16")
    assert h100.peak_flops("int8") == h100.peak_flops("fp8")
    assert h100.peak_flops("mxfp4") == h100.peak_flops("bf16")
    assert b200.peak_flops("mxfp4") == b200.peak_flops("fp8")


def test_every_profile_loads_and_names_its_source() -> None:
    for name in profile_names("accelerators"):
        accelerator, rents = load_accelerator(name)
        assert accelerator.source
        assert accelerator.link in serving_profile().links
        assert accelerator.generation in serving_profile().generations
        for rent in rents.values():
            assert 0 < rent.low <= rent.mid <= rent.high
        assert accelerator.peak_flops("bf16") > 1e13
    for name in profile_names("models"):
        model = load_model(name)
        assert model.source
        assert model.active_params <= model.total_params
        assert (model.experts > 0) == (model.expert_share > 0)
    with pytest.raises(InputError, match="did you mean 'h100-sxm'"):
        load_accelerator("h100-sxn")


def test_kv_heads_are_copied_where_there_are_fewer_than_gpus() -> None:
    """Eight heads on eight GPUs are kept once, four of them twice."""
    llama, qwen = load_model("llama-3.3-70b"), load_model("qwen3-235b")
    one, eight = Parallelism(1), Parallelism(8)
    assert llama.kv_bytes_per_tok("bf16", eight) == llama.kv_bytes_per_tok("bf16", one)
    assert qwen.kv_bytes_per_tok("fp8", eight) == 2 * 94 * 4 * 128 * 2
