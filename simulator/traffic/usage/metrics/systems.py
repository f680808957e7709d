"""Metrics that serving engines and gateways export to Prometheus, and what they count.

Sources, read on 2026-11-28:

* vLLM: documentation, "Production metrics", and ``vllm/v1/metrics/loggers.py`` and ``stats.py``. A
  prompt counts with its whole length when its first token is generated. Cached tokens of
  ``prompt_tokens_cached`` are part of it; ``prefix_cache_hits`` counts tokens of every look-up, a
  second time after a preemption. The finish reason ``error`` is a failed request.
* SGLang: documentation, "Production metrics", and
  ``python/sglang/srt/observability/metrics_collector.py``. All counters of a request increase when
  it ends, and cached tokens, by their source, are part of the prompt.
* LiteLLM proxy: documentation, "Prometheus metrics" (2026-10-08), and
  ``litellm/types/integrations/prometheus.py``. Input tokens contain those that were read from or
  written to a provider's cache. ``litellm_cached_tokens_metric`` is another thing: it counts
  answers from the cache of LiteLLM itself.
* Text Generation Inference: documentation, "Metrics". There are no labels for the model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator.traffic.usage.metrics.points import PROMPT

_LENGTH_SUFFIX = "_bucket"


@dataclass(frozen=True, slots=True)
class System:
    """One program and its metrics."""

    name: str
    sums: dict[str, tuple[str, ...]]
    """Counters of each column; only the first that there is counts."""
    lengths: tuple[str, ...]
    """Histograms of the lengths of prompts and of completions, or nothing."""
    failed: Callable[[Mapping[str, str]], bool] = lambda _: False
    """Whether a series with these labels counts calls that failed."""
    models: tuple[str, ...] = ("model_name",)
    """Labels for the model; the first that all series have is used."""
    projects: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def counters(self) -> tuple[str, ...]:
        """Return the names of all counters."""
        return tuple(name for names in self.sums.values() for name in names)

    @property
    def length_names(self) -> dict[str, str]:
        """Return the columns of the series of both histograms, by name."""
        columns = (PROMPT, "completion_tok")[: len(self.lengths)]
        names = [base + _LENGTH_SUFFIX for base in self.lengths]
        return dict(zip(names, columns, strict=True))


def _not_2xx(labels: Mapping[str, str]) -> bool:
    code = labels.get("status_code", "")
    return code.isdecimal() and not code.startswith("2")


SYSTEMS = (
    System(
        "vllm",
        {
            "requests": ("vllm:request_success_total", "vllm:request_prompt_tokens_count"),
            PROMPT: ("vllm:prompt_tokens_total", "vllm:request_prompt_tokens_sum"),
            "cached_tok": (
                "vllm:prompt_tokens_cached_total",
                "vllm:prefix_cache_hits_total",
                "vllm:gpu_prefix_cache_hits_total",
            ),
            "completion_tok": (
                "vllm:generation_tokens_total",
                "vllm:request_generation_tokens_sum",
            ),
        },
        ("vllm:request_prompt_tokens", "vllm:request_generation_tokens"),
        lambda labels: labels.get("finished_reason") == "error",
    ),
    System(
        "sglang",
        {
            "requests": ("sglang:num_requests_total", "sglang:prompt_tokens_histogram_count"),
            PROMPT: ("sglang:prompt_tokens_total", "sglang:prompt_tokens_histogram_sum"),
            "cached_tok": ("sglang:cached_tokens_total",),
            "completion_tok": (
                "sglang:generation_tokens_total",
                "sglang:generation_tokens_histogram_sum",
            ),
        },
        ("sglang:prompt_tokens_histogram", "sglang:generation_tokens_histogram"),
    ),
    System(
        "litellm",
        {
            "requests": (
                "litellm_requests_metric_total",
                "litellm_proxy_total_requests_metric_total",
            ),
            PROMPT: ("litellm_input_tokens_metric_total",),
            "cached_tok": ("litellm_input_cached_tokens_metric_total",),
            "written_5m_tok": ("litellm_input_cache_creation_tokens_metric_total",),
            "completion_tok": ("litellm_output_tokens_metric_total",),
            "reasoning_tok": ("litellm_output_reasoning_tokens_metric_total",),
            "audio_input_tok": ("litellm_input_audio_tokens_metric_total",),
            "audio_output_tok": ("litellm_output_audio_tokens_metric_total",),
            "spend_usd": ("litellm_spend_metric_total",),
        },
        (),
        _not_2xx,
        ("model", "requested_model"),
        ("team_alias", "team"),
        ("api_key_alias", "hashed_api_key"),
    ),
    System(
        "tgi",
        {
            "requests": ("tgi_request_success", "tgi_request_input_length_count"),
            PROMPT: ("tgi_request_input_length_sum",),
            "completion_tok": ("tgi_request_generated_tokens_sum",),
        },
        ("tgi_request_input_length", "tgi_request_generated_tokens"),
    ),
)


def without_colons(name: str) -> str:
    """Return the name of a metric as systems write it that allow no colon."""
    return name.replace(":", "_")
