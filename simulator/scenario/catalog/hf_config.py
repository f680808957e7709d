"""Model shapes from a Hugging Face ``config.json`` on disk."""

from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.files.jsontext import read_json
from simulator.files.numbers import must_be
from simulator.serving.models import ModelShape

Config = dict[str, Any]

_EXPERTS = ("num_local_experts", "n_routed_experts", "num_experts")
_PER_TOKEN = ("num_experts_per_tok", "experts_per_token", "moe_topk")
_MOST = 1 << 40


def read_config(path: Path) -> ModelShape:
    """Return the shape of a decoder from its configuration, with parameters counted from it.

    Gated MLPs of three matrices are assumed, as in all current families. Layers are taken to be
    equal, except for leading dense layers and for window attention.

    Raises
    ------
    InputError
        When the file is not such a configuration, or lacks a figure.
    """
    file = path / "config.json" if path.is_dir() else path
    data = read_json(file)
    if not isinstance(data, dict):
        raise InputError(f"{file}: expected a JSON object")
    inner = data.get("text_config")
    return _shape(inner if isinstance(inner, dict) else data, file)


def _shape(c: Config, file: Path) -> ModelShape:
    layers = _whole(c, file, "num_hidden_layers")
    hidden = _whole(c, file, "hidden_size")
    q_heads = _whole(c, file, "num_attention_heads")
    vocabulary = _whole(c, file, "vocab_size")
    latent = c.get("kv_lora_rank")
    kv_heads = 1 if latent else _whole(c, file, "num_key_value_heads", q_heads)
    head = _whole(c, file, "head_dim", max(1, hidden // q_heads))
    if latent:
        rope = _whole(c, file, "qk_rope_head_dim")
        attention = _latent_attention_params(c, file, hidden, q_heads)
        cached = _whole(c, file, "kv_lora_rank") + rope
    else:
        attention = hidden * head * (2 * q_heads + 2 * kv_heads)
        cached = head
    experts, chosen = _first(c, file, _EXPERTS), _first(c, file, _PER_TOKEN)
    if experts and not chosen:
        raise InputError(
            f"{file}: expected one of {', '.join(_PER_TOKEN)} in addition to the experts"
        )
    dense_layers = _whole(c, file, "first_k_dense_replace", 0, least=0) if experts else layers
    if dense_layers > layers:
        raise InputError(
            f"{file}: first_k_dense_replace must be at most num_hidden_layers, {layers}, "
            f"not {dense_layers}"
        )
    mlp = 3 * hidden * _whole(c, file, "intermediate_size", 4 * hidden)
    expert = (
        3
        * hidden
        * _whole(c, file, "moe_intermediate_size", _whole(c, file, "intermediate_size", 4 * hidden))
    )
    shared = _whole(c, file, "n_shared_experts", 0, least=0)
    expert_layers = layers - dense_layers
    fixed = layers * attention + dense_layers * mlp + expert_layers * shared * expert
    head_params = vocabulary * hidden
    embedding = 0 if c.get("tie_word_embeddings") else head_params
    routed = expert_layers * experts * expert
    total = fixed + routed + head_params + embedding
    return ModelShape(
        name=str(c.get("_name_or_path") or file.parent.name or "model"),
        total_params=float(total),
        active_params=float(fixed + head_params + expert_layers * chosen * expert),
        layers=layers,
        hidden=hidden,
        q_heads=q_heads,
        kv_heads=kv_heads,
        head_dim=cached,
        experts=experts,
        experts_per_token=chosen,
        expert_share=routed / total,
        attention="mla" if latent else "gqa",
        context_tok=_whole(c, file, "max_position_embeddings"),
        source=f"{file.name} of {file.parent.name}, parameters computed",
        **_windows(c, file, layers),
    )


def _latent_attention_params(c: Config, file: Path, hidden: int, heads: int) -> int:
    """Count the parameters of a layer of latent attention (DeepSeek-V2, arXiv 2405.04434)."""
    latent, rope = _whole(c, file, "kv_lora_rank"), _whole(c, file, "qk_rope_head_dim")
    nope, value = _whole(c, file, "qk_nope_head_dim"), _whole(c, file, "v_head_dim")
    query = c.get("q_lora_rank")
    width = heads * (nope + rope)
    query_params = (
        hidden * width if query is None else (hidden + width) * _whole(c, file, "q_lora_rank")
    )
    return (
        query_params
        + hidden * (latent + rope)
        + latent * heads * (nope + value)
        + heads * value * hidden
    )


def _windows(c: Config, file: Path, layers: int) -> dict[str, Any]:
    """Return the number of layers with a window or a state, and the window's tokens.

    Linear attention counts as a window of 0 tokens. Without ``layer_types``, a sliding window
    applies to all layers.
    """
    kinds = c.get("layer_types")
    if isinstance(kinds, list):
        narrow = sum(kind != "full_attention" for kind in kinds)
        linear = any("linear" in str(kind) for kind in kinds)
        width = 0 if linear else _whole(c, file, "sliding_window", 0, least=0)
        return {"window_layers": narrow, "window_tok": width}
    if c.get("sliding_window") and c.get("use_sliding_window", True):
        return {"window_layers": layers, "window_tok": _whole(c, file, "sliding_window")}
    return {}


def _first(c: Config, file: Path, names: tuple[str, ...]) -> int:
    """Return the first given number of some names, 0 without any."""
    name = next((n for n in names if c.get(n)), None)
    return 0 if name is None else _whole(c, file, name)


def _whole(c: Config, file: Path, name: str, default: int | None = None, least: int = 1) -> int:
    """Return a whole number of the configuration, or the default if it is not given."""
    value = c.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < _MOST:
        raise InputError(must_be(f"{file}: {name}", f"a whole number, {least} or more", value))
    return value
