"""Mutations of bytes, text and structure, determined by the number of a case."""

import gzip
import random
import re
from copy import deepcopy
from typing import Any

from fuzz.cases import Reader, Sample
from fuzz.forms import parsed, written
from fuzz.nasty import BYTES, JSON, NAMES, TEXT, YAML

_TOKEN = re.compile(r"[\w.+-]+|\"[^\"\n]*\"|\S")
_MOST_BYTES = 2_000_000
Position = tuple[Any, Any]
"""A container, and the key or index of a node in it."""


def case_input(reader: Reader, seed: int, case: int) -> Sample:
    """Return the input of a case by its number; the first cases are the unchanged samples."""
    samples = reader.samples()
    if case < len(samples):
        return samples[case]
    rng = random.Random(f"{seed}/{reader.name}/{case}")
    sample = rng.choice(samples)
    return Sample(sample.name, mutated(sample, rng)[:_MOST_BYTES], sample.form)


def mutated(sample: Sample, rng: random.Random) -> bytes:
    """Return the bytes of a sample with one to three mutations of one level."""
    if sample.name.endswith((".gz", ".zst")):
        return _compressed(sample, rng)
    if sample.form in ("parquet", "npz"):
        level = rng.choices(("bytes", "tree"), (1, 3))[0]
    elif sample.form == "text":
        level = rng.choices(("bytes", "text"), (1, 3))[0]
    else:
        level = rng.choices(("bytes", "text", "tree"), (3, 5, 8))[0]
    times = rng.choice((1, 1, 1, 2, 3))
    if level == "tree":
        return _mutate_tree(sample, rng, times)
    data = sample.data
    for _ in range(times):
        data = _mutate_bytes(data, rng) if level == "bytes" else _mutate_text(data, rng)
    return data


def _compressed(sample: Sample, rng: random.Random) -> bytes:
    """Mutate either the compressed bytes or the content."""
    if rng.random() < 0.5 or not sample.name.endswith(".gz"):
        return _mutate_bytes(sample.data, rng)
    name = sample.name.removesuffix(".gz")
    content = Sample(name, gzip.decompress(sample.data), sample.form)
    return gzip.compress(mutated(content, rng), mtime=0)


def _mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    begin = rng.randrange(len(data) + 1)
    end = min(len(data), begin + rng.choice((1, 2, 8, 64)))
    kind = rng.choice(
        ("flip", "cut", "drop", "repeat", "insert", "insert", "put", "whole", "word", "line")
    )
    if kind == "flip" and begin < len(data):
        return data[:begin] + bytes([data[begin] ^ (1 << rng.randrange(8))]) + data[begin + 1 :]
    if kind == "cut":
        return data[:begin]
    if kind == "drop":
        return data[:begin] + data[end:]
    if kind == "repeat":
        return data[:end] + data[begin:end] * rng.choice((1, 1, 100)) + data[end:]
    if kind == "put":
        junk = rng.choice(BYTES)
        return data[:begin] + junk + data[begin + len(junk) :]
    if kind == "whole":
        return _recoded(data, rng)
    if kind == "word":
        # The length does not change, so that a binary file remains valid around it.
        words = list(re.finditer(rb"[A-Za-z_]{4,}", data))
        if words:
            word = rng.choice(words)
            junk = rng.choice((b"\xff", b"\x00", b"\xc3", b"x")) * len(word[0])
            return data[: word.start()] + junk + data[word.end() :]
    if kind == "line":
        return data[:begin] + b"x" * rng.choice((70_000, 1_000_000)) + data[begin:]
    return data[:begin] + rng.choice(BYTES) + data[begin:]


def _recoded(data: bytes, rng: random.Random) -> bytes:
    """Return the file in another encoding or with other line ends, or an empty file."""
    text = data.decode("utf-8", "replace")
    return rng.choice(
        (
            b"", b"\n", b" ", b"\x00" * 100, b"\xef\xbb\xbf" + data, b"\xff\xfe" + data,
            text.encode("utf-16"), text.encode("utf-16-be"), text.encode("utf-32"),
            text.replace("e", "é").encode("latin-1", "replace"), data.replace(b"\n", b"\r\n"),
            data.replace(b"\n", b"\r"), data.replace(b"\n", b""), data + data,
            data + b"\n---\n" + data, data.replace(b" ", b"\t"), data.replace(b" ", b"\xc2\xa0"),
            data.replace(b",", b";"), data.replace(b'"', b"'"), data[::-1],
        )
    )  # fmt: skip


def _mutate_text(data: bytes, rng: random.Random) -> bytes:
    """Mutate lines, cells or single words."""
    text = data.decode("utf-8", "surrogateescape")
    kind = rng.choice(("line", "cell", "token", "token", "token", "glue"))
    if kind == "line":
        text = "\n".join(_reordered(text.split("\n"), rng))
    elif kind == "cell":
        lines = text.split("\n")
        number = rng.randrange(len(lines))
        lines[number] = ",".join(_reordered(lines[number].split(","), rng))
        text = "\n".join(lines)
    else:
        tokens = list(_TOKEN.finditer(text))
        if tokens:
            token, other = rng.choice(tokens), rng.choice(tokens)
            new = rng.choice((*TEXT, *map(str, YAML), other[0]))
            new = token[0] + new if kind == "glue" else new
            text = text[: token.start()] + new + text[token.end() :]
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that does not represent a byte of the sample
        return text.encode("utf-8", "surrogatepass")


def _reordered(parts: list[str], rng: random.Random) -> list[str]:
    """Swap, drop, repeat or replace parts of a text."""
    a, b = rng.randrange(len(parts)), rng.randrange(len(parts))
    kind = rng.choice(("swap", "drop", "repeat", "move", "replace"))
    if kind == "swap":
        parts[a], parts[b] = parts[b], parts[a]
    elif kind == "drop":
        del parts[a]
    elif kind == "repeat":
        parts[a:a] = [parts[b]] * rng.choice((1, 1, 50))
    elif kind == "move":
        parts.insert(b, parts.pop(a))
    else:
        parts[a] = rng.choice(TEXT)
    return parts


def _mutate_tree(sample: Sample, rng: random.Random, times: int) -> bytes:
    # The root is in a list, so that it can be mutated like every other node.
    holder = [deepcopy(parsed(sample.data, sample.form))]
    nasty = {"yaml": YAML, "csv": TEXT}.get(sample.form, JSON)
    if sample.form == "parquet":
        nasty = _ARROW
    for _ in range(times):
        _change_node(holder, nasty, rng)
    tree = holder[0] if holder else {}
    return written(tree, sample.form, sample.data)


_ARROW: tuple[Any, ...] = (
    None, True, 0, -1, 2**31, 2**63 - 1, 2**64 - 1, 1.5, 1e308, float("nan"), float("inf"), "", "x",
    b"\xff\x00", [], [1], {"a": 1}, [None], "2026-02-30", *NAMES[:12],
)  # fmt: skip


def _positions(node: Any) -> list[Position]:
    """Return the positions of all nodes below a container."""
    positions: list[Position] = []
    keys = node.keys() if isinstance(node, dict) else range(len(node))
    for key in keys:
        positions.append((node, key))
        if isinstance(node[key], dict | list):
            positions += _positions(node[key])
    return positions


def _change_node(holder: list[Any], nasty: tuple[Any, ...], rng: random.Random) -> None:
    positions = _positions(holder)
    if not positions:
        return
    node, key = rng.choice(positions)
    other, other_key = rng.choice(positions)
    kind = rng.choices(
        ("replace", "copy", "drop", "rename", "swap", "nest", "repeat", "add"),
        (10, 2, 2, 3, 1, 2, 1, 1),
    )[0]
    if kind == "replace":
        node[key] = rng.choice(nasty)
    elif kind == "copy":
        node[key] = deepcopy(other[other_key])
    elif kind == "drop":
        del node[key]
    elif kind == "rename" and isinstance(node, dict):
        names = [k for container, k in positions if isinstance(container, dict)]
        new = rng.choice((rng.choice(NAMES), rng.choice(names), f"{key}s", str(key)[:-1]))
        items = [(new if k == key else k, v) for k, v in node.items()]
        node.clear()
        node.update(items)
    elif kind == "swap":
        node[key], other[other_key] = deepcopy(other[other_key]), deepcopy(node[key])
    elif kind == "nest":
        value = node[key]
        node[key] = rng.choice(([value], {"a": value}, {str(key): value}, [value, value]))
    elif kind == "repeat" and isinstance(node, list):
        node[key:key] = [deepcopy(node[key]) for _ in range(rng.choice((1, 1, 50)))]
    elif isinstance(node, dict):
        node[rng.choice(NAMES)] = deepcopy(other[other_key])
    else:
        node[key] = rng.choice(nasty)
