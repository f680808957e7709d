"""Token counts of one call, converted from any tool's counting rule to one partition.

Tools count prompts differently: some include cached tokens, others count them separately, and some
do one or the other depending on the provider. The rule that a tool's documents state applies,
unless the record states a total that only another rule gives. A record whose counts contradict each
other by every rule, or that counts something unknown, is not read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from simulator.files.numbers import abbreviated
from simulator.traffic.formats.records.count_names import Part, part_of
from simulator.traffic.formats.records.values import BadRecord, missing_field, whole_count

CONTRADICTION = "rows contradict their total"
UNKNOWN_COUNT = "rows with unknown token counts"
_MEDIA = (Part.AUDIO, Part.IMAGE, Part.VIDEO, Part.FILE)
_DEFAULT_ZERO = (
    Part.READ, Part.WRITTEN, Part.WRITTEN_5M, Part.WRITTEN_1H, Part.REASONING, Part.TOTAL,
)  # fmt: skip
"""Counts for which tools write 0 where they know nothing, so that another name's value counts."""


class Rule(NamedTuple):
    """A counting rule: which counts are part of the input and of the output, and which are not."""

    read_within: bool
    """Input includes the tokens read from a cache."""
    written_within: bool
    """Input includes the tokens written to a cache."""
    reasoning_within: bool
    """Output includes reasoning."""
    kinds_within: bool
    """Input and output include their kinds, such as text."""
    tools_within: bool
    """Input includes the prompts of a provider's tools."""


INCLUSIVE = Rule(True, True, True, True, True)
"""Of the providers' own usage, except Anthropic's and Gemini's, and of the GenAI conventions."""
SEPARATE = Rule(False, False, False, False, False)
"""Of tools that split usage so that all parts add up to the total."""
GEMINI = Rule(True, True, False, True, False)
"""Of the Gemini API: thoughts and prompts of tools are in addition (its reference, 2026)."""
_RULES = [Rule(*flags) for flags in product((True, False), repeat=5)]


class CallTokens(NamedTuple):
    """The tokens of one call; counts that are not reported are None."""

    input: int
    """Whole prompt: uncached + read from a cache + written to one."""
    cached: int | None
    written: int | None
    written_1h: int | None
    """Part of ``written`` that is kept for an hour."""
    output: int
    """Visible output."""
    reasoning: int | None


@dataclass(slots=True)
class Counts:
    """The counts of one record by what they count, with the names that the record gives them."""

    values: dict[Part, int]
    names: dict[Part, str]

    @staticmethod
    def of(named: Iterable[tuple[str, Any]]) -> "Counts":
        """Collect counts by their names.

        Raises
        ------
        BadRecord
            If a count is not a whole number, is unknown and not zero, or if two names of the same
            count have different values.
        """
        counts = Counts({}, {})
        for name, value in named:
            part = part_of(name)
            if part is Part.NO_TOKENS:
                continue
            if part is Part.UNKNOWN:
                _check_unknown(name, value)
                continue
            counts._add(part, name, whole_count(name, value))
        return counts

    def _add(self, part: Part, name: str, value: int) -> None:
        known = self.values.get(part)
        if known is None or (known == 0 and part in _DEFAULT_ZERO):
            self.values[part], self.names[part] = value, name
        elif part in (Part.INPUT_PART, Part.OUTPUT_PART, *_MEDIA):
            self.values[part] = known + value
        elif value != known and not (value == 0 and part in _DEFAULT_ZERO):
            other = self.names[part]
            raise BadRecord(name, f"{name} is {value}, but {other} is {known}", CONTRADICTION)

    def get(self, part: Part) -> int:
        """Return a count, 0 if it is not reported."""
        return self.values.get(part, 0)

    def media(self) -> str | None:
        """Return the kind of a call with tokens of other media than text, or None."""
        found = next((part for part in _MEDIA if self.get(part)), None)
        return None if found is None else f"calls with {found} tokens"

    def is_empty(self) -> bool:
        """Return whether the record counts no tokens at all."""
        return not any(self.values.values())


def _check_unknown(name: str, value: Any) -> None:
    """Raise BadRecord for an unknown count unless it is zero or no whole number."""
    number = value
    if isinstance(value, str):
        number = int(value) if value.strip().isdigit() else 0
    if isinstance(number, int | float) and number:
        text = f"unknown token count {name!r} of {abbreviated(number)}"
        raise BadRecord(name, text, UNKNOWN_COUNT)


def tokens_of(
    counts: Counts,
    rule: Rule,
    *,
    has_output: bool = True,
    names: Mapping[Part, str] | None = None,
) -> CallTokens:
    """Return the tokens of a call by the rule of its format, or by the one that gives its total.

    Parameters
    ----------
    counts : Counts
        The record's counts.
    rule : Rule
        The rule that the format's documents state.
    has_output : bool
        Whether the operation has an output; embeddings have none.
    names : mapping from Part to str, optional
        The format's names of input and output, for messages about missing ones.

    Raises
    ------
    BadRecord
        If input or output is missing, or the counts contradict each other.
    """
    names = names or {}
    written, written_1h = _written(counts)
    _require_input(counts, names)
    found = _Reading(counts, written)
    total = counts.get(Part.TOTAL)
    if Part.OUTPUT not in counts.values and has_output and not found.output_is_zero(total):
        raise missing_field(names.get(Part.OUTPUT, "output tokens"))
    chosen = found.by_rule(rule)
    if total and (chosen is None or sum(chosen) != total):
        others = {o for r in _RULES if (o := found.by_rule(r)) is not None and sum(o) == total}
        if len(others) != 1:
            raise BadRecord(counts.names[Part.TOTAL], found.problem(rule, total), CONTRADICTION)
        (chosen,) = others
    if chosen is None:
        raise BadRecord("", found.problem(rule, 0), CONTRADICTION)
    prompt, completion = chosen
    reasoning = counts.values.get(Part.REASONING)
    cached = counts.values.get(Part.READ)
    return CallTokens(prompt, cached, written, written_1h, completion - (reasoning or 0), reasoning)


def _written(counts: Counts) -> tuple[int | None, int | None]:
    """Return the tokens written to a cache, and those of them that it keeps for an hour."""
    short, long = counts.values.get(Part.WRITTEN_5M), counts.values.get(Part.WRITTEN_1H)
    written = counts.values.get(Part.WRITTEN)
    if short is None and long is None:
        return written, None
    parts = (short or 0) + (long or 0)
    if written and parts and written != parts:
        text = f"{parts} tokens written for five minutes and an hour, but {written} in all"
        raise BadRecord(counts.names[Part.WRITTEN], text, CONTRADICTION)
    return max(parts, written or 0), long


def _require_input(counts: Counts, names: Mapping[Part, str]) -> None:
    """Raise BadRecord if the record has neither the input nor parts of it."""
    parts = (Part.INPUT, Part.UNCACHED, Part.INPUT_PART, Part.READ, Part.WRITTEN)
    if not any(part in counts.values for part in parts):
        raise missing_field(names.get(Part.INPUT, "input tokens"))


class _Reading:
    """Prompt and completion tokens of a record by each rule."""

    def __init__(self, counts: Counts, written: int | None) -> None:
        self._counts = counts
        self._read, self._written = counts.get(Part.READ), written or 0
        self._reasoning = counts.get(Part.REASONING)

    def by_rule(self, rule: Rule) -> tuple[int, int] | None:
        """Return prompt and completion tokens, None if the counts contradict the rule."""
        get = self._counts.get
        prompt = self._prompt(rule)
        cached = self._read + self._written
        completion = get(Part.OUTPUT)
        if not rule.reasoning_within:
            completion += self._reasoning
        if not rule.kinds_within:
            completion += get(Part.OUTPUT_PART)
        uncached = self._counts.values.get(Part.UNCACHED)
        too_much = cached > prompt or self._reasoning > completion
        if too_much or (uncached is not None and uncached != prompt - cached):
            return None
        return prompt, completion

    def _prompt(self, rule: Rule) -> int:
        get = self._counts.get
        if Part.INPUT not in self._counts.values and Part.UNCACHED in self._counts.values:
            return get(Part.UNCACHED) + self._read + self._written
        prompt = get(Part.INPUT)
        if not rule.read_within:
            prompt += self._read
        if not rule.written_within:
            prompt += self._written
        if not rule.kinds_within:
            prompt += get(Part.INPUT_PART)
        if not rule.tools_within:
            prompt += get(Part.TOOL_INPUT)
        return prompt

    def output_is_zero(self, total: int) -> bool:
        """Return whether a total proves that there is no output."""
        return bool(total) and any(
            found is not None and found == (total, 0) for found in map(self.by_rule, _RULES)
        )

    def problem(self, rule: Rule, total: int) -> str:
        """Return the message about counts that contradict each other."""
        get = self._counts.get
        if total:
            values, names = self._counts.values, self._counts.names
            parts = [f"{names[p]} {values[p]}" for p in values if p is not Part.TOTAL and values[p]]
            return f"{' + '.join(parts)} do not give {names[Part.TOTAL]} {total} by any rule"
        prompt, cached = self._prompt(rule), self._read + self._written
        if cached > prompt:
            text = "tokens read from and written to a cache, but the prompt has only"
            return f"{cached} {text} {prompt}"
        if self._reasoning > get(Part.OUTPUT):
            return f"{self._reasoning} reasoning tokens of only {get(Part.OUTPUT)} output"
        uncached, name = get(Part.UNCACHED), self._counts.names[Part.UNCACHED]
        return f"{name} is {uncached}, but {prompt} input tokens less {cached} cached ones are not"
