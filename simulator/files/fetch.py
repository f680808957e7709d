"""Download of text from an address: encrypted, and limited in size and time.

urllib opens ``file:`` addresses, follows redirects to ``ftp:``, and waits a minute for every byte
of a body that may be endless. The opener here only supports HTTP and HTTPS, and the whole download,
from name resolution to the last byte, has one limit of time and one of size.
"""

import gzip
import io
import string
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from simulator.errors import InputError
from simulator.files.text import label, reason

MAX_REDIRECTS = 5
"""Most redirects of a download; price files of public repositories need one or two."""

_REDIRECTS = (301, 302, 303, 307, 308)
_PIECE_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
_WEB_PAGES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a download."""

    size_bytes: int = 64_000_000
    """Largest size of the body, before and after decompression [B]."""
    time_s: float = 120.0
    """Longest time from name resolution to the last byte [s]."""


@dataclass(frozen=True, slots=True)
class Access:
    """How an address may be asked."""

    allow_http: bool = False
    """Whether ``http://`` is allowed, whose content anyone on the network path can change. An
    encrypted address never redirects to an unencrypted one."""
    bearer: str = ""
    """Token that is sent to the host of the address, and to no host that it redirects to."""


class HttpError(InputError):
    """An address answered with an error; ``text`` is the begin of what it said."""

    def __init__(self, message: str, text: str) -> None:
        super().__init__(message)
        self.text = text


def is_address(source: str) -> bool:
    """Return whether a source is an address and not a path."""
    return "://" in source


def fetch_text(url: str, allow_http: bool = False, limits: Limits | None = None) -> str:
    """Return the text at an address.

    Parameters
    ----------
    url : str
        Address that begins with ``https://``.
    allow_http : bool
        Whether ``http://`` is allowed, whose content anyone on the network path can change. An
        encrypted address never redirects to an unencrypted one.
    limits : Limits, optional
        Limits of size and time.

    Raises
    ------
    InputError
        If the address may not be fetched, or does not return a text within the limits.
    """
    return ask(url, Access(allow_http), limits)


def ask(url: str, access: Access, limits: Limits | None = None) -> str:
    """Return the text at an address that may need a token; see ``fetch_text``.

    Raises
    ------
    HttpError
        If the answer is an error.
    InputError
        If the address may not be fetched, or does not return a text within the limits.
    """
    limits = limits or Limits()
    _check_address(url, ("https", "http") if access.allow_http else ("https",))
    if not (access.bearer.isascii() and access.bearer.isprintable()) or " " in access.bearer:
        raise InputError(f"{label(url)}: the token must be printable ASCII without blanks")
    body = _run_within(limits, url, lambda: _download(url, access, limits))
    if body.startswith(_GZIP):
        body = _decompressed(body, url, limits)
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        location = f"byte 0x{error.object[error.start]:02x} at {error.start:,}"
        raise InputError(f"{label(url)}: not UTF-8 text: {location}") from None


def _check_address(url: str, schemes: tuple[str, ...]) -> None:
    """Raise InputError for an address of another scheme, with credentials, or without a host."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise InputError(f"{label(url)}: not an address") from None
    if parts.scheme not in schemes:
        allowed = " and ".join(f"{scheme}://" for scheme in schemes)
        raise InputError(f"{label(url)}: only {allowed} addresses are fetched")
    if parts.username is not None:
        raise InputError(f"{label(url)}: addresses with a user or password are not fetched")
    if not has_host or not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise InputError(f"{label(url)}: not an address: no host, or unescaped characters")


def _run_within(limits: Limits, url: str, work: Callable[[], bytes]) -> bytes:
    """Return the result of ``work``, or raise its exception, within the limit of time.

    It runs in a thread, since name resolution and the reading of response headers have no total
    limit of time. The thread is a daemon, so that the process can end before it.
    """
    results: list[bytes | Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(limits.time_s)
    if not results:
        raise InputError(f"{label(url)}: not complete within {limits.time_s:g} s")
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def _download(url: str, access: Access, limits: Limits) -> bytes:
    """Return the body of an address, following redirects."""
    ends = time.monotonic() + limits.time_s
    current = url
    for _ in range(MAX_REDIRECTS + 1):
        try:
            bearer = access.bearer if _host(current) == _host(url) else ""
            with _open(current, max(ends - time.monotonic(), 0.001), bearer) as answer:
                _check_headers(answer, current, limits)
                return _read_body(answer, current, limits, ends)
        except HTTPError as error:
            target = error.headers.get("Location")
            if error.code not in _REDIRECTS or not target:
                status = f"{error.code} {error.reason}".strip()
                raise HttpError(f"{label(current)}: {status}", _begin_of(error)) from None
            # The body of a redirect is not read, since it may be endless.
            error.close()
            current = _redirected(current, target, access.allow_http)
        except (OSError, ValueError, HTTPException) as error:
            raise InputError(f"{label(current)}: {_failure(error, limits)}") from None
    raise InputError(f"{label(url)}: more than {MAX_REDIRECTS} redirects")


def _host(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _begin_of(error: HTTPError) -> str:
    """Return the begin of the body of an error, which may be endless."""
    try:
        with error:
            return error.read(_PIECE_BYTES).decode(errors="replace")
    except (OSError, ValueError, HTTPException):
        return ""


def _failure(error: Exception, limits: Limits) -> str:
    """Return the reason for which an address could not be read."""
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, TimeoutError):
        return f"not complete within {limits.time_s:g} s"
    return "ended early" if isinstance(error, IncompleteRead) else reason(error)


def _redirected(url: str, target: str, allow_http: bool) -> str:
    """Return the target of a redirect, which must be as secure as its origin."""
    try:
        # Headers are read as Latin-1; only characters outside ASCII are escaped.
        address = urljoin(url, quote(target, encoding="iso-8859-1", safe=string.punctuation))
        is_plain = allow_http and urlsplit(url).scheme == "http"
        _check_address(address, ("https", "http") if is_plain else ("https",))
    except (ValueError, InputError):
        shown = label(target) if is_address(target) else target[:100]
        raise InputError(f"{label(url)}: redirects to {shown}, which is not followed") from None
    return address


def _open(url: str, time_s: float, bearer: str) -> HTTPResponse:
    """Open an address by HTTP or HTTPS; the opener has no handlers for files, FTP or data."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(), UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    request = Request(url, headers={"Accept": "application/json, */*;q=0.5"})
    if bearer:
        request.add_unredirected_header("Authorization", f"Bearer {bearer}")
    answer: HTTPResponse = opener.open(request, timeout=time_s)
    return answer


def _check_headers(answer: HTTPResponse, url: str, limits: Limits) -> None:
    """Raise InputError for an answer that is unusable, before its body is read."""
    if answer.status != 200:
        raise InputError(f"{label(url)}: answered {answer.status} instead of 200")
    kind = answer.headers.get_content_type()
    if kind in _WEB_PAGES:
        raise InputError(f"{label(url)}: a web page ({kind}), no data")
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise InputError(f"{label(url)}: compressed as {encoding!r}, which was not requested")
    if (answer.length or 0) > limits.size_bytes:
        raise _too_large(url, limits)


def _read_body(answer: HTTPResponse, url: str, limits: Limits, ends: float) -> bytes:
    """Return the body, read in pieces as they arrive, so that the limit of time can be checked."""
    pieces, size = [], 0
    while piece := answer.read1(_PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > limits.size_bytes:
            raise _too_large(url, limits)
        if time.monotonic() > ends:
            raise TimeoutError
    if answer.length:
        raise InputError(f"{label(url)}: ended {answer.length:,} bytes early")
    if not size:
        raise InputError(f"{label(url)}: the answer is empty")
    return b"".join(pieces)


def _decompressed(body: bytes, url: str, limits: Limits) -> bytes:
    """Return the text of a gzip body, which may be a thousand times larger, up to the limit."""
    try:
        with gzip.open(io.BytesIO(body)) as file:
            text = file.read(limits.size_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{label(url)}: not readable as gzip: {reason(error)}") from None
    if len(text) > limits.size_bytes:
        raise _too_large(url, limits)
    return text


def _too_large(url: str, limits: Limits) -> InputError:
    return InputError(f"{label(url)}: larger than {limits.size_bytes:,} bytes")
