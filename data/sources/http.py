"""Requests to a portal that cannot hang, flood, be led astray or give a secret away.

Every wait is bounded: connecting, the next byte, the whole answer, the number of tries, and all waiting together.
Certificates are always checked. Messages name the host and the path, never the query, a header or what came back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from data.errors import FileFormatError, InputError, MappingError, UsageError
from data.sources.answers import Answer, BrokenAnswerError, media_type_of, unpack

if TYPE_CHECKING:
    import httpx
    import tenacity

T = TypeVar("T")
Parse = Callable[[Answer], T]

# Busy, broken for the moment, or (202, at Socrata) still working on the answer.
_AGAIN: Final = frozenset([202, 408, 425, 429, 500, 502, 503, 504])
_MOVED: Final = frozenset([301, 302, 307, 308])
_MOST_REDIRECTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much, in seconds and bytes.

    `attempts` is the number of tries of one request, `budget` all waiting between tries in one sync, `longest_wait`
    the most that a single wait may take whatever the portal asks for, `answer` the time for one whole answer.
    """

    attempts: int = 6
    budget: float = 1800.0
    first_wait: float = 1.0
    longest_wait: float = 300.0
    connect: float = 15.0
    read: float = 60.0
    answer: float = 600.0
    max_bytes: int = 256_000_000


class _AgainError(Exception):
    """A try that failed where the next may not; `wait` is what the portal asked for, in seconds."""

    def __init__(self, reason: str, *, wait: float | None = None, broken: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.broken = broken


class Http:
    """A connection to one portal. Use it in a `with` block.

    Parameters
    ----------
    url : str
        Where the portal is; its host is the one that may be redirected to without https.
    secret : (header, value), or None
        Sent to the portal's own host and nowhere else.
    proxy : str or None
        None: as the environment says (HTTPS_PROXY and so on).
    sleep : callable
        Waits so many seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: tuple[str, str] | None = None,
        secret_env: str = "",
        limits: Limits | None = None,
        proxy: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # Imported here, as everywhere below: only `heed sync` needs it, and every other command would wait for it.
        import httpx  # noqa: PLC0415

        self.limits = limits or Limits()
        self.base = url
        self.waited = 0.0
        self._home = httpx.URL(url)
        self._secret, self._secret_env = secret, secret_env
        self._sleep, self._proxy = sleep, proxy
        self._late = False
        self._client = self._new_client()

    def _new_client(self) -> httpx.Client:
        import httpx  # noqa: PLC0415

        try:
            return httpx.Client(
                timeout=httpx.Timeout(self.limits.read, connect=self.limits.connect),
                headers={"User-Agent": user_agent(), "Accept-Encoding": "gzip"},
                follow_redirects=False,
                proxy=self._proxy,
                trust_env=True,
            )
        except (ValueError, httpx.InvalidURL):
            raise UsageError("The proxy cannot be used: expected an address such as http://host:3128.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._client.close()

    def get(self, path: str, parse: Parse[T], params: Mapping[str, str] | None = None) -> T:
        """The answer to GET, as `parse` reads it; tried again while trying again can help.

        Raises
        ------
        InputError
            If the portal cannot be reached, is too busy for too long, or refuses.
        FileFormatError
            If what it answers is not what was asked for.
        MappingError
            If it does not know what was asked for, such as a column.
        """
        return self._patiently("GET", path, parse, params=dict(params or {}))

    def post(self, path: str, parse: Parse[T], body: Mapping[str, Any]) -> T:
        """The answer to POST of a JSON object; as `get`."""
        return self._patiently("POST", path, parse, json=dict(body))

    # ---- trying again ----

    def _patiently(self, method: str, path: str, parse: Parse[T], **content: Any) -> T:
        # Imported here, as httpx.
        import tenacity  # noqa: PLC0415

        first, most = self.limits.first_wait, self.limits.longest_wait
        backoff = tenacity.wait_exponential(multiplier=first, max=most / 2) + tenacity.wait_random(0, first)

        def wait(state: tenacity.RetryCallState) -> float:
            asked = _failure(state).wait
            own = backoff(state)
            # Never before the portal said, and not all callers in the same second.
            return min(own if asked is None else max(own, asked + own / 10), self.limits.longest_wait)

        def stop(state: tenacity.RetryCallState) -> bool:
            spent = state.attempt_number >= self.limits.attempts
            return spent or self.waited + state.upcoming_sleep > self.limits.budget

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_AgainError), wait=wait, stop=stop, sleep=self._wait, reraise=True
        )
        try:
            found: T = retrying(self._once, method, path, parse, content)
            return found
        except _AgainError as last:
            tries = int(retrying.statistics.get("attempt_number", 1))
            raise self._given_up(path, last, tries) from None

    def _wait(self, seconds: float) -> None:
        self.waited += seconds
        self._sleep(seconds)

    def _given_up(self, path: str, last: _AgainError, tries: int) -> InputError:
        told = f"{self._place(path)}: {last}, after {tries} tries and {self.waited:,.0f} s of waiting."
        if last.broken:
            return FileFormatError(
                f"{told} Nothing of this answer was kept. Look at the portal with a browser; if it has changed, "
                "the [sync] of the mapping must change too."
            )
        return InputError(f"{told} What was fetched before is kept; run the same command again later.")

    # ---- one try ----

    def _once(self, method: str, path: str, parse: Parse[T], content: dict[str, Any]) -> T:
        import httpx  # noqa: PLC0415

        # The time-outs bound the wait for the next byte. A server that sends one now and then, also of its headers,
        # is bounded by this watch.
        if self._late:
            self._late, self._client = False, self._new_client()
        watch = threading.Timer(self.limits.answer, self._hang_up)
        watch.daemon = True
        watch.start()
        try:
            return parse(self._followed(method, f"{self.base}{path}", path, content))
        except BrokenAnswerError as error:
            raise _AgainError(f"the answer cannot be used: {error}", broken=True) from None
        except (httpx.TransportError, OSError, RuntimeError) as error:
            if self._late:
                raise _AgainError("the answer came too slowly") from None
            if not isinstance(error, httpx.TransportError):
                raise
            raise _AgainError(_trouble(error)) from None
        finally:
            watch.cancel()

    def _hang_up(self) -> None:
        self._late = True
        self._client.close()

    def _followed(self, method: str, url: str, path: str, content: dict[str, Any]) -> Answer:
        import httpx  # noqa: PLC0415

        request = self._client.build_request(method, url, headers=self._own_headers(httpx.URL(url)), **content)
        for _hop in range(_MOST_REDIRECTS + 1):
            response = self._client.send(request, stream=True)
            try:
                if response.status_code not in _MOVED:
                    return self._read(response, path)
                target = self._target(request.url, response.headers.get("location", ""), path)
            finally:
                response.close()
            # The target may carry the query already; the body goes along unchanged.
            body = {"json": content["json"]} if "json" in content else {}
            request = self._client.build_request(method, target, headers=self._own_headers(target), **body)
        raise InputError(f"{self._place(path)}: the portal redirects without end. Mend url in [sync] of the mapping.")

    def _own_headers(self, url: httpx.URL) -> dict[str, str]:
        at_home = (url.scheme, url.host, url.port) == (self._home.scheme, self._home.host, self._home.port)
        return {self._secret[0]: self._secret[1]} if self._secret is not None and at_home else {}

    def _target(self, url: httpx.URL, location: str, path: str) -> httpx.URL:
        import httpx  # noqa: PLC0415

        try:
            target = url.join(location)
        except httpx.InvalidURL:
            raise BrokenAnswerError("it redirects to something that is no address") from None
        same = target.host == url.host and target.scheme == url.scheme
        if not location or target.userinfo or not (target.scheme == "https" or same):
            raise InputError(
                f"{self._place(path)}: the portal redirects to an address that is neither https nor on the same "
                "host. Nothing was sent there. If the portal has moved, mend url in [sync] of the mapping."
            )
        return target

    def _read(self, response: httpx.Response, path: str) -> Answer:
        status = response.status_code
        if status in _AGAIN:
            asked = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
            raise _AgainError(f"the portal answers HTTP {status}", wait=asked)
        if status != 200:
            raise self._refused(status, path)
        ends = time.monotonic() + self.limits.answer

        def check() -> None:
            if time.monotonic() > ends:
                raise _AgainError("the answer came too slowly")

        packing = response.headers.get("content-encoding", "").strip().lower()
        content = unpack(response.iter_raw(), packing, self.limits.max_bytes, check)
        return Answer(content, *media_type_of(response.headers.get("content-type", "")))

    def _refused(self, status: int, path: str) -> InputError:
        place = self._place(path)
        if status in (401, 403):
            given = "The one given is not accepted" if self._secret else "None was given"
            return InputError(
                f"{place}: the portal refuses (HTTP {status}); it may want a key. {given}: set "
                f"{self._secret_env or 'the variable for it'} in the environment, or ask the portal."
            )
        if status in (404, 410):
            return InputError(
                f"{place}: there is nothing there (HTTP {status}). Mend url and dataset in [sync] of the mapping."
            )
        if status in (400, 409, 422):
            return MappingError(
                f"{place}: the portal does not understand the question (HTTP {status}): a column may be gone or "
                "have another name or type, or the portal may not allow this kind of question. Compare its list "
                "of columns with [columns] and [sync] of the mapping."
            )
        return InputError(f"{place}: the portal refuses (HTTP {status}). Try again later, or ask the portal.")

    def _place(self, path: str) -> str:
        return f"{self._home.host}{self._home.path.rstrip('/')}{path}"


def user_agent() -> str:
    """How heed calls itself; portals want to know who asks so often."""
    try:
        return f"heed/{version('heed')}"
    except PackageNotFoundError:
        return "heed"


def retry_after(header: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After asks to wait, whether it gives them or a date; None if it says nothing clear.

    Examples
    --------
    >>> retry_after("120", datetime(2024, 3, 15, tzinfo=UTC))
    120.0
    >>> retry_after("Fri, 15 Mar 2024 00:01:00 GMT", datetime(2024, 3, 15, tzinfo=UTC))
    60.0
    """
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header.strip()[:9])
    try:
        moment = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _failure(state: tenacity.RetryCallState) -> _AgainError:
    failed = None if state.outcome is None else state.outcome.exception()
    return failed if isinstance(failed, _AgainError) else _AgainError("")


def _trouble(error: Exception) -> str:
    import httpx  # noqa: PLC0415

    if isinstance(error, httpx.TimeoutException):
        return "the portal did not answer in time"
    if isinstance(error, httpx.ProxyError):
        return "the proxy refused the connection"
    if isinstance(error, httpx.ConnectError):
        return f"the portal cannot be reached ({_why(error)})"
    # Also a Content-Length that promises more than comes.
    return "the connection broke in the middle of the answer"


def _why(error: Exception) -> str:
    said = str(error).lower()
    if "certificate" in said:
        return "its certificate is not valid, and heed never goes on without one"
    return "no such host" if "name" in said or "address" in said else "the connection was refused"
