"""Text from an address: encrypted, of limited size and time, and never a file of this machine.

urllib opens ``file:`` addresses, follows redirects to ``ftp:``, and waits a minute for every byte
of a body that may be endless. Here an opener knows HTTP alone, and the whole download, from looking
up the name to the last byte, has one limit of time and one of size.
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
"""Price files of public repositories take one or two."""

_REDIRECTS = (301, 302, 303, 307, 308)
_PIECE_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
_WEB_PAGES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a download is put up with."""

    size_bytes: int = 64_000_000
    """Of what is sent, and again of what that is when it is unpacked."""
    time_s: float = 120.0
    """From looking up the host's name to the last byte."""


def is_address(source: str) -> bool:
    """Whether a source is an address, and no path."""
    return "://" in source


def fetch_text(url: str, allow_http: bool = False, limits: Limits | None = None) -> str:
    """Return the text at an address.

    Parameters
    ----------
    url : str
        ``https://...``.
    allow_http : bool
        Whether ``http://...`` will do, which anybody on the way can change. An encrypted address
        never leads on to one that is not.
    limits : Limits, optional
        Size and time beyond which it is given up.

    Raises
    ------
    InputError
        When the address may not be fetched, or there is no text to be had within the limits.
    """
    limits = limits or Limits()
    _check(url, ("https", "http") if allow_http else ("https",))
    body = _within(limits, url, lambda: _body(url, allow_http, limits))
    if body.startswith(_GZIP):
        body = _unpacked(body, url, limits)
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"byte 0x{error.object[error.start]:02x} at {error.start:,}"
        raise InputError(f"{label(url)}: not UTF-8 text: {place}") from None


def _check(url: str, schemes: tuple[str, ...]) -> None:
    """Refuse an address that is not of these schemes, or holds what should not be shown."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise InputError(f"{label(url)}: not an address") from None
    if parts.scheme not in schemes:
        wanted = " and ".join(f"{scheme}://" for scheme in schemes)
        raise InputError(f"{label(url)}: only {wanted} addresses are fetched")
    if parts.username is not None:
        raise InputError(f"{label(url)}: addresses with a user or password are not fetched")
    if not named or not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise InputError(f"{label(url)}: not an address: no host, or unescaped characters")


def _within(limits: Limits, url: str, work: Callable[[], bytes]) -> bytes:
    """Return what a function returns within the time, or raise what it raises.

    It runs in a thread: looking up a name and reading the head of an answer have no limit that adds
    up, and a daemon thread does not keep the process from ending.
    """
    found: list[bytes | Exception] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(limits.time_s)
    if not found:
        raise InputError(f"{label(url)}: not there within {limits.time_s:g} s")
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def _body(url: str, allow_http: bool, limits: Limits) -> bytes:
    """Return the bytes that an address answers with, or the one that it leads on to."""
    ends = time.monotonic() + limits.time_s
    place = url
    for _ in range(MAX_REDIRECTS + 1):
        try:
            with _opened(place, max(ends - time.monotonic(), 0.001)) as answer:
                _check_head(answer, place, limits)
                return _read(answer, place, limits, ends)
        except HTTPError as error:
            # What stands in the body of an error or a redirect is not read: it may be endless.
            error.close()
            target = error.headers.get("Location")
            if error.code not in _REDIRECTS or not target:
                told = f"{error.code} {error.reason}".strip()
                raise InputError(f"{label(place)}: {told}") from None
            place = _next(place, target, allow_http)
        except (OSError, ValueError, HTTPException) as error:
            raise InputError(f"{label(place)}: {_why(error, limits)}") from None
    raise InputError(f"{label(url)}: leads on more than {MAX_REDIRECTS} times")


def _why(error: Exception, limits: Limits) -> str:
    """Return why an address could not be read."""
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, TimeoutError):
        return f"not there within {limits.time_s:g} s"
    return "ended early" if isinstance(error, IncompleteRead) else reason(error)


def _next(place: str, target: str, allow_http: bool) -> str:
    """Return where a redirect leads, which may be no less than where it comes from."""
    try:
        # Heads are read as Latin-1; what is not ASCII is escaped, and nothing else is.
        found = urljoin(place, quote(target, encoding="iso-8859-1", safe=string.punctuation))
        plain = allow_http and urlsplit(place).scheme == "http"
        _check(found, ("https", "http") if plain else ("https",))
    except (ValueError, InputError):
        shown = label(target) if is_address(target) else target[:100]
        raise InputError(f"{label(place)}: leads to {shown}, which is not followed") from None
    return found


def _opened(url: str, time_s: float) -> HTTPResponse:
    """Open an address by HTTP or not at all: there are no files, no FTP, no data in addresses."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(), UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    request = Request(url, headers={"Accept": "application/json, */*;q=0.5"})
    answer: HTTPResponse = opener.open(request, timeout=time_s)
    return answer


def _check_head(answer: HTTPResponse, url: str, limits: Limits) -> None:
    """Refuse what is known to be useless before its body is read."""
    if answer.status != 200:
        raise InputError(f"{label(url)}: answered {answer.status} instead of 200")
    kind = answer.headers.get_content_type()
    if kind in _WEB_PAGES:
        raise InputError(f"{label(url)}: a web page ({kind}), no data")
    packing = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if packing not in ("identity", "gzip", "x-gzip", ""):
        raise InputError(f"{label(url)}: packed as {packing!r}, which nobody asked for")
    if (answer.length or 0) > limits.size_bytes:
        raise _too_large(url, limits)


def _read(answer: HTTPResponse, url: str, limits: Limits, ends: float) -> bytes:
    """Read a body in pieces, each as soon as it is there, so that a slow one is noticed."""
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
        raise InputError(f"{label(url)}: answered with nothing")
    return b"".join(pieces)


def _unpacked(body: bytes, url: str, limits: Limits) -> bytes:
    """Unpack gzip, which may grow a thousandfold."""
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
