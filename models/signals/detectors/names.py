"""Detectors and parameters by name, ours or those of the R package surveillance, from plain values or text.

R's names that differ from ours (any other name is the same in both):

    farringtonFlexible   b years_back, w half_window, noPeriods seasons, pastWeeksNotIncluded weeks_left_out,
                         weightsThreshold residual_threshold, pThresholdTrend trend_level, limit54 minimum_cases,
                         powertrans power, populationOffset population_offset, thresholdMethod threshold
    farrington           b, w, limit54, powertrans, populationOffset as above
    earsC                method kind, minSigma least_sd
    algo.cusum           k reference, h limit, trans transformation, m mean, alpha overdispersion
    algo.glrnb           c.ARL limit, M window, Mtilde least_weeks, dir direction, alpha overdispersion, xMax
                         largest_count, mu0 mean (a number) or its parts S harmonics and trend
    algo.outbreakP       k limit, maxUpperboundCases largest_count
    algo.bayes, algo.rki b years_back, w half_window, actY this_year
    algo.cdc             b years_back, m blocks_beside
    all                  freq period
"""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import Any, Final

from data.errors import UsageError
from models.signals.detectors.base import Detector
from models.signals.detectors.bayes import Bayes
from models.signals.detectors.cdc import Cdc
from models.signals.detectors.cusum import Cusum
from models.signals.detectors.ears import Ears
from models.signals.detectors.farrington_1996 import Farrington1996
from models.signals.detectors.farrington_flexible import FarringtonFlexible
from models.signals.detectors.glr import Glr
from models.signals.detectors.outbreak_p import OutbreakP
from models.signals.detectors.rki import Rki
from models.signals.detectors.seasonal import Seasonal

DETECTORS: Final[dict[str, type[Detector]]] = {
    one.method: one
    for one in (FarringtonFlexible, Farrington1996, Ears, Cusum, Glr, Bayes, Rki, Cdc, OutbreakP, Seasonal)
}

_WINDOWS: Final = (
    {"years_back": 0, "half_window": 6, "this_year": True},
    {"years_back": 1, "half_window": 6, "this_year": True},
    {"years_back": 2, "half_window": 4, "this_year": False},
)
# R's names of methods, without case, dots, underscores and "algo"; some stand for a method with parameters.
_ALIASES: Final[dict[str, tuple[type[Detector], dict[str, Any]]]] = {
    **{name.replace("_", ""): (one, {}) for name, one in DETECTORS.items()},
    "farrington": (Farrington1996, {}),
    "earsc": (Ears, {}),
    **{f"ears{kind}": (Ears, {"kind": kind.upper()}) for kind in ("c1", "c2", "c3")},
    "glrnb": (Glr, {}),
    "glrpois": (Glr, {"overdispersion": 0.0}),
    "lr": (Glr, {}),
    **{f"bayes{n}": (Bayes, windows) for n, windows in enumerate(_WINDOWS, 1)},
    **{f"rki{n}": (Rki, windows) for n, windows in enumerate(_WINDOWS, 1)},
}

_YEARS: Final = {"b": "years_back", "w": "half_window"}
_FARRINGTON: Final = {
    **_YEARS,
    "limit54": "minimum_cases",
    "powertrans": "power",
    "populationOffset": "population_offset",
}
_PARAMETERS: Final[dict[type[Detector], dict[str, str]]] = {
    FarringtonFlexible: {
        **_FARRINGTON,
        "noPeriods": "seasons",
        "pastWeeksNotIncluded": "weeks_left_out",
        "weightsThreshold": "residual_threshold",
        "pThresholdTrend": "trend_level",
        "thresholdMethod": "threshold",
    },
    Farrington1996: _FARRINGTON,
    Ears: {"method": "kind", "minSigma": "least_sd"},
    Cusum: {"k": "reference", "h": "limit", "trans": "transformation", "m": "mean", "alpha": "overdispersion"},
    Glr: {
        "c.ARL": "limit",
        "M": "window",
        "Mtilde": "least_weeks",
        "dir": "direction",
        "alpha": "overdispersion",
        "mu0": "mean",
        "S": "harmonics",
        "mu0.S": "harmonics",
        "mu0.trend": "trend",
        "xMax": "largest_count",
    },
    OutbreakP: {"k": "limit", "maxUpperboundCases": "largest_count"},
    Bayes: {**_YEARS, "actY": "this_year"},
    Rki: {**_YEARS, "actY": "this_year"},
    Cdc: {"b": "years_back", "m": "blocks_beside"},
    Seasonal: {},
}
# R's words for values.
_VALUES: Final[dict[str, dict[Any, Any]]] = {
    "threshold": {"nbPlugin": "nb_plugin"},
    "power": {"none": 1.0},
    "transformation": {"pearsonNegBin": "pearson_neg_bin", "anscombeNegBin": "anscombe_neg_bin"},
    "window": {-1: 0},
}
# R's settings that change no figure, and what may be said of each: nothing at all, or one of these.
_WITHOUT_EFFECT: Final[dict[str, tuple[str, ...]]] = {
    "verbose": (),
    "glmWarnings": (),
    "plot": (),
    "fitFun": (
        "algo.farrington.fitGLM.flexible",
        "algo.farrington.fitGLM.fast",
        "algo.farrington.fitGLM",
        "algo.farrington.fitGLM.populationOffset",
    ),
}
# What each method is called in R, and the values of the parameters that are words; for the help.
_IN_R: Final[dict[type[Detector], str]] = {
    FarringtonFlexible: "farringtonFlexible",
    Farrington1996: "farrington",
    Ears: "earsC",
    Cusum: "algo.cusum",
    Glr: "algo.glrnb",
    Bayes: "algo.bayes",
    Rki: "algo.rki",
    Cdc: "algo.cdc",
    OutbreakP: "algo.outbreakP",
}
_CHOICES: Final[dict[str, str]] = {
    "threshold": "predictive|nbPlugin|muan|delta",
    "power": "2/3|1/2|none",
    "kind": "C2|C1|C3",
    "transformation": "standard|rossi|anscombe|anscombe2nd|pearsonNegBin|anscombeNegBin|none",
    "direction": "inc|dec",
    "change": "intercept|epi",
    "ret": "value|cases",
    "dispersion": "poisson|weighed",
}
_PLAIN: Final[dict[str, Any]] = {"true": True, "false": False, "null": None, "na": None, "none": None}


def find_method(name: str) -> tuple[type[Detector], dict[str, Any]]:
    """The detector of this name, ours or R's, and the parameters that the name itself stands for."""
    plain = re.sub(r"^(surveillance::)?(algo\.)?", "", name).replace("_", "").replace(".", "").lower()
    if plain not in _ALIASES:
        raise UsageError(f"There is no method {name!r}; there are {', '.join(DETECTORS)}, and R's names for them.")
    return _ALIASES[plain]


def parameters_in_words() -> list[str]:
    """Of every method its name, R's, and its parameters with R's names and the values they have if not given.

    Of several words the first is what they are if not given.
    """
    lines = []
    for method, kind in DETECTORS.items():
        rs_names = {own: r for r, own in reversed(_PARAMETERS[kind].items())} | {"period": "freq"}
        told = []
        for name, value in kind().get_params().items():
            if name == "compatible":
                continue
            alias = f" ({rs_names[name]})" if name in rs_names else ""
            told.append(f"{name}{alias} {_CHOICES.get(name) or json.dumps(value)}")
        lines.append(f"{method}{f', in R {_IN_R[kind]}' if kind in _IN_R else ''}: {'; '.join(told)}.")
    return lines


def make_detector(method: str, params: dict[str, Any] | None = None, *, compatible: bool = False) -> Detector:
    """Construct a detector by name.

    Parameters
    ----------
    method : ours ("farrington_flexible") or R's ("farringtonFlexible", "algo.glrnb", "earsC")
    params : by our names or R's; text is read as a number, fraction, truth value, null or list of those
    compatible : follow R where it differs; parameters not given are then R's defaults

    Raises
    ------
    UsageError
        If there is no such method or parameter, or a value cannot be read.
    """
    kind, implied = find_method(method)
    chosen: dict[str, Any] = dict(kind.r_defaults) if compatible else {}
    chosen.update(implied)
    for name, value in (params or {}).items():
        chosen.update(_translated(kind, name, value))
    chosen["compatible"] = bool(chosen.pop("compatible", compatible))
    detector = kind()
    detector.set_params(**chosen)
    detector.check()
    return detector


def _translated(kind: type[Detector], name: str, value: Any) -> dict[str, Any]:
    ours = "period" if name == "freq" else _PARAMETERS[kind].get(name, name)
    read = _value(value) if isinstance(value, str) else value
    if name in _WITHOUT_EFFECT:
        choices = _WITHOUT_EFFECT[name]
        if choices and str(read).removeprefix("surveillance::") not in choices:
            raise UsageError(
                f"{name} {str(read)!r} is not supported; there is one regression, which R calls {choices[0]}."
            )
        return {}
    if kind is Glr and ours == "mean" and isinstance(read, dict):
        # Not to estimate the level anew after an alarm is what happens anyway.
        parts = {str(part): one for part, one in read.items() if not (part == "refit" and one is False)}
        unknown = sorted(set(parts) - {"S", "trend"})
        if unknown:
            raise UsageError(f"mu0 has the parts S and trend; {', '.join(unknown)} is not supported.")
        return {"harmonics" if part == "S" else part: one for part, one in parts.items()}
    if ours == "power" and read is None:
        return {"power": 1.0}
    if ours == "transformation" and read is None:
        return {"transformation": "none"}
    if isinstance(read, list):
        read = tuple(read)
    words = _VALUES.get(ours, {})
    known = words.get(read, read) if not isinstance(read, dict | tuple) else read
    return {ours: _typed(kind, ours, known)}


def _typed(kind: type[Detector], name: str, value: Any) -> Any:
    """The value as the parameter wants it; a wrong kind of value is refused here and not by a crash later."""
    annotation = str(getattr(kind, "__annotations__", {}).get(name, ""))
    if not annotation:
        return value  # set_params names the parameters there are
    wanted = {part.strip() for part in annotation.split("|")}
    if value is None and "None" in wanted:
        return None
    if isinstance(value, bool) and "bool" in wanted:
        return value
    number = _number(value, wanted)
    if number is not None:
        return number
    if isinstance(value, tuple) and annotation.startswith("tuple") and all(isinstance(one, int) for one in value):
        return value
    if isinstance(value, str) and "str" in wanted:
        return value
    raise UsageError(f"{kind.method}: parameter {name} cannot be {value!r}; it takes {annotation}.")


def _number(value: Any, wanted: set[str]) -> float | int | None:
    """The value as a number of a kind that is wanted, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float) and "int" in wanted and float(value).is_integer():
        return int(value)
    if "float" not in wanted:
        return None
    return _fraction(value) if isinstance(value, str) else float(value) if isinstance(value, int | float) else None


def _fraction(text: str) -> float | None:
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        return None


def _value(text: str) -> Any:
    """What a text on the command line means: `true`, `null`, `5`, `2/3`, `[5,4]`, `c(5,4)`, or itself."""
    plain = text.strip()
    if plain.lower() in _PLAIN:
        return _PLAIN[plain.lower()]
    parts = re.fullmatch(r"list\(\s*(\w+\s*=.*)\)", plain)
    if parts:
        named = (part.split("=", 1) for part in parts.group(1).split(","))
        return {part[0].strip(): _value(part[-1]) for part in named}
    listed = re.fullmatch(r"(?:c|list)?\((.*)\)", plain)
    if listed:
        plain = f"[{listed.group(1)}]"
    try:
        return json.loads(plain)
    except json.JSONDecodeError:
        fraction = _fraction(plain)
        if fraction is not None:
            return fraction
        if "," in plain:
            return [_value(part) for part in plain.split(",")]
        return plain.strip("\"'")
