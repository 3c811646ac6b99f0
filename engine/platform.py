"""The platform that is opened once, and the `Work` in which everything is done.

`Platform` holds what outlives a request: settings, policies, calendar, database, keys, the clock and
chance. `Work` is one transaction, one actor, one moment: every verb of the engine is a function
`verb(work, ...)`, and only `Work` commits. What a verb has to say for the log it says with
`work.record(...)`; the records are chained and written by `history` in the same transaction as the
change that they tell of. Nothing here knows what a process is.
"""

from __future__ import annotations

import gettext
import hashlib
import hmac
import os
import secrets
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, insert, select
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import IntegrityError, OperationalError

from engine import calendars, history, policies, schema
from engine.errors import Conflict, Misconfigured

HOME = Path(__file__).resolve().parent.parent
DEVELOPMENT_SECRET = "for development only: never use this in production"


@dataclass(frozen=True)
class Settings:
    """What an installation may set, by `BIZDAY_<NAME>` in the environment or by `name = …` in a TOML file."""

    #: folder that holds processes/, forms/, policies/ and webapp/translations/
    home: Path = HOME
    #: folder for the database, documents and mail written by this installation
    var: Path = HOME / "var"
    #: SQLAlchemy URL; empty means SQLite at <var>/bizday.sqlite
    database: str = ""
    #: key material for the log's chain, sessions and encryption; at least 32 characters
    secret: str = DEVELOPMENT_SECRET
    #: "development" or "production"; production refuses the default secret and wants TLS before it
    environment: str = "development"
    #: address the web server listens on
    host: str = "127.0.0.1"
    #: port the web server listens on
    port: int = 8000
    #: address that people type, used in mails; empty means http://<host>:<port>
    public_url: str = ""
    #: smtp://user:password@host:port of the mail server; empty writes mails to <var>/mail
    smtp_url: str = ""
    #: sender of mails
    mail_from: str = "bizday@localhost"
    #: comma-separated addresses of proxies whose forwarded headers count
    trusted_proxies: str = ""
    #: threads of the web server
    threads: int = 8
    #: seconds between two looks at due jobs when nothing wakes the worker earlier
    beat: int = 20
    #: calls of the API that one token may make in a minute
    api_calls: int = 600
    #: largest upload in bytes
    upload_limit: int = 25 * 1024 * 1024

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
        """Settings from `file` (TOML) overridden by `environ`. Raises Misconfigured for an unknown or wrong one."""
        environ = os.environ if environ is None else environ
        given: dict[str, Any] = {}
        if file is None and environ.get("BIZDAY_CONFIG"):
            file = Path(environ["BIZDAY_CONFIG"])
        if file is not None:
            given.update(_read_toml(file))
        for name, value in environ.items():
            if name.startswith("BIZDAY_") and name not in NOT_SETTINGS:
                given[name.removeprefix("BIZDAY_").lower()] = value
        return cls(**_typed(cls, given))._checked()

    def _checked(self) -> Settings:
        if self.environment not in ("development", "production"):
            raise Misconfigured(
                "The setting 'environment' is '%(value)s'; it must be development or production.",
                value=self.environment,
            )
        if self.environment == "production" and self.secret == DEVELOPMENT_SECRET:
            raise Misconfigured("Set BIZDAY_SECRET to a secret of your own before you start in production.")
        if len(self.secret) < 32:
            raise Misconfigured("The setting 'secret' is too short; it needs at least 32 characters.")
        return self

    @property
    def url(self) -> URL:
        """The database's address; `postgresql://` is read with psycopg 3."""
        url = make_url(self.database or f"sqlite:///{self.var / 'bizday.sqlite'}")
        return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url

    @property
    def address(self) -> str:
        return self.public_url or f"http://{self.host}:{self.port}"


#: names in the environment that begin with BIZDAY_ and are no settings: where the settings file lies, and what CI demands
NOT_SETTINGS = frozenset({"BIZDAY_CONFIG", "BIZDAY_REQUIRE"})


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise Misconfigured("The settings file %(file)s cannot be read.", file=str(file)) from error
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(
            "The settings file %(file)s is not TOML: %(why)s.", file=str(file), why=str(error)
        ) from error


def _typed(cls, given: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {field.name: field.type for field in fields(cls)}
    typed = {}
    for name, value in given.items():
        if name not in kinds:
            raise Misconfigured("'%(name)s' is not a setting of bizday; see the table in the README.", name=name)
        try:
            typed[name] = {"Path": Path, "int": int, "str": str}[str(kinds[name])](value)
        except ValueError as error:
            raise Misconfigured(
                "The setting '%(name)s' must be a whole number, not '%(value)s'.", name=name, value=str(value)
            ) from error
    return typed


class Platform:
    """What is opened once per process and shared by threads. `Platform.open(settings)`, then `work(actor)`."""

    def __init__(self, settings: Settings, rules: policies.Policies, engine: Engine, clock, chance):
        self.settings = settings
        self.policies = rules
        self.calendar = calendars.Calendar(rules.calendar)
        self.engine = engine
        self.clock: Callable[[], datetime] = clock
        self.chance = chance
        self.log_key = self.key("history")
        #: caches of rooms, by room name; each room knows what its own means
        self.cache: dict[str, Any] = {}
        #: what rooms of higher floors lend to lower ones, set by `assembly`
        self.lent: dict[str, Callable] = {}
        self._wakers: list[Callable[[datetime], None]] = []
        self._id_lock = threading.Lock()
        self._last_id = 0

    @classmethod
    def open(cls, settings: Settings, *, clock=None, chance=None) -> Platform:
        """Reads the policies and connects to the database; creates and migrates nothing."""
        settings.var.mkdir(parents=True, exist_ok=True)
        rules = policies.load(settings.home / "policies")
        return cls(settings, rules, _connect(settings.url), clock or _wall_clock, chance or secrets.SystemRandom())

    def close(self) -> None:
        self.engine.dispose()

    def create_tables(self) -> None:
        """Every table, for tests; an installation is migrated by Alembic instead."""
        schema.metadata.create_all(self.engine)

    def key(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, derived from the secret."""
        return key_of(self.settings.secret, purpose)

    def new_id(self) -> str:
        """An id of 32 hexadecimal digits that sorts by the moment at which it was drawn."""
        with self._id_lock:
            micros = max(int(self.clock().timestamp() * 1e6), self._last_id + 1)
            self._last_id = micros
        return f"{micros:016x}{self.chance.getrandbits(64):016x}"

    def new_secret(self, size: int = 32) -> str:
        """`size` random bytes as hexadecimal text, never from a seeded source."""
        return secrets.token_hex(size)

    def work(self, actor, *, reason: str | None = None, key: str | None = None, fingerprint: str = "") -> Work:
        """One transaction that may write. `key` makes a repeat of the same request return the first answer."""
        return Work(self, actor, reason=reason, key=key, fingerprint=fingerprint)

    def read(self, actor) -> Work:
        """One transaction that only reads, and never waits for a writer."""
        return Work(self, actor, writes=False)

    def lend(self, name: str, function: Callable) -> None:
        self.lent[name] = function

    def element(self, work: Work, definition_id: str, element_id: str):
        """The element of a deployed model, lent by the repository; None when the model no longer has it."""
        return self.lent["element"](work, definition_id, element_id)

    def on_wake(self, waker: Callable[[datetime], None]) -> None:
        """`waker(moment)` is called after a commit that made something due at that moment."""
        self._wakers.append(waker)

    def wake(self, moment: datetime) -> None:
        for waker in self._wakers:
            waker(moment)

    def translate(self, locale: str, text: str, **params) -> str:
        """`text` (a message id) in the language of `locale`, with its parameters, each translated too, filled in."""
        said = _catalogue(self.settings.home / "webapp" / "translations", locale).gettext
        filled = {name: said(value) if isinstance(value, str) and value else value for name, value in params.items()}
        sentence = said(text) if text else ""
        return sentence % filled if filled else sentence


class Work:
    """One transaction, one actor, one moment.

    `with platform.work(actor) as work:` begins it; leaving without an exception writes the buffered
    records into their chains and commits; an exception rolls everything back. `now` does not move
    while it lasts.
    """

    def __init__(self, platform: Platform, actor, *, reason=None, key=None, fingerprint="", writes=True):
        self.platform = platform
        self.actor = actor
        self.reason = reason
        self.writes = writes
        self.now: datetime = platform.clock()
        self.policies = platform.policies
        self.calendar = platform.calendar
        self.connection: Connection = None  # type: ignore[assignment]  # set on entering
        self.execute: Callable = None  # type: ignore[assignment]
        #: instance heads and changed rows that `history` writes at the end, by instance id
        self.heads: dict[str, history.Head] = {}
        #: what is asked again and again within one Work, by room
        self.memory: dict[Any, Any] = {}
        self.answered: Any = None
        self._records: list[dict] = []
        self._after: list[Callable[[], None]] = []
        self._before: list[Callable[[Work], None]] = []
        self._key = f"{actor.id}:{key}" if key else None
        self._fingerprint = fingerprint
        self._answer: Any = None

    def __enter__(self) -> Work:
        try:
            self.connection = self.platform.engine.connect()
            if not self.writes and self.connection.dialect.name == "sqlite":
                self.connection = self.connection.execution_options(bizday_begin="BEGIN")
            self.connection.begin()
        except OperationalError as error:
            raise Conflict("The platform is busy just now; please try again.") from error
        self.execute = self.connection.execute
        if self._key:
            self._find_answer()
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            if kind is None and self.writes:
                self._commit()
            else:
                self.connection.rollback()
        finally:
            if self.connection.in_transaction():
                self.connection.rollback()
            self.connection.close()
        if kind is None:
            for step in self._after:
                step()
        elif hasattr(error, "afterwards"):
            error.afterwards(self.platform)

    def one(self, statement, params=None):
        """The first row as a mapping, or None."""
        return self.execute(statement, params).mappings().first()

    def all(self, statement, params=None) -> list:
        """All rows as mappings."""
        return self.execute(statement, params).mappings().all()

    def record(self, type: str, *, instance_id: str | None = None, root_id: str | None = None, **more) -> None:
        """Say one thing for the log: `type` is subject.participle; `more` are columns of `event` and `data`."""
        self._records.append(
            {
                "stream": instance_id or history.PLATFORM,
                "root_id": root_id or instance_id,
                "at": self.now,
                "type": type,
                "actor_id": more.get("actor_id") or self.actor.id,
                "for_id": more.get("for_id", self.actor.for_id),
                "element_id": more.get("element_id"),
                "token": more.get("token"),
                "task_id": more.get("task_id"),
                "reason": more.get("reason") or self.reason,
                "data": more.get("data") or {},
            }
        )

    def head(self, instance_id: str) -> history.Head:
        """The head of an instance's chain, read once per Work."""
        found = self.heads.get(instance_id)
        if found is None:
            found = self.heads[instance_id] = history.read_head(self, instance_id)
        return found

    def before_commit(self, step: Callable[[Work], None]) -> None:
        """`step(work)` runs once, last of all, while the transaction is still open."""
        self._before.append(step)

    def after_commit(self, step: Callable[[], None]) -> None:
        """`step()` runs when what was done has been kept; never when it was not."""
        self._after.append(step)

    def answer(self, said: Any) -> Any:
        """Keep `said` (plain JSON) as the answer to this request's idempotency key."""
        self._answer = said
        return said

    def new_id(self) -> str:
        return self.platform.new_id()

    def _find_answer(self) -> None:
        row = self.one(select(schema.request).where(schema.request.c.key == self._key))
        if row is None:
            return
        if row["fingerprint"] != self._fingerprint:
            raise Conflict("This idempotency key was used for another request; use a new one.")
        self.answered = row["answer"]

    def _commit(self) -> None:
        try:
            for step in self._before:
                step(self)
            history.append(self, self._records)
            if self._key and self.answered is None:
                self.execute(
                    insert(schema.request),
                    {"key": self._key, "fingerprint": self._fingerprint, "answer": self._answer, "at": self.now},
                )
            self.connection.commit()
        except IntegrityError as error:
            raise Conflict("Somebody else did this at the same moment; load it again.") from error


def key_of(secret: str, purpose: str) -> bytes:
    """A 32-byte key for one purpose, derived from `secret`; the same wherever the secret is the same."""
    return hmac.digest(secret.encode(), b"bizday:" + purpose.encode(), "sha256")


def fingerprint(*parts: Any) -> str:
    """A digest of what a request asks for, so that one idempotency key stands for one request."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _wall_clock() -> datetime:
    return datetime.now(UTC)


@lru_cache(maxsize=8)
def _catalogue(folder: Path, locale: str):
    return gettext.translation("messages", folder, languages=[locale], fallback=True)


def _connect(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    engine = create_engine(url, connect_args={"timeout": 15})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection, record) -> None:
    # The driver must not open transactions by itself: a deferred one that turns into a writer can fail half-way.
    dbapi_connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=15000"):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("bizday_begin", "BEGIN IMMEDIATE"))
