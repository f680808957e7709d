"""Values that are likely to expose faults in readers."""

MANY = 5000
DEEP = 3000


class Raw(str):
    """A text that is written to a file unchanged, without the quoting of the file's format."""

    __slots__ = ()


_LONG = "n" * 5000
NAMES = (
    "", " ", "..", ".", "../../evil", "/evil", "a/b", "a\\b", "\x00", "a\nb", "a\rb", "a\x1b[31mb",
    "a\u2028b", "\u202eabc", "é", "\U0001f600", "\ud800", "api_$1_$5", "$x^{2$", "=cmd|calc!A1",
    "<script>", "%s%n", "{x}", "{{x}}", "__class__", "null", "nan", "0", "-1", "a.b", "x" * 300,
    _LONG, "CON", "-o", "--help", "\ufeff", "\x7f", "a,b", 'a"b', "a'b", "#", "*", "&a", "|",
)  # fmt: skip
"""Names, used as texts and as keys."""

DIGITS = "9" * MANY
NUMBERS = (
    "0", "-0", "-1", "1", "-0.0", "0.5", "1.5", "2", "1e-9", "1e-320", "1e20", "1e300", "1e308",
    "-1e308", "1e999", "2147483647", "2147483648", "4294967296", "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "1" + "0" * 40, DIGITS, "-" + DIGITS,
    "0." + DIGITS, "1e" + "9" * 30,
)  # fmt: skip
DATES = (
    "2026-02-30", "2026-13-45", "0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01",
    "2026-11-23", "2026-11-23T25:00:00Z", "2026-11-23T08:00:00+99:99", "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-W01-1",
)  # fmt: skip
QUANTITIES = (
    "500ms", "2s", "10M", "3.2/s", "1e400s", "95%", "-5%", "$1.8", "32Ki", "1_000", "_1", "1__0",
    "5 lightyears", "1/0", "1e999M", DIGITS + "k", "0/s", "10M/month",
)  # fmt: skip
_JSON_ONLY = (
    "NaN", "Infinity", "-Infinity", "true", "false", "null", '""', "[]", "{}", "[[]]", "[null]",
    '{"":null}', "[" * 50 + "]" * 50, "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP,
    r'"\ud800"', r'"\u0000"', r'"\u001b"', r'"a\nb"', r'"\ud83d\ude00"', '"0"', '"x"',
)  # fmt: skip
_YAML_ONLY = (
    ".inf", "-.inf", ".nan", "0x10", "0o9", "0b2", "1_000", "1:60", "~", "''", "*a", "&a [*a]",
    "&a {b: *a}", "!!bool maybe", "!!int x", "!!float x", "!!timestamp x", "!!omap [a: 1]",
    "!!set {a, b}", "!!binary x", "!!null x", "!!python/object:os.system x", "!<tag:x> y", "!x y",
    "{? [a]: b}", "{? {a: b} : c}", "{1: 2}", "{null: 2}", "{true: 2}", "{1.5: 2}", "{.nan: 1}",
    "{2026-11-23: 1}", "{<<: {a: 1}}", "{<<: 1}", "{low: 1}", "{low: .nan, mid: 1, high: 2}",
    "{low: 1, mid: 1e308, high: 1e308}", "{median: 1, sigma: 1e9}", "{mean: 0}",
    "{quantiles: {p50: 1}}", "{p10: 1, p90: 0}", "%x", "@x", "`x`", "- x", "|\n  x", "? x",
    '"\\x00"', '"\\uD800"', "[a, b]", "{a: b}", "on", "Off", "auto", "y", "=", "<<",
    "[" * DEEP, "{a: " * DEEP, "- " * DEEP + "x",
)  # fmt: skip

JSON = (*map(Raw, (*NUMBERS, *_JSON_ONLY)), *DATES, *QUANTITIES, *NAMES)
YAML = (*JSON, *map(Raw, (*DATES, *QUANTITIES, *_YAML_ONLY)))
TEXT = (
    *NUMBERS, *DATES, *QUANTITIES, *NAMES, "NaN", "inf", "-Infinity", "True", "null", "[]", "{}",
    "{", "[" * DEEP, '"', '""', '"a\nb"', "1,5", "1 000", "٣", "０", "0x10", "1e5", "1+2", "^1 5+5",
    "^" + DIGITS, "5+0", "5+" + DIGITS,
)  # fmt: skip

BYTES = (
    b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe9", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1b[31m",
    b"\x07", b"\x08", b"\x0b", b"\x0c", b"\x7f", b"\xc2\x85", b"\xe2\x80\xa8", b"\r", b"\r\n",
    b"\n", b"\t", b'"', b"'", b"\\", b",", b":", b"#", b"{", b"}", b"[", b"]", b"[" * DEEP,
    b'{"a":' * DEEP, DIGITS.encode(), b"1e308", b"NaN", b"-", b"&a", b"*a", b"!!", b"---\n",
    b"...\n", b"%YAML 1.2\n", b"\xf0\x9f\x98\x80",
)  # fmt: skip
