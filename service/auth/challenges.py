"""What a refused asker is told: enough to ask rightly, and not which part of a credential was wrong (RFC 6750)."""

from __future__ import annotations

from typing import Final

from service.identity import Scope
from service.language import marked
from service.problems import ForbiddenError, UnauthorisedError

_REALM: Final = 'Bearer realm="heed"'


def nobody() -> UnauthorisedError:
    """No credential came."""
    return UnauthorisedError(
        marked("Send a key or a token in the header Authorization, as Bearer. A key is made with `heed keys add`."),
        _REALM,
    )


def not_holding() -> UnauthorisedError:
    """A credential came that does not hold; the same for every fault."""
    return UnauthorisedError(
        marked("This key, token or session is unknown here, has expired or was revoked. Sign in anew."),
        f'{_REALM}, error="invalid_token"',
    )


def not_entitled() -> ForbiddenError:
    """The token is genuine and has no role here."""
    return ForbiddenError(
        marked(
            "This token holds, and grants no role here: it names none that is known, or a handler without an office."
        ),
        f'{_REALM}, error="insufficient_scope"',
    )


def not_allowed(scopes: list[Scope]) -> ForbiddenError:
    """The role, or the token, does not reach as far as the address needs."""
    return ForbiddenError(
        marked("This key or token does not allow this. Ask with one whose role does."),
        f'{_REALM}, error="insufficient_scope", scope="{" ".join(scopes)}"',
    )
