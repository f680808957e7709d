"""Prometheus servers by their address: servers of our own that page, refuse, redirect and lie."""

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from simulator.errors import InputError
from simulator.traffic.usage.buckets import Group
from simulator.traffic.usage.metrics.server import TOKEN_VARIABLE, AskedTime, read_server
from tests.support.local_server import Answer, leads, says, server

STEP_S = 3600
NOW_S = 1_793_577_600 + 30 * STEP_S + 1000
"""Some minutes after 2026-11-03, 06:00 UTC."""
END_S = NOW_S - 1000
SECRET = "s3cr3t-token"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


class Prometheus:
    """A server with a counter of prompt tokens that grows by 5 each second, from NOW_S - 20 h."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.asked: list[dict[str, str]] = []
        self.tokens: set[str | None] = set()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.tokens.add(handler.headers.get("Authorization"))
        if parts.path != f"{self.path}/api/v1/query_range":
            says(b"404 page not found\n", 404, Content_Type="text/plain")(handler)
            return
        start, end, step = (float(query[name]) for name in ("start", "end", "step"))
        if (end - start) / step > 11_000:
            error = "exceeded maximum resolution of 11,000 points per timeseries"
            body = {"status": "error", "errorType": "bad_data", "error": error}
            says(json.dumps(body).encode(), 400, Content_Type="application/json")(handler)
            return
        self.asked.append(query)
        name = query["query"].split('"')[1].replace("[:_]", ":")
        count = int((end - start) / step)
        moments = [start + k * step for k in range(count + 1)]
        values = [[t, f"{5 * (t - END_S + 72_000):.0f}"] for t in moments if t >= END_S - 72_000]
        found = [{"metric": {"__name__": name, "model_name": "llama"}, "values": values}]
        result = found if name == "vllm:prompt_tokens_total" and values else []
        data = {"resultType": "matrix", "result": result}
        says(json.dumps({"status": "success", "data": data}).encode())(handler)


def base(url: str) -> str:
    return url.removesuffix("/map.json")


@pytest.mark.parametrize(("path", "end"), [("", ""), ("", "/"), ("/team/prom", ""), ("/p", "//")])
def test_whole_steps_up_to_now_are_asked_for(path: str, end: str) -> None:
    prometheus = Prometheus(path)
    with server(prometheus) as url:
        usage, notices = read_server(base(url) + path + end, AskedTime(days=1), NOW_S)
    assert usage.groups == (Group("llama", "vllm"),)
    assert usage.begin_s.tolist() == [END_S - k * STEP_S for k in range(20, 0, -1)]
    assert set(usage.prompt_tok.tolist()) == {5.0 * STEP_S}
    assert usage.lengths == {}
    assert notices.left_out == {}
    assert {query["end"] for query in prometheus.asked} == {f"{END_S}.000"}
    assert {query["start"] for query in prometheus.asked} == {f"{END_S - 86_400}.000"}
    assert prometheus.tokens == {None}


def test_long_spans_are_asked_in_pieces() -> None:
    prometheus = Prometheus()
    with server(prometheus) as url:
        usage, _ = read_server(base(url), AskedTime(days=10, step_s=60), NOW_S)
    assert usage.size == 20 * 60 + 16
    assert usage.prompt_tok.sum() == 5 * (72_000 + 16 * 60)
    one = [q for q in prometheus.asked if "vllm[:_]prompt_tokens_total" in q["query"]]
    spans = [(float(q["start"]), float(q["end"])) for q in one]
    # 14,401 moments in two answers, of which the second begins one step after the first ends.
    assert len(spans) == 2
    assert spans[0][1] - spans[0][0] == 10_999 * 60
    assert spans[1] == (spans[0][1] + 60, NOW_S // 60 * 60)


def test_the_default_is_28_days_of_hours() -> None:
    prometheus = Prometheus()
    with server(prometheus) as url:
        read_server(base(url), now_s=NOW_S)
    assert {(q["start"], q["step"]) for q in prometheus.asked} == {
        (f"{END_S - 28 * 86_400}.000", "3600.000")
    }


def test_a_token_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, SECRET)
    prometheus = Prometheus()
    with server(prometheus) as url:
        read_server(base(url), AskedTime(days=1), NOW_S)
    assert prometheus.tokens == {f"Bearer {SECRET}"}
    with server(says(b"no", 401)) as url, pytest.raises(InputError, match="401 Unauth") as found:
        read_server(base(url), AskedTime(days=1), NOW_S)
    assert SECRET not in str(found.value)


def test_a_token_is_not_sent_to_where_a_server_redirects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, SECRET)
    there, here = Prometheus(), Prometheus()

    def redirect(to: Callable[[], str]) -> Answer:
        return lambda handler: leads(to() + handler.path.removeprefix("/old"))(handler)

    with server(there) as other, server(redirect(lambda: base(other))) as url:
        usage, _ = read_server(base(url), AskedTime(days=1), NOW_S)
    assert usage.size == 20
    assert there.tokens == {None}

    def moved(handler: BaseHTTPRequestHandler) -> None:
        (redirect(lambda: "") if handler.path.startswith("/old") else here)(handler)

    with server(moved) as url:
        read_server(base(url) + "/old", AskedTime(days=1), NOW_S)
    assert here.tokens == {f"Bearer {SECRET}"}


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "schlüssel"])
def test_a_token_that_no_header_can_have(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    with pytest.raises(InputError, match="the token must be printable ASCII") as found:
        read_server("http://127.0.0.1:9", AskedTime(days=1), NOW_S)
    assert token.split()[0] not in str(found.value).split("token", 1)[1]


def said(code: int, **document: Any) -> Answer:
    return says(json.dumps(document).encode(), code, Content_Type="application/json")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (said(400, status="error", errorType="bad_data", error="invalid step"),
         "/api/v1/query_range: 400 Bad Request: invalid step"),
        (said(422, status="error", error="query processing would load too many samples"),
         "422 Unprocessable Entity: query processing would load too many samples"),
        (said(503, status="error", error="query timed\nout"),
         "503 Service Unavailable: query timed\\nout"),
        (says(b"<html>Bad gateway", 502, Content_Type="text/html"), "502 Bad Gateway"),
        (says(b"404 page not found", 404), "404 Not Found"),
        (says(b"<html>", Content_Type="text/html"), "a web page (text/html), no data"),
        (says(b"# HELP up"), "no answer of Prometheus: not valid JSON"),
        (says(b"[]"), "no answer of Prometheus: status and data are missing"),
        (said(200, status="error", data={}, error="late"), "answered with an error: late"),
        (said(200, status="success", data={"resultType": "matrix", "result": []}),
         "no metrics of vllm, sglang, litellm, tgi in the last 1 days"),
        (said(200, status="success", data={"resultType": "vector", "result": []}),
         "resultType must be matrix"),
        (leads("/again"), "more than 5 redirects"),
        (leads("file:///etc/passwd"), "which is not followed"),
    ],
)  # fmt: skip
def test_what_a_server_answers_instead(answer: Answer, message: str) -> None:
    with server(answer) as url, pytest.raises(InputError, match=re.escape(message)) as found:
        read_server(base(url), AskedTime(days=1), NOW_S)
    assert str(found.value).isprintable()
    assert re.match("http://127.0.0.1(/[^ ]+)?: ", str(found.value))


def test_a_server_that_is_not_there() -> None:
    with server(Prometheus()) as url:
        pass
    with pytest.raises(InputError, match="Connection refused"):
        read_server(base(url), AskedTime(days=1), NOW_S)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1:9/?query=up", "give the address of the server, without a query"),
        ("ftp://127.0.0.1", "only https:// and http:// addresses are fetched"),
        ("http://me:pw@127.0.0.1", "addresses with a user or password are not fetched"),
        ("http://[::1", "not an address"),
    ],
)
def test_addresses_that_are_not_asked(address: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as found:
        read_server(address, AskedTime(days=1), NOW_S)
    assert "pw" not in str(found.value)


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (AskedTime(step_s=0), "the step must be 1 s or more, not 0 s"),
        (AskedTime(step_s=float("nan")), "the step must be 1 s or more, not nan s"),
        (AskedTime(days=0.01), "0.01 days have no step of 3600 s"),
        (AskedTime(days=-1), "-1 days have no step"),
    ],
)
def test_spans_that_hold_nothing(span: AskedTime, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read_server("http://127.0.0.1:9", span, NOW_S)
