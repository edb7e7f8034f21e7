"""Saved views belong to keys and desks, and no longer to the accounts of an identity provider.

An account is a person's, and nothing is kept by a person. Whose role and offices an old row was cannot be worked out
from the hash that it was kept by, so those rows go; a desk saves its filters again.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM saved_view WHERE holder LIKE 'token:%'")
