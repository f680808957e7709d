"""Model shapes from a Hugging Face ``config.json`` on disk."""

from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.files.jsontext import read_json
from simulator.serving.models import ModelShape

Config = dict[str, Any]

_EXPERTS = ("num_local_experts", "n_routed_experts", "num_experts")
_PER_TOKEN = ("num_experts_per_tok", "experts_per_token", "moe_topk")
_MOST = 1 << 40


def read_config(path: Path) -> ModelShape:
    """Return the shape of a decoder by its configuration; parameters are counted from it.

    Gated MLPs of three matrices are assumed, as in all current families. Layers are alike but for
    leading dense ones and for windows.

    Raises
    ------
    InputError
        When the file is no such configuration, or lacks a figure.
    """
    where = path / "config.json" if path.is_dir() else path
    data = read_json(where)
    if not isinstance(data, dict):
        raise InputError(f"{where}: expected a JSON object")
    inner = data.get("text_config")
    return _shape(inner if isinstance(inner, dict) else data, where)


def _shape(c: Config, where: Path) -> ModelShape:
    layers = _whole(c, where, "num_hidden_layers")
    hidden = _whole(c, where, "hidden_size")
    q_heads = _whole(c, where, "num_attention_heads")
    vocabulary = _whole(c, where, "vocab_size")
    latent = c.get("kv_lora_rank")
    kv_heads = 1 if latent else _whole(c, where, "num_key_value_heads", q_heads)
    head = _whole(c, where, "head_dim", max(1, hidden // q_heads))
    if latent:
        rope = _whole(c, where, "qk_rope_head_dim")
        attention = _latent_attention_params(c, where, hidden, q_heads)
        cached = _whole(c, where, "kv_lora_rank") + rope
    else:
        attention = hidden * head * (2 * q_heads + 2 * kv_heads)
        cached = head
    experts, chosen = _first(c, where, _EXPERTS), _first(c, where, _PER_TOKEN)
    if experts and not chosen:
        raise InputError(f"{where}: expected one of {', '.join(_PER_TOKEN)} beside the experts")
    dense_layers = _whole(c, where, "first_k_dense_replace", 0, least=0) if experts else layers
    if dense_layers > layers:
        raise InputError(
            f"{where}: first_k_dense_replace must be at most num_hidden_layers, {layers}, "
            f"not {dense_layers}"
        )
    mlp = 3 * hidden * _whole(c, where, "intermediate_size", 4 * hidden)
    expert = (
        3
        * hidden
        * _whole(
            c, where, "moe_intermediate_size", _whole(c, where, "intermediate_size", 4 * hidden)
        )
    )
    shared = _whole(c, where, "n_shared_experts", 0, least=0)
    expert_layers = layers - dense_layers
    fixed = layers * attention + dense_layers * mlp + expert_layers * shared * expert
    head_params = vocabulary * hidden
    embedding = 0 if c.get("tie_word_embeddings") else head_params
    routed = expert_layers * experts * expert
    total = fixed + routed + head_params + embedding
    return ModelShape(
        name=str(c.get("_name_or_path") or where.parent.name or "model"),
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
        context_tok=_whole(c, where, "max_position_embeddings"),
        source=f"{where.name} of {where.parent.name}, parameters computed",
        **_windows(c, where, layers),
    )


def _latent_attention_params(c: Config, where: Path, hidden: int, heads: int) -> int:
    """Parameters of one layer of multi-head latent attention (DeepSeek-V2, arXiv 2405.04434)."""
    latent, rope = _whole(c, where, "kv_lora_rank"), _whole(c, where, "qk_rope_head_dim")
    nope, value = _whole(c, where, "qk_nope_head_dim"), _whole(c, where, "v_head_dim")
    query = c.get("q_lora_rank")
    width = heads * (nope + rope)
    reads = hidden * width if query is None else (hidden + width) * _whole(c, where, "q_lora_rank")
    return (
        reads + hidden * (latent + rope) + latent * heads * (nope + value) + heads * value * hidden
    )


def _windows(c: Config, where: Path, layers: int) -> dict[str, Any]:
    """Layers that see a window, or keep a state, by ``layer_types``; all of them by a window alone.

    Linear attention counts as a window of nothing.
    """
    kinds = c.get("layer_types")
    if isinstance(kinds, list):
        narrow = sum(kind != "full_attention" for kind in kinds)
        linear = any("linear" in str(kind) for kind in kinds)
        width = 0 if linear else _whole(c, where, "sliding_window", 0, least=0)
        return {"window_layers": narrow, "window_tok": width}
    if c.get("sliding_window") and c.get("use_sliding_window", True):
        return {"window_layers": layers, "window_tok": _whole(c, where, "sliding_window")}
    return {}


def _first(c: Config, where: Path, names: tuple[str, ...]) -> int:
    name = next((n for n in names if c.get(n)), None)
    return 0 if name is None else _whole(c, where, name)


def _whole(c: Config, where: Path, name: str, default: int | None = None, least: int = 1) -> int:
    value = c.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < _MOST:
        raise InputError(
            f"{where}: {name} must be a whole number of {least} or more, not {value!r}"
        )
    return value
