"""Reader of range data of Prometheus: usage of serving engines and of the LiteLLM proxy.

``series.py`` has the source of the format, ``systems.py`` those of the metrics. Counters become
increases between samples (``counters.py``), summed over all processes.
"""

from collections.abc import Iterator, Sequence

from simulator.files.text import Source
from simulator.traffic.usage.buckets import Bucket, Group, Lengths, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat
from simulator.traffic.usage.metrics.choosing import Chosen, UsedSeries, chosen_from
from simulator.traffic.usage.metrics.counters import (
    Recorded,
    check_counter,
    common_step_s,
    increases,
    moments_of_targets,
)
from simulator.traffic.usage.metrics.lengths import lengths_of
from simulator.traffic.usage.metrics.points import CACHE_COLUMNS, PROMPT, Key, Points, refuse
from simulator.traffic.usage.metrics.series import Series, is_answer, series_of


def _matches(content: Content) -> bool:
    return content.header is None and is_answer(content.first)


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    series = series_of(content.path, content.records, notices)
    return buckets_of(series, content.path, notices)


def _lengths(content: Content) -> dict[Group, Lengths]:
    notices = Notices()  # ``_buckets`` has already noted the same things.
    series = series_of(content.path, content.records, notices)
    return lengths_of(series, content.path, notices)


def buckets_of(series: Sequence[Series], source: Source, notices: Notices) -> Iterator[Bucket]:
    """Yield the buckets that follow from series of counters.

    Raises
    ------
    InputError
        If no series is known, or they contradict each other.
    """
    choice = chosen_from(series, source, notices)
    step_s = common_step_s([c.series for c in (*choice.sums, *choice.lengths)], source)
    points = Points(source)
    _add_counters([c for c in choice.sums if c.rule is None], series, step_s, points, notices)
    for chosen in choice.sums:
        if chosen.rule is not None:
            _add_recorded(chosen, chosen.rule, step_s, points)
    _remark(choice, notices)
    _limit_cache(points, notices)
    yield from points.buckets()


def _add_counters(
    counters: Sequence[Chosen],
    series: Sequence[Series],
    step_s: float,
    points: Points,
    notices: Notices,
) -> None:
    """Add the increases of counters."""
    targets = moments_of_targets(series)
    first_s = min((c.series.times_s[0] for c in counters if len(c.series.times_s)), default=0.0)
    for chosen in counters:
        one = chosen.series
        check_counter(one, points.source)
        before_ms = targets[one.target] if one.target is not None else None
        found = increases(one.times_s, one.values, step_s, before_ms)
        if found is None:
            continue
        if found.missing:
            notices.leave_out(f"steps without samples in series of {one.name}", found.missing)
        if found.restarts:
            text = f"parts of steps before a restart in series of {one.name}"
            notices.leave_out(text, found.restarts)
        began_here = len(found.begin_s) and found.begin_s[0] < one.times_s[0]
        if one.times_s[0] > first_s and not began_here:
            notices.leave_out(f"first samples of {one.name}, which began to count before them")
        if chosen.column == "requests" and chosen.system.failed(one.labels):
            if found.amounts.sum():
                notices.leave_out(
                    f"failed calls in series of {one.name}", round(found.amounts.sum())
                )
            continue
        for begin_s, amount in zip(found.begin_s.tolist(), found.amounts.tolist(), strict=True):
            points.add(one.line, (begin_s, step_s, chosen.group), chosen.column, amount)


def _add_recorded(chosen: Chosen, rule: Recorded, step_s: float, points: Points) -> None:
    """Add the values of a recording rule, each of which holds the span before its moment."""
    one = chosen.series
    if round(rule.window_s) != round(step_s):
        message = f"{one.name} holds spans of {rule.window_s:g} s and has samples every {step_s:g}"
        refuse(points.source, one.line, f"{message} s; ask for a step of the same length")
    factor = rule.window_s if rule.is_rate else 1.0
    for time_s, value in zip(one.times_s.tolist(), one.values.tolist(), strict=True):
        key = (time_s - step_s, step_s, chosen.group)
        points.add(one.line, key, chosen.column, value * factor)


def _remark(choice: UsedSeries, notices: Notices) -> None:
    for system in {c.system.name for c in choice.sums}:
        columns = {c.column for c in choice.sums if c.system.name == system}
        if "cached_tok" not in columns:
            notices.remark(f"How many prompt tokens {system} read from a cache is unknown.")
        if "written_5m_tok" in columns:
            notices.remark(
                f"The metrics of {system} do not tell for how long prompts are cached: five "
                "minutes."
            )


def _limit_cache(points: Points, notices: Notices) -> None:
    """Limit the tokens of the cache to those of the prompts in each bucket.

    Both are counted at different moments of a call, so that one may be in the bucket before.

    Raises
    ------
    InputError
        If a group has more tokens of the cache than prompt tokens in total.
    """
    totals: dict[Group, tuple[float, float, Key]] = {}
    for key, sums in points.sums.items():
        if PROMPT not in sums:
            continue
        prompt, cache = sums[PROMPT], sum(sums.get(name, 0.0) for name in CACHE_COLUMNS)
        before = totals.get(key[2], (0.0, 0.0, key))
        totals[key[2]] = (before[0] + prompt, before[1] + cache, before[2])
        if cache > prompt:
            text = "tokens of a cache above the prompt tokens of their bucket"
            notices.leave_out(text, round(cache - prompt))
            for name in CACHE_COLUMNS:
                if name in sums:
                    sums[name] *= prompt / cache
    for prompt, cache, key in totals.values():
        if cache > prompt:
            message = f"{cache:,.0f} tokens of the cache exceed {prompt:,.0f} prompt tokens in all"
            points.refuse_bucket(key, f"{message} buckets, which contain them")


PROMETHEUS = ExportFormat(
    "prometheus",
    "Range data of Prometheus with metrics of vLLM, SGLang, LiteLLM or TGI: JSON of query_range",
    _matches,
    _buckets,
    lengths=_lengths,
)
