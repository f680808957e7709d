"""Conversion between files and trees of plain values, for mutations of structure.

Leaves that are ``Raw`` are written to the file unchanged.
"""

import csv
import io
import json
import re
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from fuzz.cases import Form
from fuzz.nasty import Raw
from simulator.files import yamltree

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w.-]*")


@lru_cache(maxsize=256)
def parsed(data: bytes, form: Form) -> Any:
    """Return the tree of a valid file; callers must copy it before they change it."""
    if form == "json":
        return json.loads(data)
    if form == "jsonl":
        return [json.loads(line) for line in data.decode().splitlines() if line.strip()]
    if form == "yaml":
        # Plain mappings and lists have no locations that mutations could make inconsistent.
        return json.loads(json.dumps(yamltree.parse(data.decode())))
    if form == "csv":
        return list(csv.reader(io.StringIO(data.decode())))
    if form == "parquet":
        import pyarrow.parquet as pq

        return pq.read_table(io.BytesIO(data)).to_pydict()
    if form == "npz":
        with np.load(io.BytesIO(data)) as file:
            return json.loads(str(file["about"]))
    raise ValueError(f"{form} has no structure")


def written(tree: Any, form: Form, original: bytes) -> bytes:
    """Return the file of a tree; parts that are not in the tree are taken from the original."""
    if form == "npz":
        with np.load(io.BytesIO(original)) as file:
            arrays = {name: file[name] for name in file.files}
        arrays["about"] = np.array(json_text(tree).replace("\x00", ""))
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()
    if form == "parquet":
        return _parquet(tree)
    if form == "json":
        text = json_text(tree)
    elif form == "jsonl":
        rows = tree if isinstance(tree, list) else [tree]
        text = "".join(json_text(row).replace("\n", " ") + "\n" for row in rows)
    elif form == "yaml":
        text = yaml_text(tree)
    else:
        text = _csv_text(tree)
    return text.encode("utf-8", "surrogatepass")


def json_text(node: Any) -> str:
    """Return a tree as JSON."""
    if isinstance(node, Raw):
        return str(node)
    if isinstance(node, dict):
        items = (f"{json.dumps(str(key))}: {json_text(value)}" for key, value in node.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(map(json_text, node)) + "]"
    if isinstance(node, date | datetime):
        return json.dumps(node.isoformat())
    return json.dumps(node)


def yaml_text(node: Any, indent: int = 0) -> str:
    """Return a tree as YAML in block style, so that messages have meaningful lines."""
    pad = "  " * indent
    if isinstance(node, dict) and node:
        lines = []
        for key, value in node.items():
            inner = yaml_text(value, indent + 1)
            gap = "\n" if isinstance(value, dict | list) and value else " "
            lines.append(f"{pad}{_yaml_key(key)}:{gap}{inner.rstrip(chr(10))}\n")
        return "".join(lines)
    if isinstance(node, list) and node:
        # An item begins after its dash, and its further lines are aligned with that.
        items = (yaml_text(value, indent + 1).rstrip("\n") for value in node)
        return "".join(f"{pad}- {item.removeprefix(pad + '  ')}\n" for item in items)
    if isinstance(node, Raw):
        return str(node)
    if isinstance(node, date | datetime):
        return node.isoformat()
    if isinstance(node, str):
        return json.dumps(node, ensure_ascii=False)
    return "null" if node is None else json.dumps(node)


def _yaml_key(key: Any) -> str:
    if isinstance(key, Raw):
        return str(key)
    text = str(key)
    return text if _PLAIN_KEY.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _csv_text(tree: Any) -> str:
    rows = tree if isinstance(tree, list) else [tree]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", escapechar="\\")
    for row in rows:
        cells = row if isinstance(row, list) else [row]
        writer.writerow([c if isinstance(c, str) else json_text(c) for c in cells])
    return text.getvalue()


def _parquet(tree: Any) -> bytes:
    """Return a Parquet table of columns.

    Columns that Arrow cannot convert become text, and shorter columns are padded with nulls.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = tree if isinstance(tree, dict) else {"column": tree}
    listed = {str(n): v if isinstance(v, list) else [v] for n, v in columns.items()}
    size = max((len(values) for values in listed.values()), default=0)
    arrays, names = [], []
    for name, values in listed.items():
        try:
            array = pa.array(values)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            array = pa.array([_arrow_text(value) for value in values], pa.string())
        padding = pa.nulls(size - len(array), array.type)
        arrays.append(pa.concat_arrays([array, padding]) if len(padding) else array)
        names.append(_arrow_text(name))
    buffer = io.BytesIO()
    try:
        pq.write_table(pa.Table.from_arrays(arrays, names), buffer)
    except (pa.ArrowException, ValueError):  # types that Parquet does not support
        texts = [pa.array([_arrow_text(v) for v in a.to_pylist()], pa.string()) for a in arrays]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(texts, names), buffer)
    return buffer.getvalue()


def _arrow_text(value: Any) -> str | None:
    return None if value is None else str(value).encode("utf-8", "replace").decode()
