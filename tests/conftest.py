"""What every test finds here: the hypothesis profile, the real exports where there are any, PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings


# Random tests are the same on every machine and every day; a failing example is then everybody's.
settings.register_profile(
    "heed", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("heed")

REPOSITORY = Path(__file__).parents[1]
REAL_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture
def real_file():
    """Find a real export by name, or skip: the project ships only simulated data."""

    def find(name: str) -> Path:
        path = REAL_DATA / name
        if not path.exists():
            pytest.skip(f"the real export {name} is not on this machine")
        return path

    return find


@pytest.fixture(scope="session")
def postgres_url() -> str:
    url = os.environ.get("HEED_TEST_POSTGRES_URL")
    if not url:
        pytest.skip("HEED_TEST_POSTGRES_URL is not set: no PostgreSQL to test on")
    return url
