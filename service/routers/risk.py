"""The risks of cases that are posted, and not stored."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from service import display
from service.dependencies import Spoken, identify
from service.etags import JSON, NO_STORE
from service.idempotency import require_json
from service.identity import Identity, Scope
from service.language import LanguageQuery, Words, marked
from service.online.holder import ModelHolder
from service.online.pool import Stopped, WorkPool
from service.online.posted import require_few, require_own, seconds_of, states_of
from service.online.scorer import CaseTold, OneTold, Scorer, StoppedError
from service.open_case import Remaining, Risk
from service.payloads import reason_item, remaining_item
from service.problems import BodyProblem, ConflictError, UnfitBodyError
from service.reasons import explain
from service.risk_payloads import RiskAnswer, RiskRequest, inlined
from service.scoring import refuse_hindsight

T = TypeVar("T")

router = APIRouter(prefix="/v1", tags=["risk"])

# So few cases, as of the newest scoring and without reasons, are scored where the request is read: handing them to a
# thread would take longer. Of another moment nothing is kept, and what the city did takes milliseconds to look up.
AT_ONCE: Final = 1
# Bodies up to this size are read there too.
_SMALL_BODY: Final = 65_536
# How much later than its index a service may be asked about: what the city has done since is not in it.
_FRESH_SECONDS: Final = 86_400

# What others have come to call it when the asker left before the answer.
_LEFT: Final = 499

# Without the adapter's own way to it, which takes longer than to read the rest of a small body.
_READ: Final[Callable[[bytes], RiskRequest]] = TypeAdapter(RiskRequest).validator.validate_json
# Every number of four decimals from 0 to 1, as it is written.
_SHARES: Final = tuple(repr(number / 10_000) for number in range(10_001))
_NOT_TOLD: Final = marked("outcomes that the models in use tell: %(told)s")
_OLD_INDEX: Final = marked(
    "Expected a moment at most a day after the newest scoring: what offices have done since is not known here. "
    "Run `heed score`, then ask again."
)

Scoring = Annotated[Identity, Security(identify, scopes=[Scope.RISK_SCORE.value])]


@router.post(
    "/risk",
    operation_id="scoreRisk",
    summary="Score posted cases",
    responses={200: {"model": RiskAnswer}},
    openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": inlined(RiskRequest)}}}},
)
async def score_risk(
    request: Request, _query: Annotated[LanguageQuery, Query()], words: Spoken, identity: Scoring
) -> Response:
    """The risks of up to 1,000 posted cases as of a moment, without storing anything: with the models and the facts of
    offices, areas and types of problem that the newest scoring used, so that a case that is in the store gets the very
    same risks. A handler may post cases of its own offices.
    """
    body = await request.body()
    told = scored_at_once(request, body, words, identity)
    if told is not None:
        return Response(told, media_type=JSON, headers={"Cache-Control": NO_STORE})
    return await answered(request, body, words, identity)


def scored_at_once(request: Request, body: bytes, words: Words, identity: Identity) -> bytes | None:
    """The answer where it takes less time than to hand the work to a thread; else None.

    Raises
    ------
    HeedError, RequestValidationError
        As `scoreRisk` answers them.
    """
    require_json(request, body)
    holder: ModelHolder = request.app.state.models
    scorer = holder.ready()
    if scorer is None or len(body) > _SMALL_BODY:
        return None
    asked = read(body)
    return _scored(scorer, asked, request, identity, words) if _is_quick(asked) else None


async def answered(request: Request, body: bytes, words: Words, identity: Identity) -> Response:
    """The answer, worked out beside the event loop."""
    holder: ModelHolder = request.app.state.models
    pool: WorkPool = request.app.state.scoring
    # Read again beside the event loop, since most of such a body's time is the scoring: all of it waits its turn.
    answer = await _while_asked(
        request, pool, lambda stopped: _scored(holder.wait(), read(body), request, identity, words, stopped)
    )
    headers = {"Cache-Control": NO_STORE, "Content-Language": words.language, "Vary": "Accept-Language"}
    if answer is None:
        # Nobody reads it; the number is for the log.
        return Response(status_code=_LEFT)
    return Response(answer, media_type=JSON, headers=headers)


def _is_quick(asked: RiskRequest) -> bool:
    return len(asked.cases) <= AT_ONCE and asked.as_of is None and not (asked.reasons or asked.remaining_time)


def read(body: bytes) -> RiskRequest:
    """What was posted.

    Raises
    ------
    RequestValidationError
        If it is not as described; with places, and nothing of what came.
    """
    try:
        return _READ(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in found]) from None


async def _while_asked(request: Request, pool: WorkPool, work: Callable[[Stopped], T]) -> T | None:
    """Do something beside the event loop as long as the asker is there; None if he left."""
    working = asyncio.ensure_future(pool.run(work))
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError, StoppedError):
            await working
        return None
    finally:
        working.cancel()
        leaving.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _scored(
    scorer: Scorer,
    asked: RiskRequest,
    request: Request,
    identity: Identity,
    words: Words,
    stopped: Stopped | None = None,
) -> bytes:
    """The answer, as JSON."""
    require_few(asked.cases, request.app.state.settings.max_rows)
    as_of = _moment(scorer, asked)
    outcomes = _outcomes(scorer, asked)
    cases = states_of(asked.cases, as_of)
    require_own(cases, identity)
    if stopped is None:
        told = [scorer.one(case, as_of, outcomes) for case in cases]
    else:
        told = scorer.many(
            cases, as_of, outcomes, reasons=asked.reasons, remaining=asked.remaining_time, stopped=stopped
        )
    zone = scorer.saved.about.time_zone
    if stopped is None:
        cases_told = b",".join([plain_case(case) for case in told])
        return b'%s,"cases":[%s]}' % (_begun(as_of, scorer.as_of, scorer.version, zone), cases_told)
    head = _head(as_of, scorer.as_of, scorer.version, zone)
    return to_json({**head, "cases": [_case(case, words) for case in told]})


def _head(as_of: int, known_until: int, version: str, zone: str) -> dict[str, Any]:
    return {
        "as_of": _on_clock(as_of, zone),
        "city_known_until": _on_clock(known_until, zone),
        "model_version": version,
    }


@lru_cache(maxsize=16)
def _begun(as_of: int, known_until: int, version: str, zone: str) -> bytes:
    """An answer up to its cases: the same for all that are asked as of one moment."""
    return to_json(_head(as_of, known_until, version, zone))[:-1]


@lru_cache(maxsize=64)
def _on_clock(moment: int, time_zone: str) -> datetime:
    return datetime.fromtimestamp(moment, ZoneInfo(time_zone))


def _moment(scorer: Scorer, asked: RiskRequest) -> int:
    as_of = scorer.as_of if asked.as_of is None else seconds_of(asked.as_of)
    if as_of > scorer.as_of + _FRESH_SECONDS:
        raise ConflictError(_OLD_INDEX)
    refuse_hindsight(scorer.models, as_of)
    return as_of


def _outcomes(scorer: Scorer, asked: RiskRequest) -> frozenset[str] | None:
    if asked.outcomes is None:
        return None
    if not set(asked.outcomes) <= set(scorer.outcomes):
        raise UnfitBodyError([BodyProblem("outcomes", _NOT_TOLD, {"told": ", ".join(scorer.outcomes)})])
    return frozenset(asked.outcomes)


def _case(case: CaseTold, words: Words) -> dict[str, Any]:
    remaining = None
    if case.remaining is not None:
        seconds = {name: None if math.isnan(value) else value for name, value in case.remaining.items()}
        remaining = remaining_item(words, Remaining(**seconds))  # type: ignore[arg-type]
    return {
        "status": case.status,
        "risks": [_risk(risk, words) for risk in case.risks],
        "remaining_time": remaining,
    }


def plain_case(case: CaseTold) -> bytes:
    """A case without reasons and remaining time as JSON, the same bytes as the long way makes, in a tenth of its time.

    Nothing in it has to be escaped: all words are ours.
    """
    risks = ",".join(
        [
            f'{{"outcome":"{outcome}","probability":{_share(probability)},"lower":{_share(lower)},'
            f'"upper":{_share(upper)},"band":"{band}","per_100":{display.per_100(probability)},'
            '"base_points":null,"reasons":null}'
            for outcome, probability, lower, upper, band, _reasons in case.risks
        ]
    )
    return f'{{"status":"{case.status}","risks":[{risks}],"remaining_time":null}}'.encode("ascii")


def _share(value: float) -> str:
    """A number from 0 to 1 rounded to four decimals, as JSON writes it."""
    shifted = value * 10_000
    place = int(shifted + 0.5)
    # Near the middle between two, what `shifted` was rounded by itself could decide.
    return _SHARES[place] if -0.499 < shifted - place < 0.499 else repr(round(value, 4))


def _risk(risk: OneTold, words: Words) -> dict[str, Any]:
    base, reasons = None, None
    if risk.reasons:
        told = explain(Risk(risk.outcome, risk.probability, risk.band, risk.lower, risk.upper, risk.reasons))
        base, reasons = told.base / 10, [reason_item(words, reason) for reason in told.reasons]
    return {
        "outcome": risk.outcome,
        "probability": round(risk.probability, 4),
        "lower": round(risk.lower, 4),
        "upper": round(risk.upper, 4),
        "band": risk.band,
        "per_100": display.per_100(risk.probability),
        "base_points": base,
        "reasons": reasons,
    }
