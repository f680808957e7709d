"""OTLP spans from protobuf: the few fields that a log needs, as the JSON encoding names them.

Field numbers are those of opentelemetry/proto/trace/v1/trace.proto and of common.proto (version
1.5, 2025). A file has one export request, or several of them, each after its length in four bytes,
as the collector's file exporter writes them.
"""

import struct
from collections.abc import Iterator
from typing import Any

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_MOST_VARINT_BITS = 63
_ANY_VALUE = {1: "stringValue", 2: "boolValue", 3: "intValue", 4: "doubleValue"}
_RESOURCE = bytes([1 << 3 | _BYTES])
"""First byte of an export request: the key of its first resource."""
Field = tuple[int, int, Any]
"""Number, wire type, and value of a field."""


class NotProtobuf(ValueError):
    """Bytes are no export of OTLP spans."""


def protobuf_documents(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the export requests of a file as documents of OTLP JSON.

    Raises
    ------
    NotProtobuf
        If the bytes are no such requests.
    """
    for part in _requests(data):
        resources = [_resource(value) for number, _, value in _fields(part) if number == 1]
        yield {"resourceSpans": resources}


def begins_with_resource(data: bytes) -> bool:
    """Return whether the beginning of a file is that of an export request, or of its length."""
    return data[:1] == _RESOURCE or data[4:5] == _RESOURCE


def _requests(data: bytes) -> Iterator[bytes]:
    """Yield the requests of a file, of which the first byte tells whether lengths precede them."""
    if not data or data[:1] == _RESOURCE:
        yield data
        return
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data) or end == at + 4:
            raise NotProtobuf(f"byte {at} does not begin an export of OTLP spans")
        yield data[at + 4 : end]
        at = end


def _resource(data: bytes) -> dict[str, Any]:
    scopes = [_scope(value) for number, _, value in _fields(data) if number == 2]
    return {"scopeSpans": scopes}


def _scope(data: bytes) -> dict[str, Any]:
    return {"spans": [_span(value) for number, _, value in _fields(data) if number == 2]}


def _span(data: bytes) -> dict[str, Any]:
    span: dict[str, Any] = {"attributes": [], "status": {}}
    for number, kind, value in _fields(data):
        if number in (1, 2, 4) and kind == _BYTES:
            span[{1: "traceId", 2: "spanId", 4: "parentSpanId"}[number]] = value.hex()
        elif number in (7, 8) and kind == _FIXED_64:
            span["startTimeUnixNano" if number == 7 else "endTimeUnixNano"] = value
        elif number == 9 and kind == _BYTES:
            span["attributes"].append(_attribute(value))
        elif number == 15 and kind == _BYTES:
            codes = [v for n, k, v in _fields(value) if (n, k) == (3, _VARINT)]
            span["status"] = {"code": codes[-1] if codes else 0}
    return span


def _attribute(data: bytes) -> dict[str, Any]:
    key, value = "", {}
    for number, kind, found in _fields(data):
        if kind == _BYTES and number == 1:
            key = _text(found)
        elif kind == _BYTES and number == 2:
            value = _any_value(found)
    return {"key": key, "value": value}


def _any_value(data: bytes) -> dict[str, Any]:
    """Return a value that is no list and no map, which no count is."""
    for number, kind, found in _fields(data):
        if number == 1 and kind == _BYTES:
            return {"stringValue": _text(found)}
        if number in (2, 3) and kind == _VARINT:
            return {_ANY_VALUE[number]: bool(found) if number == 2 else found}
        if number == 4 and kind == _FIXED_64:
            return {"doubleValue": struct.unpack("<d", found.to_bytes(8, "little"))[0]}
    return {}


def _text(data: Any) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise NotProtobuf("a text in it is not UTF-8") from None


def _fields(data: Any) -> Iterator[Field]:
    """Yield the fields of a message."""
    if not isinstance(data, bytes):
        raise NotProtobuf("a message is missing in it")
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, kind, value if value < 1 << _MOST_VARINT_BITS else value - (1 << 64)
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED_64, _FIXED_32):
            length = 8 if kind == _FIXED_64 else 4
        else:
            raise NotProtobuf(f"a field has the unknown type {kind}")
        part = data[at : at + length]
        if len(part) < length:
            raise NotProtobuf("it ends in the middle of a field")
        at += length
        yield number, kind, part if kind == _BYTES else int.from_bytes(part, "little")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number of variable length at a place, and its end."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise NotProtobuf("it ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise NotProtobuf("a number is too long")
