"""Alembic's side: it works on the connection that `bring_up_to_date` has open."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
