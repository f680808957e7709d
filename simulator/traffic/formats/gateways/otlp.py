"""Containers of OTLP spans: a document, an array of documents, a document a line, protobuf."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.files.text import MAX_WHOLE_CHARS, fail, read_bytes
from simulator.traffic.formats.gateways.otlp_protobuf import (
    NotProtobuf,
    begins_with_resource,
    protobuf_documents,
)
from simulator.traffic.formats.records.chunks import Broken, Item, Record
from simulator.traffic.formats.records.containers import (
    container_of,
    document_items,
    json_items,
)
from simulator.traffic.formats.records.heads import Container

_HEAD_BYTES = 4096


def otlp_spans(path: Path) -> Iterator[Item]:
    """Yield the spans of a file, each with its line, or with its number in a document."""
    if is_protobuf(path):
        return _numbered(_spans_of(_decoded(path)))
    if container_of(path) is Container.LINES:
        return _spans_of(json_items(path))
    return _numbered(_spans_of(document_items(path, _documents)))


def is_protobuf(path: Path) -> bool:
    """Return whether a file begins with a span in protobuf.

    The identifiers of spans are random bytes, which are no text.
    """
    data = read_bytes(path, _HEAD_BYTES)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
        is_text = not any(byte < ord("\t") for byte in data)
    except UnicodeDecodeError:
        is_text = False
    return not is_text and begins_with_resource(data)


def _decoded(path: Path) -> Iterator[Item]:
    data = read_bytes(path, MAX_WHOLE_CHARS + 1)
    if len(data) > MAX_WHOLE_CHARS:
        fail(path, 1, 1, f"longer than {MAX_WHOLE_CHARS:,} bytes")
    try:
        yield from (Record(1, document) for document in protobuf_documents(data))
    except NotProtobuf as error:
        fail(path, 1, 1, f"not an export of OTLP spans: {error}")


def _documents(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _spans_of(documents: Iterator[Item]) -> Iterator[Item]:
    for item in documents:
        if isinstance(item, Broken):
            yield item
            continue
        try:
            yield from [Record(item.line, span) for span in document_spans(item.value)]
        except (AttributeError, KeyError, TypeError):
            yield Broken(item.line, 1, "not a document of OTLP spans")


def _numbered(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items with their number in place of the line."""
    for number, item in enumerate(items, start=1):
        yield item._replace(line=number)


def document_spans(document: Any) -> list[Any]:
    """Return the spans of one export, whose names of fields may be in either of JSON's styles."""
    resources = document.get("resourceSpans", document.get("resource_spans"))
    if resources is None:
        raise KeyError("resourceSpans")
    return [
        span
        for resource in resources
        for scope in resource.get("scopeSpans") or resource.get("scope_spans") or []
        for span in scope.get("spans") or []
    ]
