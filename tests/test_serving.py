"""Step time and capacity: monotone physics, published throughput, what does not fit."""

from dataclasses import replace

import numpy as np
import pytest
from traffic_samples import open_loop

from simulator.engine import layout
from simulator.engine.plan import Fleet, Plan
from simulator.engine.run import run
from simulator.errors import InputError
from simulator.scenario.profiles import (
    load_accelerator,
    load_model,
    load_serving_class,
    profile_names,
)
from simulator.serving.capacity import kv_capacity
from simulator.serving.steptime import StepTime, physical_step_time


def fleet_of(model: str, gpu: str, gpus: int, precision: str) -> Fleet:
    shape, (chip, _) = load_model(model), load_accelerator(gpu)
    coefficients = load_serving_class(shape.serving_class)
    precisions = {"weight_precision": precision, "kv_precision": "fp8"}
    kv = kv_capacity(shape, chip, gpus=gpus, **precisions, memory_utilization=0.9, block_tok=16)
    step = physical_step_time(
        shape, chip, coefficients, gpus=gpus, **precisions, max_batched_tok=8192
    )
    # TensorRT-LLM admits no more than fit to their end: 1000 tokens in and out.
    sequences = min(1024, kv.blocks * kv.block_tok // 2000)
    return Fleet(step, kv, 8192, sequences, 32768, True, 0.0, 1, 60.0)


def offline_output_tok_s(fleet: Fleet, isl: int, osl: int, requests: int = 3000) -> float:
    """Output throughput of a batch that is all there at time zero."""
    lengths = np.ones(requests, np.int64)
    table = open_loop(np.zeros(requests), isl * lengths, osl * lengths)
    ledger = run(Plan((layout.FLEET,), fleet), table, 1e9)
    return requests * osl / float(ledger.finished_s.max())


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
    band = load_serving_class("dense")
    predicted = offline_output_tok_s(fleet_of(model, gpu, gpus, precision), 1000, 1000)
    assert band.band_low <= published / predicted <= band.band_high


def step(gpus: int = 2, gpu: str = "h100-sxm", **change: float) -> StepTime:
    shape, (chip, _) = load_model("llama-3.3-70b"), load_accelerator(gpu)
    return physical_step_time(
        shape,
        replace(chip, **change),
        load_serving_class("dense"),
        gpus=gpus,
        weight_precision="fp8",
        kv_precision="fp8",
        max_batched_tok=2048,
    )


def test_steps_grow_with_tokens_and_shrink_with_better_hardware() -> None:
    base = step()
    assert (np.diff(base.token_s) > 0).all()
    for better in (step(memory_tb_s=6.0), step(peak_tflops={"bf16": 2000.0, "fp8": 4000.0})):
        assert (better.token_s <= base.token_s).all()
        assert better.token_s[512] < base.token_s[512]
        assert better.context_token_s <= base.context_token_s
    wider = step(gpus=4)
    assert wider.token_s[1024] < base.token_s[1024]


def test_steps_are_never_above_the_roofline() -> None:
    shape, (chip, _) = load_model("llama-3.3-70b"), load_accelerator("h100-sxm")
    tokens = np.arange(2049)
    flops_s = 2 * shape.active_params * tokens / (2 * chip.peak_flops("fp8"))
    bytes_s = shape.weight_bytes("fp8") / (2 * chip.memory_bytes_s)
    assert (step().token_s > np.maximum(flops_s, bytes_s)).all()


def test_experts_are_touched_one_by_one() -> None:
    shape = load_model("qwen3-235b")
    tokens = np.array([1.0, 16.0, 4096.0])
    touched = shape.touched_weight_bytes(tokens, "fp8") / shape.weight_bytes("fp8")
    expected_one = 1 - shape.expert_share + shape.expert_share * 8 / 128
    assert touched[0] == pytest.approx(expected_one)
    assert touched[0] < touched[1] < touched[2] <= 1
    assert touched[2] == pytest.approx(1.0, abs=1e-6)


def test_capacity_is_what_weights_leave() -> None:
    shape, (chip, _) = load_model("llama-3.3-70b"), load_accelerator("h100-sxm")
    common = {"weight_precision": "fp8", "kv_precision": "fp8", "memory_utilization": 0.9}
    two, four = (kv_capacity(shape, chip, gpus=n, block_tok=16, **common) for n in (2, 4))
    assert shape.kv_bytes_per_tok("fp8", 2) == 80 * 2 * 8 * 128
    free_gb = 2 * 80 * 0.9 - 2 * 1.5 - 70.6 * 1.03
    assert two.blocks == int(free_gb * 1e9 / (16 * shape.kv_bytes_per_tok("fp8", 2)))
    assert four.blocks > 2 * two.blocks
    assert not two.starved
    with pytest.raises(InputError, match=r"does not fit 1 x h100-sxm: weights 72\.7 GB"):
        kv_capacity(shape, chip, gpus=1, block_tok=16, **common)
    starved = kv_capacity(shape, chip, gpus=1, block_tok=16, **common | {"memory_utilization": 1.0})
    assert starved.starved


def test_every_profile_loads_and_names_its_source() -> None:
    for name in profile_names("accelerators"):
        accelerator, rent = load_accelerator(name)
        assert accelerator.source
        if rent is not None:
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
    """One latent head on eight GPUs is kept eight times; eight heads on eight GPUs once."""
    deepseek, llama = load_model("deepseek-r1"), load_model("llama-3.3-70b")
    assert deepseek.kv_bytes_per_tok("fp8", 1) == 61 * 576
    assert deepseek.kv_bytes_per_tok("fp8", 8) == 8 * 61 * 576
    assert llama.kv_bytes_per_tok("bf16", 8) == llama.kv_bytes_per_tok("bf16", 1)
    assert load_model("qwen3-235b").kv_bytes_per_tok("fp8", 8) == 2 * 94 * 4 * 128 * 2
