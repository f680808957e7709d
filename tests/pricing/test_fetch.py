"""Addresses that prices are fetched from: servers that redirect, drip, flood, pack and lie.

The servers are threads of this process; nothing leaves the machine.
"""

import gzip
import json
import re
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from simulator.errors import InputError
from simulator.files.fetch import MAX_REDIRECTS, Limits, fetch_text
from tests.support.command import breakeven
from tests.support.local_server import Answer, leads, says, server
from tests.support.pricing.price_samples import LITELLM

TEXT = json.dumps(LITELLM)
SMALL_LIMITS = Limits(size_bytes=20_000, time_s=20)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 4096)


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte whenever a reader is about to give up."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(600):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def dripping_head(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(600):
        handler.wfile.write(b"x")
        time.sleep(0.05)


def in_chunks(body: bytes, ended: bool) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(body), 100):
            part = body[start : start + 100]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        if ended:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        says(TEXT.encode()),
        says(b"\xef\xbb\xbf" + TEXT.encode(), Content_Type="text/plain; charset=latin-1"),
        says(gzip.compress(TEXT.encode()), Content_Encoding="gzip"),
        says(gzip.compress(TEXT.encode()), Content_Type="application/gzip"),
        in_chunks(TEXT.encode(), ended=True),
    ],
    ids=["plain", "mark", "packed-on-the-way", "packed-file", "chunks"],
)
def test_what_is_sent_is_read(answer: Answer) -> None:
    with server(answer) as url:
        assert fetch_text(url, allow_http=True, limits=SMALL_LIMITS) == TEXT


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (says(b"no", 404), "404 Not Found"),
        (says(b"no", 500), "500 Internal Server Error"),
        (says(b"", 204), "answered 204 instead of 200"),
        (says(b"part", 206), "answered 206 instead of 200"),
        (says(b""), "the answer is empty"),
        (says(b"<html>", Content_Type="text/html"), "a web page (text/html), no data"),
        (says(b"x", Content_Encoding="br"), "compressed as 'br', which was not requested"),
        (says(b'{"caf\xe9": 1}'), "not UTF-8 text: byte 0xe9 at 5"),
        (says(b" " * 20_001), "larger than 20,000 bytes"),
        (says(b"1", Content_Length="99999999999"), "larger than 20,000 bytes"),
        (says(b"1", Content_Length="100"), "ended 99 bytes early"),
        (says(gzip.compress(b" " * 10_000_000)), "larger than 20,000 bytes"),
        (says(gzip.compress(b" " * 1000)[:-9]), "not readable as gzip"),
        (says(b"\x1f\x8bnothing of the kind"), "not readable as gzip"),
        (in_chunks(b" " * 1000, ended=False), "ended early"),
        (endless, "larger than 20,000 bytes"),
        (leads("file:///etc/passwd"), "redirects to file:///etc/passwd, which is not followed"),
        (leads("FILE:/etc/passwd"), "redirects to FILE:/etc/passwd, which is not followed"),
        (leads("ftp://127.0.0.1/x"), "redirects to ftp://127.0.0.1/x, which is not followed"),
        (leads("data:,{}"), "redirects to data:,{}, which is not followed"),
        (leads("https://u:secret@127.0.0.1/x?k=secret"), "redirects to https://127.0.0.1/x,"),
        (leads("https://[::1/x"), "redirects to https://..., which is not followed"),
        (says(b"", 302), "302 Found"),
        (says(b"", 304), "304 Not Modified"),
        (leads("/again"), f"more than {MAX_REDIRECTS} redirects"),
    ],
)
def test_what_is_not_taken_is_one_line(answer: Answer, message: str) -> None:
    with server(answer) as url, pytest.raises(InputError, match=re.escape(message)) as found:
        fetch_text(url, allow_http=True, limits=SMALL_LIMITS)
    assert str(found.value).isprintable()
    assert "secret" not in str(found.value)


@pytest.mark.parametrize("answer", [dripping, dripping_head, lambda _: time.sleep(30)])
def test_the_whole_download_has_one_limit_of_time(answer: Answer) -> None:
    began = time.monotonic()
    with server(answer) as url, pytest.raises(InputError, match=r"within 0\.5 s"):
        fetch_text(url, allow_http=True, limits=Limits(time_s=0.5))
    assert time.monotonic() - began < 15


def test_redirects_are_followed_on_the_same_footing() -> None:
    seen: list[str | None] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.path)
        (says(TEXT.encode()) if handler.path == "/moved/b" else leads("moved/b"))(handler)

    with server(answer) as url:
        assert fetch_text(url, allow_http=True) == TEXT
        assert seen == ["/map.json", "/moved/b"]
        assert fetch_text(url.replace("/map", "/a?key=secret&b=/map"), allow_http=True) == TEXT


def test_a_redirect_with_an_endless_body_is_left_at_once() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "file:///etc/passwd")
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 4096)

    with server(answer) as url, pytest.raises(InputError, match="not followed"):
        fetch_text(url, allow_http=True, limits=Limits(time_s=20))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/passwd", "file:///etc/passwd: only https:// addresses are fetched"),
        ("http://127.0.0.1:1/x", "only https:// addresses are fetched"),
        ("ftp://host/x", "only https:// addresses are fetched"),
        ("https://user:secret@host/x", "https://host/x: addresses with a user or password"),
        ("https://", "not an address"),
        ("https://host:99999/x", "not an address"),
        ("https://[::1/x?key=secret", "not an address"),
        ("https://host/with blank", "not an address"),
        ("https://host/\r\nX: y", "not an address"),
        ("https://höst/x", "not an address"),
    ],
)
def test_addresses_that_are_not_fetched(url: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as found:
        fetch_text(url)
    assert str(found.value).isprintable()
    assert "secret" not in str(found.value)


@pytest.mark.slow
def test_prices_from_an_address(tmp_path: Path) -> None:
    target = tmp_path / "book.json"
    with server(says(TEXT.encode())) as url:
        refused = breakeven("prices", "import", url, str(target))
        taken = breakeven("prices", "import", f"{url}?key=secret", str(target), "--allow-http")
        compared = breakeven("prices", "diff", url, "gpt-4o", "--allow-http", "-o", "json")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr.endswith("only https:// addresses are fetched\n")
    assert taken.returncode == 0
    assert taken.stderr.startswith(f"2 offers -> {target}\n")
    assert "1 are replaced, 37 are missing\n" in taken.stderr
    assert "1 offers of mode 'image_generation'" in taken.stderr
    sources = {entry["source"] for entry in json.loads(target.read_text()).values()}
    assert sources == {"LiteLLM file map.json"}
    assert json.loads(compared.stdout)["changes"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (leads("file:///etc/passwd"), "redirects to file:///etc/passwd, which is not followed"),
        (says(b"{"), "map.json:1:2: not valid JSON"),
        (says(b"[" * 100_000), "map.json:1:1: not valid JSON: nested too deep"),
        (says(b"[1" + b"0" * 5000 + b"]"), "a number has too many digits"),
        (says(b"{}"), "neither genai-prices' data file, nor LiteLLM's price map"),
    ],
)
def test_a_failed_import_leaves_what_was_there(
    tmp_path: Path, answer: Answer, message: str
) -> None:
    (tmp_path / "book.json").write_text("before")
    with server(answer) as url:
        run = breakeven("prices", "import", url, "book.json", "--allow-http", cwd=tmp_path)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (3, "", 1)
    assert message in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["book.json"]
    assert (tmp_path / "book.json").read_text() == "before"
