"""Log lines, as JSON for machines or as text for a terminal, one shape for all who write them.

A log is read by more people than a case is, and kept in more places. So a line tells of routes and never of addresses
(which hold ids of cases), of roles and never of askers, and of the kind and the place of an error and never of its
message. Warnings of libraries are told by their place alone: their words may quote a row.
"""

from __future__ import annotations

import itertools
import json
import logging
import re
import secrets
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Any, ClassVar, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from service.settings import Settings

# Whose words are ours, or known to be fixed.
_SPOKEN: Final = ("heed", "uvicorn")
_PLACES: Final = 8  # of the code, innermost first

REQUESTS: Final = "heed.request"
# The request that is being answered: every line that is written meanwhile bears its id.
bound_request: ContextVar[str | None] = ContextVar("heed_request", default=None)

# New ids are numbers within a process, and processes differ by chance.
_PROCESS: Final = secrets.token_hex(6)
_NUMBERS: Final = itertools.count(1)
_GOOD_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send all log lines of this process to one stream, in the format and from the level of the settings.

    Who writes a line uses the standard library; fields go into `extra={"fields": {…}}`.

    Parameters
    ----------
    settings : `log_format` and `log_level` count
    stream : None: stderr, so that results on stdout stay alone
    """
    handler = _Handler(stream or sys.stderr, settings.log_format)
    handler.addFilter(lambda record: _is_spoken(record) or record.levelno >= logging.WARNING)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # Of threads, processes and tasks nothing is told, so nobody needs to look for their names.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # On a terminal `heed serve` says itself where it listens.
    logging.getLogger("uvicorn").setLevel(logging.WARNING if settings.log_format == "console" else logging.NOTSET)
    # Whoever ran a server in this process before may have left it a level of its own.
    logging.getLogger("uvicorn.error").setLevel(logging.NOTSET)
    # Its lines hold addresses; `service.observe` writes one line for each request instead.
    logging.getLogger("uvicorn.access").disabled = True


class _Handler(logging.StreamHandler[TextIO]):
    """Writes records as lines, rendered by structlog; the one of this process that was made last is `current`.

    (structlog's own formatter copies every record twice.)
    """

    current: ClassVar[_Handler | None] = None

    def __init__(self, stream: TextIO, log_format: str) -> None:
        super().__init__(stream)
        self.is_json = log_format == "json"
        self.render: Processor = (
            structlog.processors.JSONRenderer(_encode)
            if self.is_json
            else structlog.dev.ConsoleRenderer(colors=False, sort_keys=False, timestamp_key="time")
        )
        _Handler.current = self

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the record holds."""
        return str(self.render(None, record.levelname.lower(), _told_of(record)))

    def write(self, line: str) -> None:
        """Write a finished line."""
        # A reader of the log that has gone away is no reason to answer nobody.
        with self.lock or nullcontext(), suppress(OSError, ValueError):
            self.stream.write(line + self.terminator)
            self.flush()


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=lambda value: type(value).__name__)


def _encode(told: EventDict, **_options: Any) -> str:
    return _ENCODER.encode(told)


def writes_requests(level: int) -> bool:
    """Whether the line of a request of this level is written at all."""
    return _Handler.current is not None and _requests.isEnabledFor(level)


def write_request(level: int, told: Mapping[str, Any]) -> None:
    """Write the line of a request, where `configure` has said to what; no other line is written as often.

    As a record it would go through the machinery of the standard library for several times as long.

    Parameters
    ----------
    level : of `logging`
    told : method, route, status, ms, bytes, role, problem, instance; the last three may be None. All of them plain
        words and numbers, with nothing that JSON would have to escape.
    """
    handler = _Handler.current
    if handler is None or not _requests.isEnabledFor(level):
        return
    now, request = time.time(), bound_request.get()
    moment, name = _moment(now), logging.getLevelName(level).lower()
    if not handler.is_json:
        fields = {key: value for key, value in told.items() if value is not None}
        line = {"time": moment, "level": name, "logger": REQUESTS, "event": "request", "request_id": request, **fields}
        handler.write(str(handler.render(None, name, line)))
        return
    role, problem = told["role"], told["problem"]
    handler.write(
        f'{{"time": "{moment}", "level": "{name}", "logger": "{REQUESTS}", "event": "request", '
        f'"request_id": "{request}", "method": "{told["method"]}", "route": "{told["route"]}", '
        f'"status": {told["status"]}, "ms": {told["ms"]}, "bytes": {told["bytes"]}'
        + ("" if role is None else f', "role": "{role}"')
        + ("}" if problem is None else f', "problem": "{problem}", "instance": "{told["instance"]}"}}')
    )


_requests: Final = logging.getLogger(REQUESTS)


def _moment(seconds: float) -> str:
    whole = int(seconds)
    return f"{_second(whole)}.{int(1000 * (seconds - whole)):03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _is_spoken(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in _SPOKEN


def _told_of(record: logging.LogRecord) -> EventDict:
    """What is told of a record: when, how grave, by whom, what, and the fields that came with it."""
    spoken = _is_spoken(record)
    told: EventDict = {
        "time": _moment(record.created),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": record.getMessage() if spoken else "a library has said something",
    }
    if not spoken:
        told["place"] = f"{record.module}:{record.lineno}"
    request = bound_request.get()
    if request is not None:
        told["request_id"] = request
    if record.exc_info and record.exc_info[0] is not None:
        told["error"] = record.exc_info[0].__name__
        told["places"] = places_of(record.exc_info[2])
    told.update(getattr(record, "fields", {}))
    return told


def request_id(came: bytes | None) -> str:
    """The id of a request: the one that came with it, where it is harmless, else a new one."""
    if came is not None and _GOOD_ID.fullmatch(came):
        return came.decode("ascii")
    return f"{_PROCESS}-{next(_NUMBERS):x}"


def places_of(trace: TracebackType | None) -> str:
    """Where an error came up, innermost first: files and lines, without what they say."""
    frames = traceback.extract_tb(trace)[: -_PLACES - 1 : -1]
    return " < ".join(f"{frame.filename}:{frame.lineno}" for frame in frames)
