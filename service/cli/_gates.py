"""The gates of a version at the command: asked before it is put to use, and gone over only with a reason."""

from __future__ import annotations

import re
from typing import Final

from data.audit_log import Act, append
from data.errors import ModelError, UsageError
from data.store import Store
from models.gates import HARD, Gate, failed
from models.registry import Registry
from models.registry.names import model_name_of
from service.gating import closed_words, comparable, gates_of
from service.idempotency import writing

_CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def check_code(code: str | None, option: str = "--override") -> None:
    """Refuse a reason that is no code.

    Raises
    ------
    UsageError
        If it is none.
    """
    if code is not None and not _CODE.fullmatch(code):
        raise UsageError(
            f"{option}: expected a short code of letters, digits and hyphens, such as 'first-of-a-new-year'."
        )


def checked_gates(registry: Registry, version: str, override: str | None) -> list[Gate]:
    """The gates that `override` goes over, none where all are passed.

    Raises
    ------
    ModelError
        Naming the gates that are not passed, if no reason is given.
    UsageError
        If the reason is no code.
    """
    check_code(override)
    if comparable(registry, version) is None:
        return []
    closed = [gate for gate in failed(gates_of(registry, version)) if gate.name not in HARD]
    if closed and override is None:
        raise ModelError(
            f"{version}: expected its gates to be passed, and these are not: {closed_words(closed)}. Judge it with "
            f"`heed models judge {version}`, or give a reason with --override CODE."
        )
    return closed


def record_override(store: Store, version: str, before: str | None, override: str, gone_over: list[Gate]) -> None:
    """Tell the audit trail that gates are gone over, before it is done."""
    detail = {
        "stage": "begun",
        "alias": "champion",
        "before": before,
        "reason": None,
        "override": override,
        "gates": [gate.name for gate in gone_over],
    }
    with writing(store) as connection:
        append(connection, [Act.own("command", "model.promote", version, detail)])


def go_over_gates(store: Store, registry: Registry, version: str, override: str) -> None:
    """Put a version to use whatever its gates say, and tell the trail which were not passed."""
    name = str(model_name_of(version))
    gone_over = checked_gates(registry, version, override)
    before = registry.champion(name)
    if gone_over:
        record_override(store, version, before, override, gone_over)
    registry.promote(name, version, expected=before, reason=override)
