"""What Alembic runs for each command: on the connection that `webapp.migrations` opened, in batch mode."""

from alembic import context

from engine import schema


def render(kind: str, thing, autogen_context):
    """`Moment` is a column type of ours; a revision must not depend on what it will become."""
    if kind == "type" and isinstance(thing, schema.Moment):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    render_as_batch=True,
    render_item=render,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
