"""Trace readers: right rows in, one clear line for a broken one."""

import gzip
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.traffic.readers.azure import read_azure
from simulator.traffic.readers.mooncake import read_mooncake

# A checkout beside a data directory finds real traces there; elsewhere the tests say they skip.
TRACES = Path(
    os.environ.get("BREAKEVEN_TRACES", Path(__file__).parents[2] / "shared" / "data" / "traces")
)
needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason=f"no traces at {TRACES}")

GOOD = [
    {"timestamp": 0, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 3]},
    {"timestamp": 10, "input_length": 1536, "output_length": 6, "hash_ids": [1, 2, 4]},
    {"timestamp": 2500.5, "input_length": 100, "output_length": 0, "hash_ids": [9]},
]


def mooncake(tmp_path: Path, *records: object) -> Path:
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records) + "\n")
    return path


def test_mooncake_rows_and_tree(tmp_path: Path) -> None:
    table = read_mooncake(mooncake(tmp_path, *GOOD), seed=1)
    table.check()
    np.testing.assert_allclose(table.arrival_s, [0, 0.01, 2.5005])
    np.testing.assert_array_equal(table.input_tokens, [1100, 1536, 100])
    np.testing.assert_array_equal(table.output_tokens, [5, 6, 0])
    # Blocks 1 and 2 are one run; the last blocks hang below it; 9 stands alone.
    tree = table.tree
    nodes = table.prefix_node
    assert tree.size == 4
    assert tree.parent[nodes[0]] == tree.parent[nodes[1]] >= 0
    assert tree.depth_tok[tree.parent[nodes[0]]] == 1024
    np.testing.assert_array_equal(tree.depth_tok[nodes], [1100, 1536, 100])
    assert tree.parent[nodes[2]] == -1


def with_change(**change: object) -> dict:
    return {**GOOD[1], **change}


@pytest.mark.parametrize(
    ("record", "column", "message"),
    [
        ('{"timestamp": 10, "input_length": 15', 37, "not valid JSON"),
        ("[1, 2]", 1, "expected a JSON object"),
        ({"timestamp": 1}, 1, "missing field 'input_length'"),
        (with_change(timestamp=-5), 2, "timestamp must be 0 or more"),
        (with_change(timestamp="noon"), 2, "timestamp must be a number"),
        (with_change(input_length=-7), 19, "input_length must be 0 or more, not -7"),
        (with_change(input_length=0, hash_ids=[]), 19, "input_length must be 1 or more"),
        (with_change(output_length=1.5), 41, "output_length must be a whole number, not 1.5"),
        (with_change(output_length=2**40), 41, "output_length must be"),
        (with_change(hash_ids=[1]), 61, "hash_ids must list 3 blocks of 512 for 1536 tokens"),
        (with_change(hash_ids="1,2,3"), 61, "hash_ids must list"),
    ],
)
def test_mooncake_broken_line(tmp_path: Path, record: object, column: int, message: str) -> None:
    path = mooncake(tmp_path, GOOD[0], record, GOOD[2])
    with pytest.raises(InputError) as caught:
        read_mooncake(path, seed=1)
    found = re.fullmatch(rf"{re.escape(str(path))}:(\d+):(\d+): (.*)", str(caught.value))
    assert found
    assert (int(found[1]), int(found[2])) == (2, column)
    assert message in found[3]


def test_mooncake_time_goes_backwards_and_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r":2:2: timestamp goes backwards"):
        read_mooncake(mooncake(tmp_path, GOOD[2], GOOD[1]), seed=1)
    with pytest.raises(InputError, match=r":1:1: no records"):
        read_mooncake(mooncake(tmp_path, ""), seed=1)
    with pytest.raises(InputError, match="no such file"):
        read_mooncake(tmp_path / "absent.jsonl", seed=1)


AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a,b\n1,2\n", "1:1", "expected the header"),
        (AZURE + "yesterday,5,5\n", "2:1", "must be a date and time"),
        (AZURE + "2023-11-16 18:15:46,5\n", "2:1", "expected 3 fields, found 2"),
        (AZURE + "2023-11-16 18:15:46,-5,5\n", "2:21", "ContextTokens must be 0 or more"),
        (AZURE + "2023-11-16 18:15:46,5,x\n", "2:23", "GeneratedTokens must be a whole number"),
        (AZURE + "2023-11-16 18:15:46,0,5\n", "2:21", "ContextTokens must be 1 or more"),
        (
            AZURE + "2023-11-16 18:15:46,5,5\n2023-11-16 18:15:45,5,5\n",
            "3:1",
            "TIMESTAMP goes backwards",
        ),
        (AZURE, "1:1", "no records"),
    ],
)
def test_azure_broken_line(tmp_path: Path, text: str, place: str, message: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_azure(path, seed=1)
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert message in str(caught.value)


def test_azure_rows(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(
        AZURE + "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n"
    )
    table = read_azure(path, seed=1)
    table.check()
    np.testing.assert_allclose(table.arrival_s, [0, 4.314579], atol=1e-6)
    np.testing.assert_array_equal(table.input_tokens, [374, 396])
    assert (table.prefix_node == -1).all()


def test_truncated_gzip_is_an_input_error(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(json.dumps(r) for r in GOOD * 1).encode())
    path = tmp_path / "trace.jsonl.gz"
    path.write_bytes(whole[:-12])
    with pytest.raises(InputError, match="not readable as text"):
        read_mooncake(path, seed=1)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([read_mooncake, read_azure]))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, read: Callable
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "trace"
    head = AZURE.encode() if read is read_azure else json.dumps(GOOD[0]).encode() + b"\n"
    for content in (junk, head + junk):
        path.write_bytes(content)
        try:
            read(path, 1).check()
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017


@needs_traces
def test_mooncake_conversation_trace() -> None:
    """Published statistics of the trace: 12,031 requests, 37.4 % of tokens reusable."""
    table = read_mooncake(TRACES / "mooncake_conversation_trace.jsonl.gz", seed=1)
    table.check()
    assert table.size == 12031
    assert table.input_tokens.mean() == pytest.approx(12035, abs=1)
    seen = np.zeros(table.tree.size, np.bool_)
    reused = 0
    for node in table.prefix_node:
        at = int(node)
        while at >= 0 and not seen[at]:
            seen[at] = True
            at = int(table.tree.parent[at])
        reused += int(table.tree.depth_tok[at]) if at >= 0 else 0
    assert reused / table.input_tokens.sum() == pytest.approx(0.374, abs=0.005)


@needs_traces
def test_azure_conversation_trace() -> None:
    table = read_azure(TRACES / "azure2023_conv.csv.gz", seed=1)
    table.check()
    assert table.size == 19366 - 1 + 1
    assert np.median(table.input_tokens) == pytest.approx(1020, abs=1)
    assert table.size / table.arrival_s[-1] == pytest.approx(5.53, abs=0.01)
