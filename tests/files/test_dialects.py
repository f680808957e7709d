"""Separators, numbers and encodings of tables that spreadsheets and other tools write."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from simulator.errors import InputError
from simulator.files.tables import read_table
from simulator.files.text import read_text
from simulator.traffic.formats.catalog import format_of, read_log
from simulator.traffic.formats.records.reading import Skips
from simulator.traffic.usage.catalog import read_usage

LOG = ("arrival_s", "input_tokens", "output_tokens")
USAGE = ("date", "model", "requests", "input_tokens", "output_tokens", "cost_usd")


def table(tmp_path: Path, sign: str, *rows: tuple[str, ...], ends: str = "\n") -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes("".join(sign.join(row) + ends for row in rows).encode())
    return path


def numbers(tmp_path: Path, sign: str, *texts: str) -> list[str]:
    return [row["x"] for _, row in read_table(table(tmp_path, sign, ("x", "y"), *[
        (text, "") for text in texts])) ]  # fmt: skip


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_log_is_read_in_every_dialect(
    tmp_path: Path, sign: str, ends: str, encoding: str
) -> None:
    path = table(tmp_path, sign, LOG, ("0.5", "1000", "80"), ("2.25", "30", "7"), ends=ends)
    path.write_bytes(path.read_text().replace("\r", "").replace("\n", ends).encode(encoding))
    log = read_log(path, format_of(path))
    assert np.diff(log.rows.at_s).tolist() == [1.75]
    assert log.rows.input_tokens.tolist() == [1000, 30]


def test_semicolons_in_quotes_separate_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('"arrival_s";"input_tokens";"output_tokens";"workload"\n1;20;3;"a;b,c"\n')
    log = read_log(path, format_of(path))
    assert log.workloads == ("a;b,c",)
    path.write_text('arrival_s,input_tokens,output_tokens,workload\n1,20,3,"a;b;c;d;e;f"\n')
    assert read_log(path, format_of(path)).workloads == ("a;b;c;d;e;f",)


@pytest.mark.parametrize(
    ("texts", "plain"),
    [
        (("0,5", "1,234", "1.234"), ["0.5", "1.234", "1234"]),
        (("12,50", "1.234.567", "-7,"), ["12.50", "1234567", "-7."]),
        (("1.234,56", "9.876"), ["1234.56", "9876"]),
        (("0.5", "1,234", "1.234"), ["0.5", "1234", "1.234"]),
        (("1,234.5", "2,000,000", ".5"), ["1234.5", "2000000", ".5"]),
        (("1.234", "0.001"), ["1.234", "0.001"]),
        (("$1.234", "$0,99"), ["$1234", "$0.99"]),
        (("5", "02.11.2026", "10.1.2.3", "v1.234", "", "."),
         ["5", "02.11.2026", "10.1.2.3", "v1.234", "", "."]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sign", [";", "\t"])
def test_numbers_follow_the_mark_that_the_table_shows(
    tmp_path: Path, sign: str, texts: tuple[str, ...], plain: list[str]
) -> None:
    assert numbers(tmp_path, sign, *texts) == plain


@pytest.mark.parametrize("text", ["1.234", "1,234", "123.456", "-1.234", "$9,999"])
def test_a_number_of_two_possible_values_is_refused(tmp_path: Path, text: str) -> None:
    digits = text.lstrip("-$")
    whole, part = digits[:-4], digits[-3:]
    with pytest.raises(InputError) as caught:
        numbers(tmp_path, ";", "7", text)
    message = str(caught.value)
    assert ":3:1: x: " in message
    assert f"{whole}{part} or " in message
    assert f"{whole}.{part}, and no number before it shows the decimal mark" in message


def test_a_table_with_two_decimal_marks_decides_nothing(tmp_path: Path) -> None:
    assert numbers(tmp_path, ";", "0,5", "0.5") == ["0.5", "0.5"]
    with pytest.raises(InputError, match="may be"):
        numbers(tmp_path, ";", "0,5", "0.5", "1.234")
    rows = ["0,5"] * 300
    with pytest.raises(InputError, match=r"302:1: x: '0.5' has a decimal point, but rows before"):
        numbers(tmp_path, ";", *rows, "0.5")


def test_commas_between_columns_leave_points_alone(tmp_path: Path) -> None:
    assert numbers(tmp_path, ",", "1.234", '"1,234"', "5") == ["1.234", "1,234", "5"]
    # Some spreadsheets quote decimals with commas.
    assert numbers(tmp_path, ",", '"0,5"', '"1,234"') == ["0.5", "1.234"]


def test_rows_with_unclear_numbers_of_a_log_can_be_skipped(tmp_path: Path) -> None:
    path = table(tmp_path, ";", LOG, ("1", "1.234", "80"), ("2", "30", "7"))
    with pytest.raises(InputError, match=r":2:3: input_tokens: '1.234' may be 1234 or 1.234"):
        read_log(path, format_of(path))
    skips = Skips(allowed=True)
    assert read_log(path, format_of(path), skips).rows.input_tokens.tolist() == [30]
    assert skips.count == 1


def test_an_export_of_a_spreadsheet_gives_the_same_sums(tmp_path: Path) -> None:
    usual = table(tmp_path, ",", USAGE, ("2026-11-02", "m", "1200", "3600000", "48000", "9.8"),
                  ("2026-11-03", "m", "900", "2000000", "1234", "1234.5"))  # fmt: skip
    expected, *_ = read_usage(usual)
    rows = (
        ("2026-11-02", "m", "1.200", "3.600.000", "48.000", "9,8"),
        ("2026-11-03", "m", "900", "2.000.000", "1.234", "1.234,50"),
    )
    other = table(tmp_path, ";", USAGE, *rows, ends="\r\n")
    other.write_bytes(other.read_bytes().decode().encode("utf-16"))
    found, *_ = read_usage(other)
    for name in ("requests", "prompt_tok", "completion_tok", "spend_usd"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()


def test_a_decimal_comma_is_no_thousands_separator(tmp_path: Path) -> None:
    path = table(tmp_path, ",", USAGE, ("2026-11-02", "m", "1", "20", "3", '"$0,125"'),
                 ("2026-11-03", "m", "1", "20", "3", "1.5"))  # fmt: skip
    with pytest.raises(InputError, match="cost_usd must be a number of 0 or more"):
        read_usage(path)


def test_utf_16_is_read_if_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    for encoding in ("utf-16", "utf-8-sig"):
        path.write_bytes("é\r\nb".encode(encoding))
        assert read_text(path) == "é\r\nb"
    path.write_bytes(b"\xfe\xff" + "é".encode("utf-16-be"))
    assert read_text(path) == "é"
    packed = tmp_path / "text.txt.gz"
    packed.write_bytes(gzip.compress("é".encode("utf-16")))
    assert read_text(packed) == "é"
    path.write_bytes("é".encode("utf-16")[:-1])
    with pytest.raises(InputError, match="not UTF-16 text, as which it begins: truncated data"):
        read_text(path)
