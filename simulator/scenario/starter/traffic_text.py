"""Text of traffic sections: YAML with a comment on where the numbers come from."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.errors import printable
from simulator.files.yamltree import dumped

_WIDTH = 100
_PER_LINE = 12
"""Hourly factors in a line: half a day."""


@dataclass(frozen=True, slots=True)
class TrafficSection:
    """A workload as it is written in a scenario, with a comment."""

    name: str
    section: dict[str, Any]
    about: str
    """Where its numbers come from: whole sentences, which become a comment above it."""
    model: str = ""
    """Model as the source names it, empty if it names none."""
    provider: str = ""
    is_batch: bool = False
    """Whether its calls are batch work, which has a deadline."""
    written_share: float = 0.0
    """Share of prompt tokens that the source counts as written to a cache."""
    hints: Sequence[str] = ()
    """Lines under its last key: other keys that a user may want."""


def traffic_text(workloads: Sequence[TrafficSection]) -> str:
    """Return the ``traffic`` section of a scenario with these workloads."""
    return "\n".join(["traffic:", *(line for w in workloads for line in _lines(w))]) + "\n"


def _lines(workload: TrafficSection) -> list[str]:
    """Return the lines of one workload."""
    # Names of models come from other people's files, and must not end a comment.
    comment = textwrap.wrap(printable(workload.about), _WIDTH - 4, break_on_hyphens=False)
    lines = [f"  # {line}" for line in comment]
    lines.append(f"  {_flow(workload.name)}:")
    for key, value in workload.section.items():
        if isinstance(value, list) and len(value) > _PER_LINE:
            lines += _hours(key, value)
        else:
            lines.append(f"    {key}: {_flow(value)}")
    return lines + [f"    # {hint}" for hint in workload.hints]


def _hours(key: str, factors: Sequence[float]) -> list[str]:
    """Return the lines of hourly factors, two for each day."""
    days = [factors[n : n + _PER_LINE] for n in range(0, len(factors), _PER_LINE)]
    ends = [","] * (len(days) - 1) + ["]"]
    texts = [", ".join(f"{value:g}" for value in day) for day in days]
    first, *rest = [text + end for text, end in zip(texts, ends, strict=True)]
    return [f"    {key}: [", *(f"      {text}" for text in (first, *rest))]


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, dict):
        inside = ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items())
        return f"{{{inside}}}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return dumped(value).removesuffix("\n").removesuffix("\n...")
