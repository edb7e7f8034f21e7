"""Saving a view of the list, and letting go of one, by the forms of its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from data.errors import UsageError
from service.dashboard.cases_page import PageQuery
from service.dashboard.forms import posted_form
from service.dashboard.mark_form import list_address
from service.dashboard.show import Links
from service.dependencies import CaseReader, Source
from service.idempotency import writing
from service.language import LanguageQuery, marked
from service.routers.views import keep, let_go
from service.saved_views import filters_of, refuse_unknown

router = APIRouter(include_in_schema=False)

Form = Annotated[Mapping[str, str], Depends(posted_form)]


@router.post("/views")
def view_form(
    request: Request, _query: Annotated[LanguageQuery, Query()], identity: CaseReader, form: Form, reads: Source
) -> Response:
    """Keep the filters of the list that the form stands on, or let go of the view that `delete` names."""
    back, unwanted = form.get("back", ""), form.get("delete")
    choice = None if unwanted else _choice(back)
    snapshot = reads.current()
    if choice is not None:
        refuse_unknown(snapshot, choice, identity)
    with writing(reads.store()) as connection:
        if choice is not None:
            keep(connection, identity, filters_of(choice))
        elif unwanted:
            let_go(connection, identity, unwanted)
    return RedirectResponse(list_address(Links(request), back), status_code=303)


def _choice(query: str) -> PageQuery:
    """The filters of a query of the page.

    Raises
    ------
    UsageError
        If it is none.
    """
    try:
        return PageQuery.model_validate(dict(parse_qsl(query, max_num_fields=32)))
    except ValueError:
        raise UsageError(marked("Expected the filters of the list of cases.")) from None
