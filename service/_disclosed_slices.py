"""The slices of a back-test, as far as they may be shown: how good risks were by office, category, area and channel.

`models.validation.slices` puts values with few cases together, at a minimum of its own, which cannot know the one that
the service was set to. What it tells passes here on its way out: as cells of a table, like any figure about an area.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from service._disclosure_rules import PartOf, Rules, suppressed
from service.disclosure import disclose

_RULES: Final = Rules(counts=("rows", "failed", "cases"), relations=(PartOf("failed", "rows"),))
# No value of a dimension is called like this: values hold no control characters.
_OTHERS: Final = "\x1fothers"


def disclose_slices(validation: Mapping[str, Any], *, minimum: int) -> dict[str, Any]:
    """Withhold the slices of which a count is small, and enough others that no difference gives it back.

    Parameters
    ----------
    validation : what `models.validation.result.Validation.as_dict` gives
    minimum : the smallest count that is shown: of landmarks, of those that failed, of those that did not, of cases

    Returns
    -------
    dict
        The same; in each of `slices` only what may be told, `pooled` null where it may not, and `withheld` raised by
        what was told before.
    """
    told = {dimension: _disclosed(found, minimum) for dimension, found in validation["slices"].items()}
    return {**validation, "slices": told}


def _disclosed(found: Mapping[str, Any], minimum: int) -> dict[str, Any]:
    cells = {f"{number:06d}": one for number, one in enumerate(found["told"])}
    if found["pooled"] is not None:
        cells[_OTHERS] = found["pooled"]
    if not cells:
        return dict(found)
    table = pd.DataFrame(
        {
            "unit": [*cells],
            "rows": [one["rows"] for one in cells.values()],
            "failed": [round(one["rows"] * (one["base_rate"]["value"] or 0.0)) for one in cells.values()],
            "cases": [one["cases"] for one in cells.values()],
        }
    )
    shown = disclose(table, _RULES, parent={}, minimum=minimum)
    withheld = shown[[suppressed(count) for count in _RULES.counts]].any(axis=1)
    hidden = set(shown.loc[withheld, "unit"])
    kept = [one for unit, one in cells.items() if unit != _OTHERS and unit not in hidden]
    return {
        "told": kept,
        "pooled": None if _OTHERS in hidden else found["pooled"],
        "withheld": found["withheld"] + len(found["told"]) - len(kept),
    }
