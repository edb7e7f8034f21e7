"""Who is asking: a role, what it may do, and whose cases it may read.

An identity is a key or a token, never a named person: what is kept of it is a short code. Offices judge nobody by it;
no figure is ever made per identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """Something that may be done, as tokens and the description of the API name it."""

    CASES_READ = "cases:read"
    CASES_MARK = "cases:mark"
    RISK_SCORE = "risk:score"
    EVENTS_WRITE = "events:write"
    AREAS_READ = "areas:read"
    SIGNALS_READ = "signals:read"
    SIGNALS_REVIEW = "signals:review"
    MODELS_READ = "models:read"
    MODELS_PROMOTE = "models:promote"
    JOBS_READ = "jobs:read"
    JOBS_RUN = "jobs:run"
    METRICS_READ = "metrics:read"


class Role(StrEnum):
    """What an asker is to the service."""

    HANDLER = "handler"
    ANALYST = "analyst"
    DASHBOARD = "dashboard"
    ADMIN = "admin"


_FIGURES: Final = frozenset({Scope.AREAS_READ, Scope.SIGNALS_READ})
SCOPES: Final[Mapping[Role, frozenset[Scope]]] = {
    # The cases of its own office, and what it may post about them.
    Role.HANDLER: _FIGURES | {Scope.CASES_READ, Scope.CASES_MARK, Scope.RISK_SCORE, Scope.SIGNALS_REVIEW},
    # Aggregates and models, and no case.
    Role.ANALYST: _FIGURES
    | {Scope.SIGNALS_REVIEW, Scope.MODELS_READ, Scope.MODELS_PROMOTE, Scope.JOBS_READ, Scope.JOBS_RUN},
    # Disclosed figures only.
    Role.DASHBOARD: _FIGURES,
    Role.ADMIN: frozenset(Scope),
}


# What the name of a desk of an identity provider begins with: a role with its offices, and no account.
DESK: Final = "desk:"


@dataclass(frozen=True, slots=True)
class Identity:
    """One asker.

    Attributes
    ----------
    actor : what the audit trail calls it: `key:ID`, `token:DIGEST`, `local`; at most 80 characters, never a name
    role : see `Role`
    offices : codes of the offices whose cases it may read; None: of all
    scopes : what it may do; never more than its role allows
    """

    actor: str
    role: Role
    offices: frozenset[str] | None
    scopes: frozenset[Scope]

    @property
    def desk(self) -> str:
        """Whose saved views it has: those of its key; of a token, whose account is a person's, those of all with the
        same role and offices, for nothing is kept by a person.
        """
        if not self.actor.startswith("token:"):
            return self.actor
        offices = "" if self.offices is None else "\0".join(sorted(self.offices))
        named = f"{self.role.value}\0{self.offices is None}\0{offices}"
        return f"{DESK}{hashlib.sha256(named.encode()).hexdigest()[:16]}"

    def may(self, scope: Scope) -> bool:
        """Whether it may do this."""
        return scope in self.scopes

    def sees_office(self, office: str | None) -> bool:
        """Whether it may read the cases that this office is responsible for now; None: that nobody is."""
        return self.offices is None or (office is not None and office in self.offices)


# Whoever comes without a key, where the echo board is open to anyone (`service.auth.gate`).
PUBLIC: Final = Identity("public", Role.DASHBOARD, None, frozenset({Scope.AREAS_READ}))

# Without authentication the service can be reached from its own machine only, and whoever sits there may do everything.
LOCAL: Final = Identity("local", Role.ADMIN, None, SCOPES[Role.ADMIN])
