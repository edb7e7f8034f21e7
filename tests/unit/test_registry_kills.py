"""Whatever kills a writer, versions are whole or not there, and nobody's promotion is overrun unseen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What `tests.support.registry_kills` saw."""
    folder = tmp_path_factory.mktemp("kills")
    command = [sys.executable, "-m", "tests.support.registry_kills", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("act", "fewest"), [("save", 10), ("promote", 5), ("prune", 4)])
def test_a_writer_killed_at_any_step_leaves_a_whole_registry(found, act, fewest):
    """Before or after, never between; and the next writer finds nothing in its way."""
    assert found[act]["wrong"] == []
    assert found[act]["steps"] >= fewest


def test_a_writer_killed_at_random_leaves_a_whole_registry(found):
    """Twenty kills of a process that saves, promotes and prunes without rest."""
    assert found["random"] == {"wrong": [], "left": []}


def test_of_those_who_promote_at_once_one_succeeds(found):
    """All expected the same champion; the others are refused, and the history tells of one."""
    assert found["race"] == [{"succeeded": 1, "refused": 5, "told": 1, "wrong": []}] * 3


def test_those_who_save_at_once_save_each_version_once(found):
    """Equal contents are one version, whoever was first."""
    assert found["together"] == {"codes": [0] * 5, "versions": 5, "wrong": []}


def test_a_write_that_is_cut_off_leaves_nothing(found):
    """A real limit of the system, in the middle of a file."""
    assert found["full"] == {"code": 1, "same": True, "left": [], "wrong": []}
