"""Tables of hardware and model profiles."""

from typing import Any

from rich.console import Console

from simulator.report.formatting import digits
from simulator.report.text_tables import add_figures, plain_table

Profile = dict[str, Any]


def print_profiles(kind: str, profiles: dict[str, Profile], console: Console) -> None:
    """Print one row for each profile."""
    table = plain_table()
    table.add_column(kind, no_wrap=True)
    columns = _COLUMNS[kind]
    add_figures(table, columns)
    for name, profile in profiles.items():
        table.add_row(name, *(show(profile) for show in columns.values()))
    console.print(table)


def _rent(profile: Profile) -> str:
    rent = profile["rents_usd_per_gpu_hour"].get("on-demand")
    return "unknown" if rent is None else _value_text(rent)


def _tflops(precision: str) -> Any:
    return lambda profile: digits(profile["peak_tflops"].get(precision))


_HARDWARE: dict[str, Any] = {
    "GB": lambda p: f"{p['memory_gb']:g}",
    "TB/s": lambda p: f"{p['memory_tb_s']:g}",
    "bf16": _tflops("bf16"),
    "fp8": _tflops("fp8"),
    "fp4": _tflops("fp4"),
    "USD/GPU-hour": _rent,
}
_MODELS: dict[str, Any] = {
    "params": lambda p: f"{p['total_params_b']:g}B",
    "active": lambda p: f"{p['active_params_b']:g}B",
    "layers": lambda p: f"{p['layers']}",
    "KV heads": lambda p: "MLA" if p["attention"] == "mla" else f"{p['kv_heads']}",
    "context": lambda p: f"{p['context_tok']:,}",
}
_APPLIANCES: dict[str, Any] = {
    "GB": lambda p: f"{p['memory_gb']:g}",
    "TB/s": lambda p: f"{p['memory_tb_s']:g}",
    "tokens sold as": lambda p: p["offers"][0],
}
_COLUMNS = {"accelerators": _HARDWARE, "appliances": _APPLIANCES, "models": _MODELS}


def print_profile(name: str, profile: Profile, console: Console) -> None:
    """Print every field of a profile."""
    console.print(name, style="bold")
    for field, value in profile.items():
        if value is not None:
            console.print(f"  {field:24}{_value_text(value)}", markup=False, soft_wrap=True)


def _value_text(value: Any) -> str:
    """Return a value on one line: intervals as low - mid - high, other mappings by name."""
    if isinstance(value, dict) and set(value) == {"low", "mid", "high"}:
        return f"{value['low']:g} - {value['mid']:g} - {value['high']:g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value_text(part)}" for name, part in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return str(value)
