"""Statements of the hot path: compiled once per database and handed to the driver as they are.

SQLAlchemy spends more time on preparing a small statement than a database spends on doing it. A `Hot`
statement is written in SQLAlchemy's words like any other; its text, its parameters' order and the
conversions of its types are worked out once for each database and set of columns, and kept. It knows
no lists within IN and no defaults that the database makes. What the driver refuses is raised as SQLAlchemy's
own error, so that nobody above can tell the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import exc

Row = dict[str, Any]


class Hot:
    """`hot(work, params)` executes it; the answer has `rowcount`, and rows as dicts for a SELECT."""

    def __init__(self, statement):
        self.statement = statement
        self._prepared: dict[tuple, _Prepared] = {}

    def __call__(self, work, params: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()) -> Answer:
        many = not isinstance(params, Mapping) and bool(params)
        first = params[0] if many else params
        dialect = work.connection.dialect
        key = (dialect.name, *first)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepared[key] = _Prepared(self.statement, dialect, list(first))
        return prepared.run(work.connection, params if many else first or {}, many)


class Answer:
    """What came of a statement."""

    __slots__ = ("rowcount", "rows")

    def __init__(self, rowcount: int, rows: list[Row]):
        self.rowcount = rowcount
        self.rows = rows

    def one(self) -> Row | None:
        """The first row, or None."""
        return self.rows[0] if self.rows else None

    def scalar(self) -> Any:
        """The first value of the first row, or None."""
        return next(iter(self.rows[0].values())) if self.rows else None


class _Prepared:
    """A statement for one database and one set of columns."""

    def __init__(self, statement, dialect, keys: list[str]):
        compiled = statement.compile(dialect=dialect, column_keys=keys or None)
        self.text: str = compiled.string
        self.dbapi = dialect.dbapi
        self.fixed = {name: value for name, value in compiled.params.items() if name not in keys}
        self.fixed |= {c.key: _default(c) for c in getattr(compiled, "insert_prefetch", ())}
        self.makers = {c.key: c.default.arg for c in getattr(compiled, "insert_prefetch", ()) if c.default.is_callable}
        self.order = compiled.positiontup if compiled.positional else None
        self.into = _into(compiled, dialect)
        self.columns = [one[0] for one in getattr(compiled, "_result_columns", ())]
        self.out = _out(compiled, dialect)

    def run(self, connection, params, many: bool) -> Answer:
        cursor = connection.connection.cursor()
        try:
            if many:
                cursor.executemany(self.text, [self._bound(one) for one in params])
            else:
                cursor.execute(self.text, self._bound(params))
            rows = [self._row(one) for one in cursor.fetchall()] if self.columns else []
            return Answer(cursor.rowcount, rows)
        except self.dbapi.Error as error:
            raise exc.DBAPIError.instance(self.text, params, error, self.dbapi.Error) from error
        finally:
            cursor.close()

    def _bound(self, params: Mapping[str, Any]):
        said = {**self.fixed, **params} if self.fixed else params
        if self.makers:
            said = {name: make(None) for name, make in self.makers.items() if name not in params} | said
        into = self.into
        if self.order is None:
            return {name: into[name](value) if name in into else value for name, value in said.items()}
        return [into[name](said[name]) if name in into else said[name] for name in self.order]

    def _row(self, values: Sequence[Any]) -> Row:
        row = dict(zip(self.columns, values, strict=True))
        for name, convert in self.out:
            row[name] = convert(row[name])
        return row


def _default(column) -> Any:
    return None if column.default.is_callable else column.default.arg


def _into(compiled, dialect) -> dict[str, Callable]:
    """Conversions of parameters into what the driver wants, by name."""
    found = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()}
    return {name: convert for name, convert in found.items() if convert is not None}


def _out(compiled, dialect) -> list[tuple[str, Callable]]:
    """Conversions of what the driver gives, by column."""
    found = [(one[0], one[3].dialect_impl(dialect).result_processor(dialect, None)) for one in
             getattr(compiled, "_result_columns", ())]  # fmt: skip
    return [(name, convert) for name, convert in found if convert is not None]
