"""A model is only asked about facts of the version that it learned from."""

from __future__ import annotations

import pytest

from data.errors import UsageError
from data.store import Store
from features.facts import facts_contract
from models.registry import Registry
from service import pipeline
from service.pipeline import champion, train_model


def test_a_model_of_other_facts_is_refused(small_city_url, small_history, tmp_path, monkeypatch):
    """The card says what the facts were; after a change of what they mean, the model has to be made anew."""
    registry = Registry(tmp_path / "models")
    with Store.open(small_city_url) as store:
        version, model = train_model(store, registry, small_history)
    assert model.card["facts_contract"] == facts_contract()
    assert champion(registry)[0] == version
    monkeypatch.setattr(pipeline, "facts_contract", lambda: "another")
    with pytest.raises(UsageError, match="made of the facts of this version") as caught:
        champion(registry)
    assert version in str(caught.value)
    assert "heed train" in str(caught.value)
