"""OTLP spans and their documents, as small samples."""

from typing import Any

START_NS = 1_793_606_400_000_000_000


def attribute(key: str, value: Any) -> dict:
    kinds = {int: "intValue", float: "doubleValue", str: "stringValue"}
    return {"key": key, "value": {kinds[type(value)]: str(value) if type(value) is int else value}}


def span(key: str = "1", parent: str = "", *, failed: bool = False, **attributes: Any) -> dict:
    """Return a span; dots of attribute names are written as two underscores."""
    found = [attribute(name.replace("__", "."), value) for name, value in attributes.items()]
    begin_ns = START_NS + 10**9 * int(key, 16)
    return {
        "traceId": "ab" * 16, "spanId": key.rjust(16, "0"),
        "parentSpanId": parent and parent.rjust(16, "0"), "name": "s",
        "startTimeUnixNano": str(begin_ns), "endTimeUnixNano": str(begin_ns + 10**9),
        "attributes": found, "status": {"code": 2} if failed else {},
    }  # fmt: skip


def chat(key: str, parent: str = "", tokens: tuple[int, int] = (100, 20), **more: Any) -> dict:
    return span(
        key,
        parent,
        gen_ai__operation__name="chat",
        gen_ai__usage__input_tokens=tokens[0],
        gen_ai__usage__output_tokens=tokens[1],
        **more,
    )


def export(*spans: dict) -> dict:
    return {"resourceSpans": [{"scopeSpans": [{"spans": [one]}]} for one in spans]}
