"""Aggregated usage, independent of its format: sums of calls by group and bucket of time.

A bucket has no single calls. What it lacks is NaN, since zero would be a fact.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COUNTS = (
    "requests",
    "uncached_tok",
    "cached_tok",
    "written_5m_tok",
    "written_1h_tok",
    "completion_tok",
    "reasoning_tok",
    "audio_input_tok",
    "audio_output_tok",
    "image_input_tok",
    "spend_usd",
)
"""Sums of a bucket, as ``Bucket`` has them."""


class Group(NamedTuple):
    """Calls that an export sums together; a text is empty if the export does not tell it."""

    model: str
    """Model as the export names it."""
    provider: str = ""
    """Provider or platform as the export names it, or as its format implies: ``openai``,
    ``anthropic``, ``azure``, ``bedrock``."""
    project: str = ""
    """Project, workspace or team."""
    key: str = ""
    """Name or identifier of the API key."""
    tier: str = ""
    """Service tier, such as ``batch``, ``flex`` or ``priority``; empty for the standard tier."""
    context: str = ""
    """Context lengths of the calls, such as ``0-200k`` and ``200k-1M``."""
    region: str = ""
    """Region of the inference where it may change the price; empty for anywhere."""


class Bucket(NamedTuple):
    """Sums of the calls of one group that began in a span of time."""

    begin_s: float
    """Begin of the span [s since 1970, UTC]."""
    length_s: float
    """Length of the span [s]."""
    group: Group
    requests: float = np.nan
    """Calls that reached a model, without failed ones where the export tells them apart."""
    uncached_tok: float = np.nan
    """Prompt tokens that were neither read from a cache nor written to one, text, audio and images
    together; all prompt tokens if the export does not tell the others apart."""
    cached_tok: float = np.nan
    """Prompt tokens that were read from the provider's cache."""
    written_5m_tok: float = np.nan
    """Prompt tokens that were written to a cache with the provider's usual lifetime."""
    written_1h_tok: float = np.nan
    """Prompt tokens that were written to a cache for an hour."""
    completion_tok: float = np.nan
    """Output and reasoning tokens together."""
    reasoning_tok: float = np.nan
    """Reasoning tokens, part of ``completion_tok``."""
    audio_input_tok: float = np.nan
    """Audio tokens of prompts, part of the three prompt counts."""
    audio_output_tok: float = np.nan
    """Audio tokens of answers, part of ``completion_tok``."""
    image_input_tok: float = np.nan
    """Image tokens of prompts, part of the three prompt counts."""
    spend_usd: float = np.nan
    """Cost that the export states."""


@dataclass(slots=True)
class Notices:
    """What the reading of an export left out or found contradictory, for a summary.

    Readers add to it instead of dropping anything silently.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    """Number of records left out, by their kind in words, such as ``embedding results``."""
    remarks: list[str] = field(default_factory=list)
    """Whole sentences about what an export cannot tell, each once."""
    covered_s: tuple[float, float] = (math.inf, -math.inf)
    """Begin and end of the time that an export covers, empty buckets included, as far as it states
    them [s since 1970, UTC]."""

    def cover(self, begin_s: float, length_s: float) -> None:
        """Note that an export covers a span, whether or not it has any calls."""
        begin, end = self.covered_s
        self.covered_s = (min(begin, begin_s), max(end, begin_s + length_s))

    def leave_out(self, kind: str, count: int = 1) -> None:
        """Count records that are left out."""
        self.left_out[kind] += count

    def remark(self, sentence: str) -> None:
        """Note a sentence, once."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)


@dataclass(frozen=True, slots=True)
class LengthHistogram:
    """Number of calls by the length of their prompts or of their completions."""

    edges_tok: NDArray[np.float64]
    """Upper edges of the classes in ascending order, the last of which is infinite. (n_classes,)"""
    counts: NDArray[np.float64]
    """Calls that are longer than the edge before and at most as long as this one. (n_classes,)"""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Distributions of lengths in one group; None where an export does not tell them."""

    prompt: LengthHistogram | None
    completion: LengthHistogram | None


@dataclass(frozen=True, slots=True)
class UsageTable:
    """All buckets of an export as columns, in the order of time."""

    groups: tuple[Group, ...]
    group: NDArray[np.int64]
    """Index into ``groups``. (n_buckets,)"""
    begin_s: NDArray[np.float64]
    """Begin of each bucket [s since 1970, UTC]. (n_buckets,)"""
    length_s: NDArray[np.float64]
    """Length of each bucket [s]. (n_buckets,)"""
    requests: NDArray[np.float64]
    """This and the following columns: sums as in ``Bucket``, NaN if unknown. (n_buckets,)"""
    uncached_tok: NDArray[np.float64]
    cached_tok: NDArray[np.float64]
    written_5m_tok: NDArray[np.float64]
    written_1h_tok: NDArray[np.float64]
    completion_tok: NDArray[np.float64]
    reasoning_tok: NDArray[np.float64]
    audio_input_tok: NDArray[np.float64]
    audio_output_tok: NDArray[np.float64]
    image_input_tok: NDArray[np.float64]
    spend_usd: NDArray[np.float64]
    covered_s: tuple[float, float]
    """Begin and end of the time that the export covers [s since 1970, UTC]."""
    lengths: dict[Group, Lengths] = field(default_factory=dict)
    """Distributions of lengths in the whole export, for the groups that have any."""

    @staticmethod
    def of(
        buckets: Sequence[Bucket],
        lengths: dict[Group, Lengths] | None = None,
        covered_s: tuple[float, float] = (math.inf, -math.inf),
    ) -> "UsageTable":
        """Return the columns of buckets; groups are numbered in the order of their names.

        The export covers ``covered_s`` in addition to its buckets.
        """
        groups = sorted({b.group for b in buckets})
        number = {group: index for index, group in enumerate(groups)}
        begin_s = np.array([b.begin_s for b in buckets], np.float64)
        group = np.array([number[b.group] for b in buckets], np.int64)
        order = np.lexsort((group, begin_s))
        names = ("length_s", *COUNTS)
        columns = {
            name: np.array([getattr(b, name) for b in buckets], np.float64)[order] for name in names
        }
        covered = (
            min(covered_s[0], *(b.begin_s for b in buckets)),
            max(covered_s[1], *(b.begin_s + b.length_s for b in buckets)),
        )
        return UsageTable(
            tuple(groups),
            group[order],
            begin_s[order],
            covered_s=covered,
            lengths=lengths or {},
            **columns,
        )

    @property
    def size(self) -> int:
        """Number of buckets."""
        return len(self.begin_s)

    @property
    def prompt_tok(self) -> NDArray[np.float64]:
        """Return all prompt tokens of each bucket, NaN if the uncached ones are unknown.

        (n_buckets,)
        """
        parts = (self.cached_tok, self.written_5m_tok, self.written_1h_tok)
        total: NDArray[np.float64] = self.uncached_tok + sum(map(np.nan_to_num, parts))
        return total

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "UsageTable":
        """Return the chosen buckets, with all groups and their distributions of lengths."""
        whole = ("groups", "lengths", "covered_s")
        names = [f.name for f in fields(self) if f.name not in whole]
        return replace(self, **{name: getattr(self, name)[rows] for name in names})
