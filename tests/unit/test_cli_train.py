"""`heed train`: what it refuses before it opens anything."""

from __future__ import annotations

import sys

import pytest

from service import cli


def test_a_reason_to_go_over_gates_is_refused_where_nothing_is_put_to_use(monkeypatch, capsys, tmp_path):
    """It would do nothing, and whoever gave it would think that it did. No store is opened or made."""
    store = tmp_path / "none.db"
    asked = ["heed", "--store", str(store), "train", "--override", "first-of-a-new-year", "--no-promote"]
    monkeypatch.setattr(sys, "argv", asked)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "Expected --override only where models are put to use" in capsys.readouterr().err
    assert not store.exists()
