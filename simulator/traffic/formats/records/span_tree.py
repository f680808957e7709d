"""Spans of one call that are recorded several times: by a parent, by a child, or once more.

An agent or a framework sums the tokens of its calls, and a client and a server both record the same
call. Whoever adds up all spans counts such tokens twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

REPEATS_CHILDREN = "spans whose children are the calls"
SAME_CALL = "spans of the same call"
Usage = tuple[int, int]
"""Input and output tokens."""


@dataclass(slots=True)
class TreeSpan:
    """What the tree of spans needs of one span."""

    key: str
    """Trace and span, empty if they are unknown."""
    parent: str
    usage: Usage | None = None
    """None if the span counts no tokens."""
    left_out: str | None = None
    """Why the span is no call of a model."""
    is_call: bool = False
    """Whether the span says that it is a call, with or without tokens."""
    is_root: bool = False
    """Whether the span is an operation of a framework, whose calls are spans of their own."""
    is_tool: bool = False
    """Whether the span is that of a tool, whose calls may be no part of the call above it."""
    response: str = ""
    """Identifier of the answer, empty if it is unknown."""
    model: str | None = None
    problem: str = ""
    """Why it is unclear whether the span is a call."""
    children: list["TreeSpan"] = field(default_factory=list)


def resolve_tree(spans: Sequence[TreeSpan]) -> None:
    """Set ``left_out`` of spans whose tokens are those of other spans, and pass on models.

    A span with calls below it is left out if it has the same tokens as they have together. If it
    has others, ``problem`` says so.
    """
    by_key = _without_repeats(spans)
    for span in by_key.values():
        parent = by_key.get(span.parent)
        if parent is not None and parent is not span:
            parent.children.append(span)
    for span in spans:
        if span.left_out is None and span.children:
            _judge(span)
    _leave_out_same_answers(spans)
    for span in by_key.values():
        if span.model is None and span.left_out is None:
            span.model = _model_above(span, by_key)


def _without_repeats(spans: Iterable[TreeSpan]) -> dict[str, TreeSpan]:
    """Return the spans by key, and leave out those that were exported once more."""
    by_key: dict[str, TreeSpan] = {}
    for span in spans:
        earlier = by_key.get(span.key) if span.key else None
        if earlier is None or earlier.left_out is not None:
            if span.key:
                by_key[span.key] = span
        elif span.left_out is None and span.usage == earlier.usage:
            span.left_out = SAME_CALL
        elif span.left_out is None and span.usage is not None and earlier.usage is not None:
            span.problem = "the span occurs twice, with different token counts"
    return by_key


def _judge(span: TreeSpan) -> None:
    below = _calls_below(span, through_tools=False)
    every = _calls_below(span, through_tools=True)
    totals = _total(below)
    if span.usage is None:
        is_repeat = span.is_call and bool(below)
    elif span.is_root:
        is_repeat = bool(every)
    else:
        is_repeat = span.usage in (*below, totals, _total(every))
    if is_repeat:
        span.left_out = REPEATS_CHILDREN
    elif below and span.usage is not None:
        span.problem = (
            f"the span has {span.usage[0]} input and {span.usage[1]} output tokens, but the calls "
            f"below it have others: it is unclear which are calls of a model"
        )


def _total(calls: list[Usage]) -> Usage | None:
    return (sum(u[0] for u in calls), sum(u[1] for u in calls)) if calls else None


def _calls_below(span: TreeSpan, *, through_tools: bool) -> list[Usage]:
    """Return the tokens of the nearest calls below a span."""
    found = []
    open_spans, seen = list(span.children), {id(span)}
    while open_spans:
        child = open_spans.pop()
        if id(child) in seen or (child.is_tool and not through_tools):
            continue
        seen.add(id(child))
        if child.usage is not None and child.left_out in (None, REPEATS_CHILDREN):
            found.append(child.usage)
        else:
            open_spans.extend(child.children)
    return found


def _leave_out_same_answers(spans: Iterable[TreeSpan]) -> None:
    """Leave out all but the first of the spans with the same answer and the same tokens."""
    known: set[tuple[str, Usage]] = set()
    for span in spans:
        if span.left_out is not None or not span.response or span.usage is None:
            continue
        call = (span.response, span.usage)
        if call in known:
            span.left_out = SAME_CALL
        known.add(call)


def _model_above(span: TreeSpan, by_key: dict[str, TreeSpan]) -> str | None:
    """Return the model of the nearest span above that names one."""
    seen = {span.key}
    above = by_key.get(span.parent)
    while above is not None and above.model is None and above.key not in seen:
        seen.add(above.key)
        above = by_key.get(above.parent)
    return None if above is None else above.model
