"""Texts of models that were damaged or made to harm, and a process of its own in which LightGBM may die of them."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Final

import lightgbm as lgb
import numpy as np

FEATURES: Final = 5
# What a line's number is replaced by.
NASTY: Final = (
    *("-1", "0", "1", "2", "7", "-8", "-9", "99", "-99", "32767", "65536", "999999999", "2147483647", "-2147483648"),
    *(
        "4294967295",
        "4294967296",
        "99999999999999999999",
        "1e308",
        "1e+308",
        "1e+999",
        "-1e+999",
        "1e-320",
        "-0",
        "nan",
        "inf",
    ),
    *("-inf", "", " ", "0x10", "1_0", "+1", "1.", ".5", "1e", "١", "NaN", "null", "1,5", "--1", "1e5", "00"),
)
# Reads texts as JSON lines, loads each, and answers with its scores in hexadecimal, or with what LightGBM said.
_WORKER: Final = """
import json, sys
import lightgbm as lgb, numpy as np
X = np.array(json.loads(sys.stdin.readline()), dtype=np.float64)
for line in sys.stdin:
    try:
        booster = lgb.Booster(params={"verbose": -1}, model_str=json.loads(line))
        scores = booster.predict(X, raw_score=True, num_threads=1)
        booster.predict(X, pred_contrib=True, num_threads=1)
        found = [float(one).hex() for one in scores]
    except (lgb.basic.LightGBMError, ValueError) as error:
        found = "refused: " + str(error)
    sys.stdout.write("ANSWER " + json.dumps(found) + "\\n")
    sys.stdout.flush()
"""


def training_rows(seed: int, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Two categorical features among five, values missing, and outcomes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, FEATURES)).round(2)
    X[:, 1] = rng.integers(0, 40, rows)
    X[:, 2] = rng.integers(0, 3, rows)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:, 4] = np.nan_to_num(X[:, 4])
    outcome = np.nan_to_num(X[:, 0]) + np.sin(np.nan_to_num(X[:, 1]) * 3) + rng.normal(size=rows) > 0
    return X, outcome.astype(np.float64)


def small_model(seed: int = 0) -> str:
    """Text of a small model that has every kind of line."""
    X, outcome = training_rows(seed)
    data = lgb.Dataset(X, outcome, categorical_feature=[1, 2], free_raw_data=False)
    parameters = {"objective": "binary", "num_leaves": 5, "min_data_in_leaf": 5, "min_data_per_group": 5, "seed": seed}
    parameters |= {"verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True, "max_bin": 31}
    if seed % 3 == 1:
        parameters["monotone_constraints"] = [1, 0, 0, 0, 0]
    if seed % 3 == 2:
        parameters |= {"zero_as_missing": True, "extra_trees": True}
    return lgb.train(parameters, data, 3).model_to_string()


def probes() -> list[list[float]]:
    """Rows on which two readers of a model are compared: usual, missing, huge, tiny and unseen values."""
    rng = np.random.default_rng(9)
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-36, -1e-36, 5e-324, -1.0, -0.5, 100.0, 1e10, 1e300]
    X, _ = training_rows(7, 40)
    X[:20] = np.where(rng.random((20, FEATURES)) < 0.4, rng.choice(odd, size=(20, FEATURES)), X[:20])
    return X.tolist()


def sized(text: str) -> str:
    """The text with the sizes of its trees as they are, so that a damaged tree is still found where it should be."""
    head, found, rest = text.partition("\n\nTree=")
    if not found:
        return text
    trees, ended, _ = ("Tree=" + rest).partition("end of trees")
    if not ended:
        return text
    sizes = [len(("Tree=" + one).encode()) for one in trees.split("Tree=")[1:]]
    return re.sub(r"tree_sizes=.*", "tree_sizes=" + " ".join(map(str, sizes)), head) + text[len(head) :]


def with_line(text: str, name: str, change: Callable[[list[str]], list[str]], tree: int = 0) -> str:
    """The text with the numbers of one line of a tree (or of the header, tree -1) changed, and true sizes."""
    start = text.index(f"Tree={tree}\n") if tree >= 0 else 0
    place = text.index(f"\n{name}=", start) + 1
    end = text.index("\n", place)
    values = text[place + len(name) + 1 : end].split(" ")
    return sized(text[:place] + f"{name}=" + " ".join(change(values)) + text[end:])


def put(place: int, value: str) -> Callable[[list[str]], list[str]]:
    """A change of one number."""

    def change(values: list[str]) -> list[str]:
        changed = list(values)
        changed[place] = value
        return changed

    return change


def with_sets(text: str, number: str) -> str:
    """The text with every categorical split of its last tree looking at another set."""
    kinds = text[text.index("decision_type=", text.index("Tree=2")) :].partition("\n")[0].partition("=")[2].split(" ")
    assert any(int(kind) % 2 for kind in kinds), "the last tree needs a categorical split"

    def change(values: list[str]) -> list[str]:
        return [number if int(kind) % 2 else value for kind, value in zip(kinds, values, strict=True)]

    return with_line(text, "threshold", change, 2)


def harmful(text: str) -> dict[str, str]:
    """Variants of a model that a reader without checks would be harmed by, by what is wrong with them."""
    start, end = text.index("Tree=0"), text.index("end of trees")
    chain = _chain(60_000)
    return {
        "left child far outside": with_line(text, "left_child", put(0, "100000000")),
        "left child far below": with_line(text, "left_child", put(0, "-100000000")),
        "right child outside": with_line(text, "right_child", put(0, "2147483647")),
        "child is its own parent": with_line(text, "left_child", put(0, "0")),
        "children in a circle": with_line(with_line(text, "left_child", put(1, "2")), "left_child", put(2, "1")),
        "two parents": with_line(text, "right_child", lambda values: [values[0], *values[:1], *values[2:]]),
        "feature outside": with_line(text, "split_feature", put(0, "100000000")),
        "feature below": with_line(text, "split_feature", put(0, "-100000000")),
        "categorical without sets": with_line(text, "decision_type", lambda values: ["1"] * len(values), 2),
        "set outside": with_sets(text, "100000000"),
        "set below": with_sets(text, "-100000000"),
        "boundaries outside": with_line(text, "cat_boundaries", put(1, "100000000")),
        "boundaries below": with_line(text, "cat_boundaries", put(0, "-100000000")),
        "boundaries fall": with_line(text, "cat_boundaries", lambda values: values[::-1]),
        "last boundary outside": with_line(text, "cat_boundaries", put(-1, "100000000")),
        "more leaves than values": with_line(text, "num_leaves", put(0, "1000000")),
        "leaves below": with_line(text, "num_leaves", put(0, "-5")),
        "more leaves than memory": with_line(text, "num_leaves", put(0, "2147483647")),
        "more sets than boundaries": with_line(text, "num_cat", put(0, "1000000")),
        "sets below": with_line(text, "num_cat", put(0, "-5")),
        "fewer values than leaves": with_line(text, "leaf_value", lambda values: values[:1]),
        "fewer children": with_line(text, "left_child", lambda values: values[:1]),
        "no child": with_line(text, "left_child", lambda values: []),
        "no rows": with_line(text, "internal_count", lambda values: ["0"] * len(values)),
        "sizes too large": re.sub(r"tree_sizes=.*", "tree_sizes=100000000 100000000 100000000", text),
        "sizes that wrap": re.sub(r"tree_sizes=.*", "tree_sizes=18446744073709551615 5 5", text),
        "more sizes than trees": re.sub(r"tree_sizes=(.*)", r"tree_sizes=\1 900 900 900", text),
        "one line without end": text[:start] + "Tree=0\nnum_leaves",
        "cut in a tree": text[: start + 60],
        "cut after the header": text[:start],
        "no trees": sized(text[:start] + text[end:]),
        "classes": with_line(text, "num_class", put(0, "1000000"), -1),
        "classes below": with_line(text, "num_class", put(0, "-1"), -1),
        "no tree an iteration": with_line(text, "num_tree_per_iteration", put(0, "0"), -1),
        "trees per iteration": with_line(text, "num_tree_per_iteration", put(0, "1000000"), -1),
        "features outside": with_line(text, "max_feature_idx", put(0, "2147483647"), -1),
        "features below": with_line(text, "max_feature_idx", put(0, "-2"), -1),
        "linear": text.replace("is_linear=0", "is_linear=1"),
        "linear with wild lists": sized(
            text.replace(
                "is_linear=0", "is_linear=1\nleaf_const=0\nnum_features=100000000\nleaf_features=0\nleaf_coeff=0"
            )
        ),
        "average": text.replace("feature_names=", "average_output\nfeature_names=", 1),
        "a chain too deep to recurse": chain,
        "objective": text.replace("objective=binary sigmoid:1", "objective=multiclass num_class:100000000"),
        "ranking objective": text.replace("objective=binary sigmoid:1", "objective=lambdarank"),
        "sigmoid below": text.replace("objective=binary sigmoid:1", "objective=binary sigmoid:-1"),
        "sigmoid nothing": text.replace("objective=binary sigmoid:1", "objective=binary sigmoid:0"),
    }


def _chain(leaves: int) -> str:
    """A model of one tree that is a single long path."""
    splits = leaves - 1
    lines = {
        "num_leaves": str(leaves),
        "num_cat": "0",
        "split_feature": " ".join(["0"] * splits),
        "split_gain": " ".join(["1"] * splits),
        "threshold": " ".join(map(str, range(splits))),
        "decision_type": " ".join(["2"] * splits),
        "left_child": " ".join(str(-1 - place) for place in range(splits)),
        "right_child": " ".join([*(str(place + 1) for place in range(splits - 1)), str(-leaves)]),
        "leaf_value": " ".join(["0.5"] * leaves),
        "leaf_weight": " ".join(["1"] * leaves),
        "leaf_count": " ".join(["1"] * leaves),
        "internal_value": " ".join(["0"] * splits),
        "internal_weight": " ".join(["1"] * splits),
        "internal_count": " ".join(str(leaves - place) for place in range(splits)),
        "is_linear": "0",
        "shrinkage": "1",
    }
    tree = "Tree=0\n" + "".join(f"{name}={value}\n" for name, value in lines.items()) + "\n\n"
    names = " ".join(f"Column_{place}" for place in range(FEATURES))
    infos = " ".join(["[0:1]"] * FEATURES)
    head = f"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx={FEATURES - 1}\n"
    head += f"objective=regression\nfeature_names={names}\nfeature_infos={infos}\ntree_sizes={len(tree)}\n\n"
    return (
        head + tree + "end of trees\n\nfeature_importances:\n\nparameters:\n[boosting: gbdt]\n\nend of parameters\n\n"
    )


def damaged(text: str, rng: random.Random) -> str:
    """The text with one to three random injuries; mostly with true sizes, so that the damage is not noticed there."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        text = rng.choice(_INJURIES)(text, rng)
    return sized(text) if rng.random() < 0.85 else text


def _number(text: str, rng: random.Random) -> str:
    """One number replaced, mostly in the trees."""
    numbers = list(re.finditer(r"(?<=[= ])[^= \n]+", text[: text.find("end of trees")]))
    if not numbers:
        return text
    one = rng.choice(numbers)
    new = rng.choice((*NASTY, *(rng.choice(numbers)[0] for _ in range(12))))
    return text[: one.start()] + new + text[one.end() :]


def _digit(text: str, rng: random.Random) -> str:
    digits = [place for place, one in enumerate(text[: text.find("end of trees")]) if one.isdigit()]
    if not digits:
        return text
    place = rng.choice(digits)
    return text[:place] + rng.choice("0123456789") + text[place + 1 :]


def _character(text: str, rng: random.Random) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice("\x00\r\n =-:,.[]{}\"'eE9é\u2028\ufeff") + text[place + rng.randrange(2) :]


def _lines(text: str, rng: random.Random) -> str:
    """A line left out, doubled, or two of them exchanged."""
    lines = text.split("\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    way = rng.randrange(4)
    if way == 0:
        del lines[one]
    elif way == 1:
        lines.insert(other, lines[one])
    elif way == 2:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines[one] = lines[other]
    return "\n".join(lines)


def _list(text: str, rng: random.Random) -> str:
    """The numbers of one line in another order, fewer, or more."""
    lines = text.split("\n")
    place = rng.choice([number for number, line in enumerate(lines) if "=" in line] or [0])
    name, _, value = lines[place].partition("=")
    values = value.split(" ")
    way = rng.randrange(4)
    if way == 0:
        rng.shuffle(values)
    elif way == 1:
        values.pop(rng.randrange(len(values)))
    elif way == 2:
        values.append(rng.choice(NASTY))
    else:
        values = values * rng.choice((2, 50))
    lines[place] = f"{name}={' '.join(values)}"
    return "\n".join(lines)


def _cut(text: str, rng: random.Random) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] if rng.random() < 0.5 else text[:place] + text[place + rng.randrange(1, 200) :]


_INJURIES: Final = (_number, _number, _number, _digit, _digit, _list, _character, _lines, _cut)


def ask_lightgbm(texts: Iterable[str], rows: list[list[float]]) -> tuple[list[list[str] | str], int]:
    """What LightGBM makes of texts, in a process of its own.

    Returns
    -------
    answers : scores in hexadecimal, or a word beginning with "refused"; as many as it lived for
    code : exit code of the process; 0 when it came to the end
    """
    lines = "\n".join(json.dumps(one) for one in [rows, *texts]) + "\n"
    done = subprocess.run(
        [sys.executable, "-c", _WORKER], input=lines, capture_output=True, text=True, timeout=3000, check=False
    )
    found = [line.removeprefix("ANSWER ") for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    return [json.loads(line) for line in found], done.returncode
