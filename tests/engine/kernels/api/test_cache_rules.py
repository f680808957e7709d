"""Cache rules: the full table of what each rule keeps."""

from itertools import product
from types import SimpleNamespace

import pytest

from simulator.engine.kernels.api.cache_rules import (
    CACHE_BREAKPOINT,
    CACHE_NONE,
    CACHE_PREFIX,
    CACHE_UNIT,
    bills_writes,
    keeps_earlier,
    keeps_prompt,
    keeps_unsimulated,
    needs_second_use,
)
from simulator.pricing.caching import RULES, PromptCache

BOTH = (False, True)
LEVELS = range(4)


def endpoint(rule: int, shared: int = 2, end_mark: int = 1) -> SimpleNamespace:
    """The upper ``shared`` levels have marks, and the end of a prompt with ``end_mark``."""
    return SimpleNamespace(cache_rule=rule, cache_shared=shared, cache_end_mark=end_mark)


def test_codes_of_rules_are_their_positions_in_the_list_of_names() -> None:
    codes = {"none": CACHE_NONE, "prefix": CACHE_PREFIX, "breakpoint": CACHE_BREAKPOINT}
    assert {name: RULES.index(name) for name in RULES} == {**codes, "unit": CACHE_UNIT}


def test_without_a_rule_nothing_is_kept_and_with_prefixes_everything() -> None:
    for rule, kept in ((CACHE_NONE, False), (CACHE_PREFIX, True)):
        for level, *flags in product(LEVELS, *[BOTH] * 5):
            assert keeps_prompt(endpoint(rule), level, *flags) == kept
        for level, *flags in product(LEVELS, *[BOTH] * 3):
            assert keeps_earlier(endpoint(rule), level, *flags) == kept
    assert keeps_unsimulated(endpoint(CACHE_PREFIX), 3, False, False)


def test_units_are_whole_prompts_and_what_is_used_a_second_time() -> None:
    unit = endpoint(CACHE_UNIT)
    for level, is_end, is_cached, is_recent, *marks in product(LEVELS, *[BOTH] * 5):
        expected = is_end or is_cached or is_recent
        assert keeps_prompt(unit, level, is_end, is_cached, is_recent, *marks) == expected
        assert keeps_earlier(unit, level, is_end, *marks) == is_end
        assert keeps_unsimulated(unit, level, is_recent, marks[0]) == is_recent


@pytest.mark.parametrize("end_mark", [0, 1])
@pytest.mark.parametrize("shared", [0, 1, 3])
def test_breakpoints_are_shared_levels_and_the_end_where_marks_pay(
    shared: int, end_mark: int
) -> None:
    marked = endpoint(CACHE_BREAKPOINT, shared, end_mark)
    for level, is_end, is_cached, is_recent, mark_shared, mark_end in product(LEVELS, *[BOTH] * 5):
        expected = mark_shared if level < shared else is_end and mark_end and end_mark == 1
        prompt = keeps_prompt(marked, level, is_end, is_cached, is_recent, mark_shared, mark_end)
        assert prompt == expected
        assert keeps_earlier(marked, level, is_end, mark_shared, mark_end) == expected
        kept = keeps_unsimulated(marked, level, is_recent, mark_shared)
        assert kept == (level < shared and mark_shared)


@pytest.mark.parametrize("code", range(len(RULES)))
def test_breakpoints_bill_writes_and_units_need_a_second_use(code: int) -> None:
    assert bills_writes(endpoint(code)) == PromptCache(RULES[code], 1.0, 1, 1).bills_writes
    assert needs_second_use(endpoint(code)) == (RULES[code] == "unit")
