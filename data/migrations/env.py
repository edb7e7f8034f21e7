"""Alembic's entry: runs the migrations in the transaction that `data.migrate` hands over."""

from __future__ import annotations

from alembic import context

from data.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    # SQLite cannot alter a column: Alembic copies the table instead.
    render_as_batch=True,
)
context.run_migrations()
