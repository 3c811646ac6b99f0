"""The tables of a migrated database are those of `engine/schema.py`, and every revision leads there and back."""

from __future__ import annotations

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import func, insert, inspect, select, text

from engine import people, schema
from engine.errors import Misconfigured
from engine.platform import Platform, Settings
from engine.schema import chain, event
from tests.engine.rooms import BOTH, SECRET, Clock
from tests.services import fresh_postgresql
from webapp import migrations


@pytest.fixture(params=BOTH)
def empty(request, tmp_path):
    database = fresh_postgresql() if request.param == "postgresql" else ""
    platform = Platform.open(Settings(var=tmp_path / "var", database=database, secret=SECRET), clock=Clock())
    yield platform
    platform.close()


def test_an_empty_database_is_migrated_to_the_tables_of_the_schema(empty):
    assert migrations.current(empty) is None
    assert not migrations.is_current(empty)
    migrations.upgrade(empty)
    assert migrations.is_current(empty)
    assert migrations.differences(empty) == []


def test_migrating_again_changes_nothing(empty):
    migrations.upgrade(empty)
    at = migrations.current(empty)
    migrations.upgrade(empty)
    assert migrations.current(empty) == at
    assert migrations.differences(empty) == []


def test_the_revisions_are_one_line_without_branches(empty):
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(migrations.HERE))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_a_migrated_database_works_as_one_made_at_once(empty):
    migrations.upgrade(empty)
    with empty.work(people.SYSTEM) as work:
        people.add_person(work, "anna", "Anna")
    with empty.read(people.SYSTEM) as work:
        assert people.by_login(work, "anna")["name"] == "Anna"
        assert work.execute(select(func.count()).select_from(event)).scalar() == 1


def test_every_index_of_the_schema_is_in_the_migrated_database_and_no_other(empty):
    migrations.upgrade(empty)
    found = inspect(empty.engine)
    for table in schema.metadata.sorted_tables:
        wanted = {index.name for index in table.indexes}
        made = {one["name"] for one in found.get_indexes(table.name) if not one["name"].startswith("uq_")}
        assert made == wanted, table.name


def test_an_existing_installation_is_not_told_its_old_log_again(empty):
    """The revision that counts what was told begins at the end of each chain."""
    steps = revisions()
    for step in steps[:1]:
        run(empty, step.upgrade)
    with empty.engine.begin() as connection:
        connection.execute(text("INSERT INTO chain (stream, seq, mac, head) VALUES ('platform', 7, 'm', 'h')"))
    for step in steps[1:]:
        run(empty, step.upgrade)
    with empty.engine.connect() as connection:
        assert connection.execute(select(chain.c.told_seq)).scalar() == 7


def test_every_revision_can_be_taken_back(empty):
    steps = revisions()
    for step in steps:
        run(empty, step.upgrade)
    for step in reversed(steps):
        run(empty, step.downgrade)
    assert inspect(empty.engine).get_table_names() == []


def test_a_database_of_a_newer_program_is_refused(empty):
    migrations.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match="9999"):
        migrations.upgrade(empty)


def test_a_column_that_the_database_lacks_is_named(empty):
    migrations.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.execute(text("ALTER TABLE comment DROP COLUMN text"))
    assert [(kind, table, column.name) for kind, _, table, column in migrations.differences(empty)] == [
        ("add_column", "comment", "text")
    ]


def test_foreign_keys_hold_after_a_migration(empty):
    migrations.upgrade(empty)
    with pytest.raises(Exception, match=r"(?i)foreign key"), empty.engine.begin() as connection:
        connection.execute(
            insert(schema.membership),
            {"person_id": "nobody", "group_key": "staff", "granted_at": empty.clock()},
        )


def revisions() -> list:
    """The modules of all revisions, oldest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(migrations.HERE))
    return [script.module for script in reversed(list(scripts.walk_revisions()))]


def run(platform, step) -> None:
    with platform.engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        step()
