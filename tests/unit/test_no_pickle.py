"""Nothing in the package runs what it reads: no unpickling in any of its forms, no eval, no loose YAML."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOMS = ("data", "features", "models", "service")
REPOSITORY = Path(__file__).parents[2]

# Modules whose loading runs code, or that exist to hold what does.
UNSAFE_MODULES = frozenset(
    {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "jsonpickle", "pickletools", "skops"}
)
# Ways to the same from modules that are otherwise welcome: (last names of a dotted call).
UNSAFE_CALLS = frozenset(
    {
        ("joblib", "load"),
        ("joblib", "dump"),
        ("yaml", "load"),
        ("yaml", "unsafe_load"),
        ("yaml", "full_load"),
        ("pd", "read_pickle"),
        ("pandas", "read_pickle"),
        ("torch", "load"),
        ("code", "interact"),
    }
)
UNSAFE_METHODS = frozenset({"to_pickle", "read_pickle"})
UNSAFE_BUILTINS = frozenset({"eval", "exec", "compile", "__import__"})
MODULES_WITH_UNSAFE_NAMES = {
    "joblib": {"load", "dump"},
    "yaml": {"load", "unsafe_load", "full_load", "Loader", "UnsafeLoader", "FullLoader"},
    "pandas": {"read_pickle"},
    "builtins": {"eval", "exec", "compile", "__import__"},
}


def unsafe_parts(source: str) -> list[str]:
    """What a module's source does that could run what it reads, each as line and words."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        found += [f"{line}: {what}" for what in _unsafe(node)]
    return found


def _unsafe(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [f"import {one.name}" for one in node.names if one.name.split(".")[0] in UNSAFE_MODULES]
    if isinstance(node, ast.ImportFrom):
        return _unsafe_import(node)
    if isinstance(node, ast.Attribute):
        return _unsafe_attribute(node)
    if isinstance(node, ast.Name):
        return [node.id] if node.id in UNSAFE_BUILTINS else []
    return _unsafe_value(node)


def _unsafe_value(node: ast.AST) -> list[str]:
    if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
        safe = isinstance(node.value, ast.Constant) and node.value.value is False
        return [] if safe else ["allow_pickle"]
    if isinstance(node, ast.Constant) and node.value in UNSAFE_MODULES - {"marshal", "dill", "shelve"}:
        # A module can be imported by its name as text.
        return [f"the text '{node.value}'"]
    return []


def _unsafe_import(node: ast.ImportFrom) -> list[str]:
    module = (node.module or "").split(".")[0]
    if module in UNSAFE_MODULES:
        return [f"from {node.module} import …"]
    names = MODULES_WITH_UNSAFE_NAMES.get(module, set())
    return [f"from {module} import {one.name}" for one in node.names if one.name in names]


def _unsafe_attribute(node: ast.Attribute) -> list[str]:
    if node.attr in UNSAFE_METHODS:
        return [node.attr]
    if isinstance(node.value, ast.Name) and (node.value.id, node.attr) in UNSAFE_CALLS:
        return [f"{node.value.id}.{node.attr}"]
    if isinstance(node.value, ast.Name) and node.value.id == "builtins" and node.attr in UNSAFE_BUILTINS:
        return [f"builtins.{node.attr}"]
    return []


def sources() -> list[Path]:
    return sorted(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py"))


def test_nothing_in_the_package_runs_what_it_reads():
    """Models, indices and exports are data; reading them can run nothing."""
    found = [
        f"{path.relative_to(REPOSITORY)}:{one}"
        for path in sources()
        for one in unsafe_parts(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_walk_sees_the_whole_package():
    """An empty list of files would find nothing too."""
    rooms = {path.relative_to(REPOSITORY).parts[0] for path in sources()}
    assert rooms == set(ROOMS)
    assert any(path.name == "registry.py" for path in sources())


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle",
        "import pickle as safe",
        "from pickle import loads",
        "def late():\n    from cloudpickle import load",
        "import dill.source",
        "import marshal",
        "import shelve",
        "import joblib\njoblib.load('x')",
        "from joblib import load",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import numpy as np\nmaybe = True\nnp.load('x', allow_pickle=maybe)",
        "import pandas as pd\npd.read_pickle('x')",
        "frame.to_pickle('x')",
        "eval('1')",
        "run = eval",
        "exec('x = 1')",
        "compile('1', 'x', 'eval')",
        "import builtins\nbuiltins.exec('1')",
        "import yaml\nyaml.load('x')",
        "from yaml import unsafe_load",
        "import importlib\nimportlib.import_module('pickle')",
    ],
)
def test_a_planted_one_is_caught(planted):
    """The check catches each form that it is there for."""
    assert unsafe_parts(planted)


@pytest.mark.parametrize(
    "harmless",
    [
        "import json\njson.loads('{}')",
        "import re\nre.compile('x')",
        "import numpy as np\nnp.load('x', allow_pickle=False)",
        "from joblib import Parallel, delayed",
        "text = 'no pickle is ever loaded'",
        "model.eval_result",
    ],
)
def test_what_only_looks_like_one_is_not(harmless):
    """A word in a text, a pattern, a safe load: none of them runs anything."""
    assert unsafe_parts(harmless) == []
