"""The text of a LightGBM model, read by a grammar that admits what LightGBM itself writes and nothing else.

LightGBM's own reader trusts its input: an index out of range, a child that points back, a boundary beyond its list or a
size that is not true makes it read and write outside its memory. So a text is read here first, line by line, in the one
order in which `Booster.model_to_string` writes it, every number spelled as it spells numbers. What passes is harmless
to hand on. What the numbers of a tree must say together is checked in `models.trees.tree`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from data.errors import ModelError

# Far above any model that is of use here, and low enough that a hostile file cannot fill the memory.
MAX_CHARACTERS: Final = 128 * 1024 * 1024
MAX_TREES: Final = 50_000
MAX_FEATURES: Final = 65_536
MAX_NAME: Final = 1_000

_NATURAL: Final = r"(?:0|[1-9][0-9]{0,9})"
_INTEGER: Final = rf"-?{_NATURAL}"
_NUMBER: Final = r"-?[0-9]{1,20}(?:\.[0-9]{1,24})?(?:e[-+][0-9]{1,3})?"
_LOOSE: Final = rf"(?:{_NUMBER}|-?inf|-?nan)"


def _several(one: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{one}(?: {one})*)?")


_ONE_NUMBER: Final = re.compile(_NUMBER)
_INTEGERS: Final = _several(_INTEGER)
_NUMBERS: Final = _several(_NUMBER)
_LOOSE_NUMBERS: Final = _several(_LOOSE)
_LINES: Final = {
    "num_leaves": re.compile(_NATURAL),
    "num_cat": re.compile(_NATURAL),
    "split_feature": _INTEGERS,
    "split_gain": _LOOSE_NUMBERS,
    # Infinite where a split only sets missing values apart.
    "threshold": _several(rf"(?:{_NUMBER}|-?inf)"),
    "decision_type": _INTEGERS,
    "left_child": _INTEGERS,
    "right_child": _INTEGERS,
    "leaf_value": _NUMBERS,
    "leaf_weight": _LOOSE_NUMBERS,
    "leaf_count": _INTEGERS,
    "internal_value": _LOOSE_NUMBERS,
    "internal_weight": _LOOSE_NUMBERS,
    "internal_count": _INTEGERS,
    "cat_boundaries": _INTEGERS,
    "cat_threshold": _INTEGERS,
    "is_linear": re.compile("0"),
    "shrinkage": re.compile(_NUMBER),
}
_CATEGORICAL: Final = ("cat_boundaries", "cat_threshold")
_PLAIN: Final = tuple(name for name in _LINES if name not in _CATEGORICAL)

# Objectives with one score per row, as LightGBM spells them; it refuses a sigmoid that is not above zero.
_OBJECTIVE: Final = re.compile(
    r"binary sigmoid:(?!0(?:\.0*)?(?:$|e))[0-9]{1,20}(?:\.[0-9]{1,24})?(?:e[-+][0-9]{1,2})?|regression(?: sqrt)?"
    r"|regression_l1|huber|fair|poisson|quantile|mape|gamma|tweedie|cross_entropy|cross_entropy_lambda"
)
_FEATURE_INFO: Final = re.compile(rf"none|\[{_LOOSE}:{_LOOSE}\]|{_INTEGER}(?::{_INTEGER})*")
_PARAMETER: Final = re.compile(r"\[([a-z0-9_]+): ([^\"\\]*)\]")
# Parameters that are not one number: words and paths, lists, and groups of features. LightGBM makes JSON of them all.
_WORDS: Final = re.compile(
    r"boosting|objective|metric|tree_learner|device_type|data_sample_strategy|data|valid|monotone_constraints_method"
    r"|(?:label|weight|group)_column|machines|(?:forcedsplits|forcedbins|machine_list)_filename|parser_config_file"
)
_LISTS: Final = re.compile(
    r"categorical_feature|ignore_column|monotone_constraints|feature_contri|cegb_penalty_feature_(?:lazy|coupled)"
    r"|max_bin_by_feature|label_gain|eval_at|auc_mu_weights|gpu_device_id_list"
)
_WORD: Final = re.compile(r"[^\[\]]*")
_LIST: Final = re.compile(rf"(?:{_NUMBER}(?:,{_NUMBER})*)?")
_GROUPS: Final = re.compile(rf"(?:\[{_NATURAL}(?:,{_NATURAL})*\](?:,\[{_NATURAL}(?:,{_NATURAL})*\])*)?")
_FORBIDDEN_IN_NAMES: Final = frozenset('",:[]{}')


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the first tree.

    Attributes
    ----------
    feature_names : names of the columns, in their order
    objective : as LightGBM spells it, or None for a model that was trained on gradients from outside
    tree_sizes : characters of every tree
    """

    feature_names: tuple[str, ...]
    objective: str | None
    tree_sizes: tuple[int, ...]


def read_text(text: str) -> tuple[Header, list[dict[str, str]]]:
    """Header and the lines of every tree, each line of the right spelling.

    Raises
    ------
    ModelError
        If anything is not as `Booster.model_to_string` of LightGBM 4 writes a model with one score per row.
    """
    if not isinstance(text, str):
        raise ModelError(f"Expected the text of a model, got {type(text).__name__}. Use `booster.model_to_string()`.")
    if len(text) > MAX_CHARACTERS:
        raise ModelError(
            f"Expected a model of at most {MAX_CHARACTERS:,} characters, got {len(text):,}. Train a smaller."
        )
    head, blank, rest = text.partition("\n\n")
    if not blank:
        raise _damaged("the header ends nowhere")
    header = _read_header(head)
    trees = []
    place = 0
    for number, size in enumerate(header.tree_sizes):
        trees.append(_read_tree(number, rest[place : place + size]))
        place += size
    _check_tail(rest[place:])
    return header, trees


def _damaged(what: str) -> ModelError:
    return ModelError(
        f"Expected a model as LightGBM 4 writes it, but {what}. The file is damaged or was made by another program: "
        "restore it, or train again."
    )


def _read_header(head: str) -> Header:
    lines = iter(head.split("\n"))
    if next(lines) != "tree" or next(lines, "") != "version=v4":
        raise _damaged("it does not begin with 'tree' and 'version=v4'")
    fields = _header_fields(lines)
    if fields.get("num_class") != "1" or fields.get("num_tree_per_iteration") != "1":
        raise ModelError("Expected a model with one score per row (num_class=1), got another. Train with two outcomes.")
    if "average_output" in fields:
        raise ModelError(
            "Expected boosted trees, whose values add up, got a forest of averages. Train with boosting=gbdt."
        )
    order = ["num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective", "feature_names"]
    order += ["monotone_constraints", "feature_infos", "tree_sizes"]
    optional = ("objective", "monotone_constraints")
    if list(fields) != [name for name in order if name in fields or name not in optional]:
        raise _damaged("its header has other lines, or in another order")
    if not re.fullmatch(_INTEGER, fields["label_index"]) or not re.fullmatch(_NATURAL, fields["max_feature_idx"]):
        raise _damaged("a number in its header is none")
    objective = fields.get("objective")
    if objective is not None and not _OBJECTIVE.fullmatch(objective):
        raise ModelError("Expected an objective with one score per row (binary, regression, quantile …), got another.")
    names = _feature_names(fields["feature_names"], int(fields["max_feature_idx"]) + 1)
    _check_per_feature(fields, len(names))
    return Header(names, objective, _tree_sizes(fields["tree_sizes"]))


def _header_fields(lines: Iterator[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition("=")
        if name in fields:
            raise _damaged("a line of its header stands twice")
        fields[name] = value
    return fields


def _feature_names(line: str, expected: int) -> tuple[str, ...]:
    names = tuple(line.split(" "))
    if expected > MAX_FEATURES:
        raise ModelError(f"Expected at most {MAX_FEATURES:,} features, got {expected:,}.")
    if len(names) != expected or len(set(names)) != expected:
        raise _damaged("it does not name each of its features once")
    for name in names:
        if not name or len(name) > MAX_NAME or not name.isprintable() or not _FORBIDDEN_IN_NAMES.isdisjoint(name):
            raise _damaged("the name of a feature has characters that LightGBM does not write")
    return names


def _check_per_feature(fields: dict[str, str], features: int) -> None:
    constraints = fields.get("monotone_constraints")
    if constraints is not None:
        signs = constraints.split(" ")
        if len(signs) != features or not {"-1", "0", "1"}.issuperset(signs):
            raise _damaged("its monotone constraints are not one sign per feature")
    infos = fields["feature_infos"].split(" ")
    if len(infos) != features or not all(map(_FEATURE_INFO.fullmatch, infos)):
        raise _damaged("its feature_infos are not one per feature")


def _tree_sizes(line: str) -> tuple[int, ...]:
    if not line or not _INTEGERS.fullmatch(line):
        raise _damaged("it has no trees, or does not say how long they are")
    sizes = tuple(map(int, line.split(" ")))
    if len(sizes) > MAX_TREES or min(sizes) < 1 or max(sizes) > MAX_CHARACTERS:
        raise _damaged(f"it has more than {MAX_TREES:,} trees, or trees of impossible length")
    return sizes


def _read_tree(number: int, text: str) -> dict[str, str]:
    """Lines of one tree by name, each spelled as its kind of number is."""
    lines = text.split("\n")
    # The last line ends, and two empty ones follow.
    if lines[0] != f"Tree={number}" or lines[-3:] != ["", "", ""]:
        raise _damaged(f"tree {number} does not begin and end where the header says")
    fields: dict[str, str] = {}
    for line in lines[1:-3]:
        name, _, value = line.partition("=")
        kind = _LINES.get(name)
        if name == "is_linear" and value != "0":
            raise ModelError("Expected trees with one value per leaf, got linear trees. Train with linear_tree=false.")
        if kind is None or name in fields or not kind.fullmatch(value):
            raise _damaged(f"a line of tree {number} is not known, stands twice, or is not spelled as LightGBM does")
        fields[name] = value
    if tuple(fields) not in (_PLAIN, tuple(_LINES)):
        raise _damaged(f"tree {number} has other lines, or in another order")
    return fields


def _check_tail(tail: str) -> None:
    """What stands after the trees: importances, parameters, the categories of pandas. None of it is used here."""
    lines = tail.split("\n")
    if lines[:3] != ["end of trees", "", "feature_importances:"]:
        raise _damaged("the trees end elsewhere than the header says")
    place = 3
    while place < len(lines) and re.fullmatch(rf".+={_NATURAL}", lines[place]) and lines[place].isprintable():
        place += 1
    rest = [line for line in lines[place:] if line]
    if rest and rest[0] == "parameters:":
        if "end of parameters" not in rest:
            raise _damaged("its parameters end nowhere")
        end = rest.index("end of parameters")
        _check_parameters(rest[1:end])
        rest = rest[end + 1 :]
    if len(rest) == 1 and rest[0].startswith("pandas_categorical:"):
        _check_categories(rest.pop().partition(":")[2])
    if rest:
        raise _damaged("something not expected follows the trees")


def _check_parameters(lines: list[str]) -> None:
    for line in lines:
        known = _PARAMETER.fullmatch(line)
        if known is None or not line.isprintable() or not _spelling(known[1]).fullmatch(known[2]):
            raise _damaged("a line of its parameters is not '[name: value]' with a value of the right kind")
        if known[1] == "linear_tree" and known[2] != "0":
            raise ModelError("Expected trees with one value per leaf, got linear trees. Train with linear_tree=false.")


def _spelling(parameter: str) -> re.Pattern[str]:
    if _WORDS.fullmatch(parameter):
        return _WORD
    if parameter == "interaction_constraints":
        return _GROUPS
    return _LIST if _LISTS.fullmatch(parameter) else _ONE_NUMBER


def _check_categories(line: str) -> None:
    try:
        categories = json.loads(line)
    except (ValueError, RecursionError):
        raise _damaged("its categories are no JSON") from None
    if categories is None:
        return
    plain = isinstance(categories, list) and all(isinstance(one, list) for one in categories)
    if not plain or any(isinstance(value, (list, dict)) for one in categories for value in one):
        raise _damaged("its categories are not a list of lists")
