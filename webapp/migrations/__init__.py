"""The database's history: how its tables came to be what `engine/schema.py` says.

Each change of the tables is one revision in `versions/`, in Alembic's batch mode, so that SQLite can
follow too. `upgrade` brings a database to the newest revision and may be called at every start;
`is_current` tells the readiness probe whether that was done; `draft` writes the next revision from the
difference between the tables and the database. This folder is the one place of the web layer that knows
SQLAlchemy, and there is no alembic.ini: the address of the database comes from the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from engine import schema
from engine.errors import Misconfigured

HERE = Path(__file__).parent


def upgrade(platform) -> None:
    """Bring the database to the newest revision. Raises Misconfigured when it is newer than this program."""
    _refuse_unknown(platform)
    with _session(platform) as config:
        command.upgrade(config, "head")


def current(platform) -> str | None:
    """The revision that the database is at; None when it is empty."""
    with _reading(platform) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_current(platform) -> bool:
    return current(platform) == ScriptDirectory(str(HERE)).get_current_head()


def differences(platform) -> list:
    """What `engine/schema.py` has and the migrated database has not, or the other way round."""
    with _reading(platform) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, schema.metadata)


def draft(platform, title: str) -> None:
    """Write the next revision from those differences, to be read and corrected by hand."""
    with _session(platform) as config:
        command.revision(config, message=title, autogenerate=True)


def _reading(platform):
    """A connection that waits for no writer: the readiness probe asks while others work."""
    connection = platform.engine.connect()
    return connection.execution_options(bizday_begin="BEGIN")


def _refuse_unknown(platform) -> None:
    known = {script.revision for script in ScriptDirectory(str(HERE)).walk_revisions()}
    at = current(platform)
    if at is not None and at not in known:
        raise Misconfigured(
            "The database is at revision %(revision)s, which this bizday does not know; use a newer one.",
            revision=at,
        )


@contextmanager
def _session(platform) -> Iterator[Config]:
    """A configuration whose connection `env.py` uses, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    with platform.engine.connect() as connection:
        _foreign_keys(connection, "OFF")
        with connection.begin():
            config.attributes["connection"] = connection
            yield config
        _foreign_keys(connection, "ON")


def _foreign_keys(connection, state: str) -> None:
    # Batch mode makes a table anew and drops the old one; SQLite takes this pragma only outside a
    # transaction.
    if connection.dialect.name == "sqlite":
        connection.connection.dbapi_connection.execute(f"PRAGMA foreign_keys={state}")
