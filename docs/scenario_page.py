"""The page ``docs/scenario.md``: its introduction, then all sections and keys of scenario files."""

import re
import typing
from collections.abc import Iterator
from datetime import date, datetime
from textwrap import wrap
from types import NoneType, UnionType
from typing import Any, Literal

from page_parts import introduction, table
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from simulator.scenario.document.base_section import Interval, Section
from simulator.scenario.schema.amounts import AMOUNTS
from simulator.scenario.schema.composites import Choose
from simulator.scenario.schema.scenario import Scenario
from simulator.scenario.schema.traffic import Sessions

HEADINGS = ("key", "type", "unit", "default", "what")
DEEPEST = 5
"""Level of a heading."""
NOTES: dict[type[BaseModel], str] = {
    Sessions: "With `preset`, only `kind` and `requests_per_month` are needed.",
    Choose: "Any keys of the section around it, each with a list of values.",
}
UNITS = (
    (r"^monthly_usd$", "USD/month"),
    (r"usd_per_gpu_hour$", "USD/GPU-hour"),
    (r"usd_per_kwh$", "USD/kWh"),
    (r"usd_per_kw_month$", "USD/kW and month"),
    (r"usd_per_1000_requests$", "USD/1000 requests"),
    (r"usd_per_(month|year)$", r"USD/\1"),
    (r"usd$", "USD"),
    (r"^requests_per_month$", "requests/month"),
    (r"^requests_per_active_hour$", "requests/h"),
    (r"_?per_(month|year)$", r"per \1"),
    (r"^discount_rate$", "per year"),
    (r"gb_per_s$", "GB/s"),
    (r"(prefill|context)_token_s$", "s/token"),
    (r"^sequence_s$", "s/sequence"),
    (r"_s$", "s"),
    (r"(hours|hours_between|_hour)$", "h"),
    (r"^minutes$", "min"),
    (r"days_between$", "days"),
    (r"(months|_month)$", "months"),
    (r"years$", "years"),
    (r"(tokens|_tok)$", "tokens"),
    (r"_kw$", "kW"),
    (r"_fte$", "FTE"),
    (r"percentage$", "%"),
)
"""Of a key, as its name tells it; the first that is found."""
QUANTILE = "quantile, such as p99"


def scenario_page() -> str:
    """Return the page."""
    titles: dict[type[BaseModel], str] = {}
    _entitle(Scenario, "Top level", titles)
    return "\n\n".join([introduction("scenario"), *_section(Scenario, titles, 3, set())]) + "\n"


def _entitle(model: type[BaseModel], title: str, titles: dict[type[BaseModel], str]) -> None:
    """Name sections as scenarios do: by the key or the kind under which they come up first."""
    titles[model] = title
    for key, field in model.model_fields.items():
        found = [each for each in _sections(field.annotation) if each not in titles]
        for each in found:
            alone = len(_sections(field.annotation)) == 1
            wanted = key if alone and not _is_of_kinds(field) else _kind(each)
            assert wanted not in titles.values(), f"two sections called {wanted}"
            _entitle(each, wanted, titles)


def _section(
    model: type[BaseModel], titles: dict[type[BaseModel], str], level: int, done: set[Any]
) -> Iterator[str]:
    """Yield what is said of a section, then of those in it that have not come up before."""
    done.add(model)
    yield f"{'#' * min(level, DEEPEST)} {titles[model]}"
    about = " ".join(f"{_plain(model.__doc__)} {NOTES.get(model, '')}".split())
    yield "\n".join(wrap(about, 100, break_long_words=False, break_on_hyphens=False))
    if model.model_fields:
        yield table(HEADINGS, [_row(k, f, titles) for k, f in model.model_fields.items()])
    for key, field in model.model_fields.items():
        found = [each for each in _sections(field.annotation) if each not in done]
        inner = level if model is Scenario else level + 1
        if model is Scenario and len(_sections(field.annotation)) > 1:
            yield f"### {key}"
            yield _plain(field.description) or "By name; `kind` says what each is."
            inner = level + 1
        for each in found:
            if each not in done:
                yield from _section(each, titles, inner, done)


def _row(key: str, field: FieldInfo, titles: dict[type[BaseModel], str]) -> list[str]:
    what = _plain(field.description)
    inside = _sections(field.annotation)
    if not what and len(inside) == 1:
        what = _plain(inside[0].__doc__).split("\n\n")[0]
    kind = _words(field.annotation, field.metadata, titles)
    is_number = any(word in kind for word in ("number", "share", "amount"))
    return [f"`{key}`", kind, _unit(key) if is_number else "", _default(field, what), what]


def _unit(key: str) -> str:
    for pattern, unit in UNITS:
        found = re.search(pattern, key)
        if found:
            return found.expand(unit)
    return ""


def _default(field: FieldInfo, what: str) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "" if "default" in what.lower() else "none"
    if isinstance(value, Section):
        said = value.model_dump(exclude_unset=True)
        inside = ", ".join(f"{key}: {part}" for key, part in said.items())
        return f"`{{{inside}}}`" if inside else "its defaults"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list | tuple | dict):
        return f"`[{', '.join(map(str, value))}]`" if value else "empty"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _words(
    kind: Any, limits: list[Any], titles: dict[type[BaseModel], str], many: bool = False
) -> str:
    """Say what may stand at a key."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _words(inside[0], [*inside[1:], *limits], titles, many)
    if origin in (typing.Union, UnionType) and _sections(kind) == list(AMOUNTS):
        return "[amount](#amounts)"
    if origin in (typing.Union, UnionType):
        parts = [_words(part, [], titles, many) for part in inside if part is not NoneType]
        return _either(parts) if len(parts) > 1 else _words(inside[0], limits, titles, many)
    if origin is Literal:
        said = [f"`{value}`" for value in inside]
        return said[0] if len(said) == 1 else f"one of {_either(said)}"
    if origin in (list, tuple):
        least, most = _limit(limits, "min_length"), _limit(limits, "max_length")
        bound = "" if least == most else "at least "
        some = f"{bound}{least} " if least and least > 1 else ""
        return f"list of {some}{_words(inside[0], [], titles, True)}"
    if origin is dict:
        names = (
            "name" if inside[0] is str else _words(inside[0], [], titles).removeprefix("one of ")
        )
        values = _words(inside[1], [], titles, True)
        return f"mappings of {values}" if many else f"{values}, by {names}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind is Interval:
            return "[interval](#uncertain-numbers)"
        return f"[{titles[kind]}](#{titles[kind].lower().replace(' ', '-')})"
    return _plain_words(kind, limits, many)


def _plain_words(kind: Any, limits: list[Any], many: bool) -> str:
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        return _number(kind, limits, many)
    if kind is str:
        return QUANTILE if _limit(limits, "pattern") else "texts" if many else "text"
    if kind in (date, datetime):
        return "date" if kind is date else "date and time (UTC)"
    assert kind is Any, f"no words for {kind}"
    return "values" if many else "any value"


def _number(kind: type, limits: list[Any], many: bool) -> str:
    above, least, below, most = (_limit(limits, name) for name in ("gt", "ge", "lt", "le"))
    first = least if above is None else above
    last = most if below is None else below
    is_share = kind is float and first == 0 and last == 1
    noun = "share" if is_share else "number" if kind is float else "whole number"
    said = [noun + "s" * many]
    if first is not None:
        said.append(f"above {first:g}" if above is not None else f"from {first:g}")
    if last is not None:
        said.append(f"below {last:g}" if below is not None else f"to {last:g}")
    return " ".join(said)


def _limit(limits: list[Any], name: str) -> Any:
    """A limit among what is annotated, or None."""
    for each in limits:
        inside = each.metadata if isinstance(each, FieldInfo) else [each]
        found = [getattr(limit, name) for limit in inside if getattr(limit, name, None) is not None]
        if found:
            return found[0]
    return None


def _either(parts: list[str]) -> str:
    if any(" or " in part for part in parts):
        return "; or ".join(parts)
    return f"{', '.join(parts[:-1])} or {parts[-1]}"


def _sections(kind: Any) -> list[type[BaseModel]]:
    """Sections within an annotation, in their order."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [] if kind is Interval else [kind]
    return [found for part in typing.get_args(kind) for found in _sections(part)]


def _is_of_kinds(field: FieldInfo) -> bool:
    """Whether names, such as traffic's, stand above the sections."""
    return typing.get_origin(field.annotation) is dict


def _kind(model: type[BaseModel]) -> str:
    """What a section says that it is; else what it is called."""
    for key in ("kind", "name"):
        values = (
            typing.get_args(model.model_fields[key].annotation) if key in model.model_fields else ()
        )
        if len(values) == 1:
            return str(values[0])
    return model.__name__.lower()


def _plain(text: str | None) -> str:
    return (text or "").strip().replace("``", "`")
