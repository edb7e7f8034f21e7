"""What JSON in a model file may not hold."""

from __future__ import annotations

from typing import NoReturn


def refuse_constant(name: str) -> NoReturn:
    """For `parse_constant` of `json.loads`: NaN and infinities are no figures that heed writes.

    Raises
    ------
    ValueError
        Always.
    """
    raise ValueError(f"Expected finite numbers, and {name} stands there.")
