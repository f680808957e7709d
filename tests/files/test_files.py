"""The door that files come in and go out by."""

import gzip
import math
import os
import resource
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simulator
from simulator.errors import InputError
from simulator.files import yamltree
from simulator.files.cells import harmless, unguarded
from simulator.files.jsontext import NotJson, parse_json, read_json
from simulator.files.names import MOST_CHARS, file_name
from simulator.files.numbers import must_be, number_or_nan
from simulator.files.optional import EXTRAS, missing_package
from simulator.files.text import read_text
from simulator.files.writing import WriteError, whole, write_files
from tests.support.checkout import ROOT
from tests.support.tiny import exit_code, invoke, write_tiny

NAMES = st.text(max_size=80) | st.sampled_from(
    ["..", ".", "", "/etc/passwd", "a/../b", "con", "NUL.txt", "x" * 300, "A", "a", "a.b", "~", "-"]
)


@given(NAMES, NAMES)
def test_file_names_are_safe_and_each_its_own(one: str, other: str) -> None:
    name = file_name(one)
    assert Path(name).name == name
    assert not name.startswith((".", "-", "~"))
    assert len(name.encode()) <= MOST_CHARS
    assert name.isascii()
    # Also where a file system does not tell capitals apart, and for a name made of another one.
    assert (file_name(one).lower() == file_name(other).lower()) == (one == other)
    assert file_name(name) == name if name == one else file_name(name) != name


@given(st.text(max_size=20) | st.sampled_from(["=1+1", "-5", "-5+2", "@x", "'=1", "''=", "\t=1"]))
def test_no_cell_is_a_formula_and_none_is_lost(text: str) -> None:
    cell = harmless(text)
    assert unguarded(cell) == text
    if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        float(cell)


@contextmanager
def full_beyond(size: int) -> Iterator[None]:
    """A disk on which no file can grow beyond some bytes, as the system has it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 5, 15, 25])
def test_a_full_disk_leaves_all_as_it_was(tmp_path: Path, size: int) -> None:
    files = {"a.txt": "a" * 10, "new/b.txt": "b" * 20, "c.txt": lambda p: p.write_text("c" * 30)}
    (tmp_path / "a.txt").write_text("old")
    with full_beyond(size), pytest.raises(WriteError, match="cannot be written: File too large"):
        write_files(tmp_path, files)
    assert [p.name for p in tmp_path.rglob("*")] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"
    write_files(tmp_path, files)
    assert (tmp_path / "new" / "b.txt").read_text() == "b" * 20


@pytest.mark.slow
def test_a_full_disk_at_any_file_of_a_run_loses_nothing(tmp_path: Path) -> None:
    found = simulator.find_break_even(write_tiny(tmp_path / "t.yaml"), fast=True)
    out = tmp_path / "out"
    found.save(out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    # The same files, drawn once, and the ledger as bytes.
    ledger = (out / "ledger.parquet").read_bytes()
    files = {**found.files(), "ledger.parquet": lambda path: path.write_bytes(ledger)}
    assert {out / name for name in files} == set(before)
    for size in sorted(len(data) for data in before.values()):
        # Every file that is as large as this one fails, at its last byte.
        with full_beyond(size - 1), pytest.raises(WriteError, match="cannot be written"):
            write_files(out, files)
        assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    with full_beyond(0), pytest.raises(WriteError):
        write_files(tmp_path / "new", files)
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_what_cannot_be_written_is_one_line_after_the_answer(tmp_path: Path) -> None:
    scenario = str(write_tiny(tmp_path / "t.yaml"))
    (tmp_path / "file").write_text("x")
    result = invoke("run", scenario, "--fast", "--out", tmp_path / "file")
    assert (exit_code(result), "VERDICT" in result.stdout) == (1, True)
    assert str(result.exception).endswith("cannot be written: its folder is a file")
    code = "from simulator.cli.main import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code, "simulate", scenario],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    told = "breakeven: standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_an_answer_that_cannot_be_kept_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    scenario = write_tiny(tmp_path / "t.yaml", sweep={"grid": {"seed": [1]}, "each": "simulate"})
    with pytest.warns(UserWarning, match="the result is not cached"):
        assert invoke("sweep", scenario, "--jobs", "1", code=0).stdout


def test_what_fails_in_between_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "x.txt"

    def half() -> None:
        with whole(target) as path:
            path.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert not list(tmp_path.rglob("*.partial"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteError, match="its folder is a file"):
        write_files(tmp_path / "file", {"x": "y"})
    with pytest.raises(WriteError, match="there is a folder of this name"):
        write_files(tmp_path, {"deep": "y"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "file"]


def test_what_is_no_file_is_named_as_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, told in (
        (tmp_path / "none", "no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "is a pipe; write its content to a file"),
        (Path("/dev/zero"), "is a device"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(InputError, match=told) as caught:
            read_text(path)
        assert "\n" not in str(caught.value)


def test_encodings_are_told_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("a,b\n1,caf\u00e9\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.csv:2:6: not UTF-8 text: byte 0xe9"):
        read_text(path)
    path.write_bytes("a,b\r\n".encode("utf-8-sig"))
    assert read_text(path) == "a,b\r\n"
    broken = tmp_path / "x.gz"
    broken.write_bytes(gzip.compress(b"x" * 1000)[:20] + b"\xff" * 20)
    with pytest.raises(InputError, match="not readable as text"):
        read_text(broken)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": ', "1:7: not valid JSON"),
        ("[" * 5000, "nested too deep"),
        ("1" * 5000, "too many digits"),
        ('"\\ud800"', "half of a character"),
        ('{\n "a": tru}', "2:7: not valid JSON"),
    ],
)
def test_json_that_cannot_be_used(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        read_json(path)
    with pytest.raises(NotJson):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("a: 1\na: 2", (2, 1), "duplicate key 'a'"),
        ("a: [1", (2, 1), "did not find expected"),
        ("a: !!python/object:x 1", (1, 4), "tag"),
        ("a: !!bool maybe", (1, 4), "not a value of !!bool"),
        ("a: !!omap [b: 1]", (1, 4), "tag !!omap"),
        ("a: &x [*x]", (1, 8), "inside of its own value"),
        ("a: *y", (1, 4), "unknown alias"),
        ("[" * 200, (1, 102), "nested deeper"),
        ("a: " + "1" * 400, (1, 4), "300 digits"),
        ("a:\n  b: \x07", (2, 6), "U[+]0007"),
        ("a: 1\n---\nb: 2", (2, 1), "expected one document"),
        ("? [a]\n: 1", (1, 3), "a key must be a text"),
        ('a: "\\ud800"', (1, 7), "."),
        ("<<: 5", (1, 1), "<< needs a mapping"),
        ("a: &a " + "[" + "1," * 99 + "]\n"
         + "".join(f"k{i}: &k{i} [{','.join(['*' + ('a' if not i else f'k{i - 1}')] * 9)}]\n"
                   for i in range(9)), None, "2,000,000 values"),
    ],
)  # fmt: skip
def test_yaml_that_cannot_be_used(text: str, place: tuple[int, int] | None, told: str) -> None:
    with pytest.raises(yamltree.Unreadable, match=told) as caught:
        yamltree.parse(text)
    assert place is None or caught.value.place == place


def test_yaml_says_what_the_core_schema_says() -> None:
    said = yamltree.parse(
        "a: [0o17, 0x1f, 10_000, 1e3, .5, -.inf, ~, '1', yes, 2026-02-30, 1:30, 017]\n"
        "b: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}\n1: one\n"
    )
    assert said["a"] == [15, 31, 10000, 1000.0, 0.5, -float("inf"), None, "1", "yes",
                         "2026-02-30", "1:30", 17]  # fmt: skip
    assert said["c"] == {"x": 1, "y": 3}
    assert said["1"] == "one"
    assert yamltree.place_of(said, "c") == (3, 1)
    assert yamltree.place_of(said["a"], 2) == (1, 17)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text("abc def:#'\"-=", min_size=1, max_size=8), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["a", "b", "on", "1", "~"]), PLAIN, max_size=3))
def test_what_is_written_is_read_back(data: dict) -> None:
    assert yamltree.parse(yamltree.dumped(data)) == data


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300))
def test_numbers_are_read_from_values_and_texts(number: float) -> None:
    assert number_or_nan(number) == number_or_nan(f" {number!r} ") == float(number)


@pytest.mark.parametrize(
    "value", [None, "", "x", "nan", "inf", math.inf, True, False, [1], {}, 10**400, "1,5"]
)
def test_other_values_are_no_numbers(value: Any) -> None:
    assert math.isnan(number_or_nan(value))


def test_messages_show_the_value_on_one_short_line() -> None:
    assert must_be("osl", "a number", "1\n2") == r"osl must be a number, not '1\n2'"
    assert must_be("osl", "a number", "x" * 500) == f"osl must be a number, not '{'x' * 39}..."


@pytest.mark.parametrize("package", EXTRAS)
def test_extras_install_the_packages_that_are_missing(package: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (requirement,) = project["optional-dependencies"][EXTRAS[package]]
    assert requirement.startswith(package)
    message = f"x needs {package}: pip install 'breakeven[{EXTRAS[package]}]'"
    assert str(missing_package(package, "x")) == message
