"""Jobs: put one into the queue, see how far it is, cancel it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request, Response, Security
from sqlalchemy import Connection

from data.errors import StoreError, UsageError
from data.store import Store
from service.dependencies import Source, Spoken, allowed, identify
from service.etags import NO_STORE, Answer, respond
from service.idempotency import TAKES_JSON, Written, idempotent
from service.identity import Identity, Scope
from service.job_payloads import JobItem, JobList, JobQuery, NewJob, job_item
from service.jobs.kinds import checked
from service.jobs.queue import Job, cancel, enqueue, find, newest
from service.language import LanguageQuery, Words, marked
from service.problems import NotFoundError

router = APIRouter(prefix="/v1", tags=["jobs"])

JobRunner = Annotated[Identity, Security(identify, scopes=[Scope.JOBS_RUN.value])]
JobId = Annotated[str, Path(max_length=64, description="Id of the job, as its addition gave it.")]

# When to ask again for a job that has not ended, in seconds.
_ASK_AGAIN: Final = 2
_HEADERS: Final[dict[str, Any]] = {
    "Location": {"description": "Address of the job.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "When to ask again, in seconds, while it has not ended.",
        "schema": {"type": "integer"},
    },
}
_NONE: Final = marked("There is no job with this id, or no longer.")
_NOT_OURS: Final = marked("Expected a cursor as `next` of the page before gave it. Start again without a cursor.")


@router.post(
    "/jobs",
    operation_id="addJob",
    summary="Add a job",
    response_model=JobItem,
    status_code=202,
    responses={202: {"headers": _HEADERS}},
    dependencies=[allowed(Scope.JOBS_RUN), TAKES_JSON],
)
def add_job(
    request: Request,
    _query: Annotated[LanguageQuery, Query()],
    identity: JobRunner,
    reads: Source,
    words: Spoken,
    asked: NewJob,
) -> Response:
    """Put a job into the queue. A worker takes it up; `Location` is the address that tells how far it is."""
    store = reads.store()
    zone = _zone(store)
    arguments = checked(asked.kind, asked.arguments.model_dump(mode="json"), request.app.state.settings)

    def effect(connection: Connection) -> Written:
        job, _new = enqueue(
            connection,
            asked.kind,
            arguments,
            by=(identity.actor, identity.role.value),
            now=int(datetime.now(UTC).timestamp()),
            not_before=None if asked.not_before is None else int(asked.not_before.timestamp()),
        )
        return _written(job, zone, words)

    return idempotent(request, identity, store, effect)


@router.get(
    "/jobs",
    operation_id="listJobs",
    summary="Jobs, the one added last first",
    response_model=JobList,
    dependencies=[allowed(Scope.JOBS_READ)],
)
def list_jobs(request: Request, query: Annotated[JobQuery, Query()], reads: Source, words: Spoken) -> Response:
    """A page of jobs. A cursor names the last job of its page: jobs added meanwhile do not shift the next one."""
    store = reads.store()
    after = None if query.cursor is None else _position(query.cursor)
    with store.reading() as connection:
        jobs = newest(connection, limit=query.limit + 1, state=query.state, kind=query.kind, after=after)
    zone = _zone(store)
    shown = jobs[: query.limit]
    following = _cursor(shown[-1]) if len(jobs) > query.limit else None
    body = JobList(jobs=[job_item(job, zone, words) for job in shown], next=following)
    address = f"{request.url.path}?{request.url.include_query_params(cursor=following).query}"
    link = None if following is None else f'<{address}>; rel="next"'
    answer = Answer.of(body.model_dump_json().encode())
    return respond(request, answer, language=words.language, cache=NO_STORE, link=link)


@router.get(
    "/jobs/{job_id}",
    operation_id="getJob",
    summary="One job",
    response_model=JobItem,
    dependencies=[allowed(Scope.JOBS_READ)],
)
def get_job(
    request: Request, job_id: JobId, _query: Annotated[LanguageQuery, Query()], reads: Source, words: Spoken
) -> Response:
    """How far a job is, and its result or its problem. `Retry-After` says when to ask again, while it has not ended."""
    store = reads.store()
    with store.reading() as connection:
        job = _there(find(connection, job_id))
    answer = Answer.of(job_item(job, _zone(store), words).model_dump_json().encode())
    response = respond(request, answer, language=words.language, cache=NO_STORE)
    if not job.ended:
        response.headers["Retry-After"] = str(_ASK_AGAIN)
    return response


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancelJob",
    summary="Cancel a job",
    response_model=JobItem,
    status_code=202,
    responses={202: {"headers": _HEADERS}},
    dependencies=[allowed(Scope.JOBS_RUN), TAKES_JSON],
)
def cancel_job(
    request: Request,
    job_id: JobId,
    _query: Annotated[LanguageQuery, Query()],
    identity: JobRunner,
    reads: Source,
    words: Spoken,
) -> Response:
    """Cancel a job: a queued one at once; a running one stops where it next tells how far it is, and what it stored
    until then stays. One that has ended stays as it is.
    """
    store = reads.store()
    zone = _zone(store)

    def effect(connection: Connection) -> Written:
        by = (identity.actor, identity.role.value)
        job = cancel(connection, job_id, by=by, now=int(datetime.now(UTC).timestamp()))
        return _written(_there(job), zone, words)

    return idempotent(request, identity, store, effect)


def _written(job: Job, zone: tzinfo, words: Words) -> Written:
    headers = {"Location": f"/v1/jobs/{job.job_id}", "Content-Language": words.language}
    if not job.ended:
        headers["Retry-After"] = str(_ASK_AGAIN)
    return Written.of(job_item(job, zone, words), status=202, headers=headers)


def _there(job: Job | None) -> Job:
    if job is None:
        raise NotFoundError(_NONE)
    return job


def _zone(store: Store) -> tzinfo:
    """The clock of the city; UTC while the store is empty, and where its sources have several."""
    try:
        return ZoneInfo(store.time_zone())
    except StoreError:
        return UTC


def _position(cursor: str) -> tuple[int, str]:
    try:
        at, job_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError):  # not base64, not text, not JSON, or JSON of another shape
        raise UsageError(_NOT_OURS) from None
    known = isinstance(at, int) and not isinstance(at, bool) and isinstance(job_id, str) and job_id.isalnum()
    if not known or not 0 <= at < 2**62 or not job_id.isascii():
        raise UsageError(_NOT_OURS)
    return at, job_id


def _cursor(last: Job) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.created_at, last.job_id]).encode()).decode()
