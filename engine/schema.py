"""Every table of the platform on one page.

Plain SQLAlchemy Core on SQLite and PostgreSQL. Ids are text that sorts by time (`Platform.new_id`),
times are aware UTC, JSON is plain JSON. `event` is only ever appended to. Tables that are always read by their
composite key are kept in its order on SQLite (WITHOUT ROWID), which halves what a step writes. The engine's state is
`instance` + `token` + `scope`; what waits outside the engine is `task`, `job` and `subscription`,
kept equal to it by comparison after each advance.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator):
    """An aware moment, kept in UTC. SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect):
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment without a zone cannot be kept: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect):
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _id(**kw) -> Column:
    return Column("id", String(40), primary_key=True, **kw)


# --- people -----------------------------------------------------------------------------------
department = Table(
    "department", metadata,
    Column("key", String(64), primary_key=True),
    Column("name", Text, nullable=False),          # English source text; the catalogue translates it
    Column("head_id", String(40)),                 # person who decides for the department
    Column("parent_key", String(64)),
)
person = Table(
    "person", metadata,
    _id(),
    Column("login", String(120), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("phone", Text),
    Column("kind", String(16), nullable=False, default="employee"),   # employee partner visitor system
    Column("department_key", String(64), ForeignKey("department.key")),
    Column("manager_id", String(40)),
    Column("locale", String(16), nullable=False, default="zh_Hans_CN"),
    Column("active", Boolean, nullable=False, default=True),
    Column("ends_at", Moment),                     # partners and visitors carry an end (clause 1.2)
    Column("password_hash", Text),
    Column("failed_sign_ins", Integer, nullable=False, default=0),
    Column("locked_until", Moment),
    Column("created_at", Moment, nullable=False),
    Column("preferences", JSON, nullable=False, default=dict),
)
# a group is a role too: policies/access.toml says what its members may
membership = Table(
    "membership", metadata,
    Column("person_id", String(40), ForeignKey("person.id"), primary_key=True),
    Column("group_key", String(64), primary_key=True),
    Column("until", Moment),
    Column("granted_at", Moment, nullable=False),
    Column("instance_id", String(40)),             # the permission_change that granted it
    Index("ix_membership_group", "group_key"),
)
# a single permission beside those of her groups
permission = Table(
    "permission", metadata,
    Column("person_id", String(40), ForeignKey("person.id"), primary_key=True),
    Column("resource", String(120), primary_key=True),
    Column("verb", String(16), primary_key=True),  # query enter modify delete (clause 2.2.1)
    Column("until", Moment),
    Column("granted_at", Moment, nullable=False),
    Column("instance_id", String(40)),
)
substitution = Table(
    "substitution", metadata,
    _id(),
    Column("person_id", String(40), ForeignKey("person.id"), nullable=False, index=True),
    Column("substitute_id", String(40), ForeignKey("person.id"), nullable=False, index=True),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("process_key", String(120)),            # null: every process
    Column("created_by", String(40)),
    Column("created_at", Moment, nullable=False),
)
session = Table(
    "session", metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("person_id", String(40), ForeignKey("person.id"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("address", Text),
    Column("agent", Text),
)
api_token = Table(
    "api_token", metadata,
    _id(),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("person_id", String(40), ForeignKey("person.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("scopes", JSON, nullable=False),        # list of "read" "write" "admin"
    Column("created_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("used_at", Moment),
)

# --- definitions ------------------------------------------------------------------------------
content = Table(
    "content", metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the bytes
    Column("bytes", LargeBinary, nullable=False),
)
deployment = Table(
    "deployment", metadata,
    _id(),
    Column("at", Moment, nullable=False),
    Column("by_id", String(40)),
    Column("files", JSON, nullable=False),           # name -> digest
)
definition = Table(
    "definition", metadata,
    _id(),
    Column("key", String(120), nullable=False),      # BPMN process id
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", String(64), ForeignKey("content.digest"), nullable=False),
    Column("deployment_id", String(40), ForeignKey("deployment.id"), nullable=False),
    Column("state", String(16), nullable=False),     # active suspended retired
    Column("version_tag", Text),
    Column("startable", Boolean, nullable=False, default=False),  # people may start it from the catalogue
    Column("deployed_at", Moment, nullable=False),
    UniqueConstraint("key", "version"),
)
decision = Table(
    "decision", metadata,
    _id(),
    Column("key", String(120), nullable=False),      # DMN decision id
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", String(64), ForeignKey("content.digest"), nullable=False),  # of the whole .dmn file
    Column("deployment_id", String(40), ForeignKey("deployment.id"), nullable=False),
    UniqueConstraint("key", "version"),
)
form = Table(
    "form", metadata,
    _id(),
    Column("key", String(160), nullable=False),      # "<process key>/<form>"
    Column("version", Integer, nullable=False),
    Column("digest", String(64), ForeignKey("content.digest"), nullable=False),
    Column("deployment_id", String(40), ForeignKey("deployment.id"), nullable=False),
    UniqueConstraint("key", "version"),
)

#: chains with records that nobody was told of yet: few among many, so that they have an index of their own
UNTOLD = "log_seq > told_seq"

# --- instances --------------------------------------------------------------------------------
counter = Table(
    "counter", metadata,
    Column("key", String(120), primary_key=True),
    Column("value", Integer, nullable=False),
)
instance = Table(
    "instance", metadata,
    _id(),
    Column("number", String(40), nullable=False, unique=True),    # for people: 20261124-0007
    Column("title", Text, nullable=False, default=""),
    Column("process_key", String(120), nullable=False),
    Column("definition_id", String(40), ForeignKey("definition.id"), nullable=False, index=True),
    Column("root_id", String(40), nullable=False, index=True),    # the case: itself or the outermost caller
    Column("parent_id", String(40), index=True),
    Column("parent_token", Integer),
    Column("depth", Integer, nullable=False, default=0),
    Column("state", String(16), nullable=False),      # active suspended completed cancelled failed
    Column("outcome", String(40)),                    # what the case came to, set by its end event or a service
    Column("business_key", Text),
    Column("started_by", String(40), index=True),
    Column("starter_department", String(64)),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("due_at", Moment),
    Column("irreversible", Boolean, nullable=False, default=False),  # something happened that withdrawal cannot undo
    Column("version", Integer, nullable=False),       # the lock: +1 on each save
    Column("next_token", Integer, nullable=False),
    Column("log_seq", Integer, nullable=False, default=0),
    Column("log_mac", String(64), nullable=False, default=""),
    Column("log_head", String(64), nullable=False, default=""),   # MAC over (stream, seq, mac): a cut tail shows
    Column("told_seq", Integer, nullable=False, default=0, server_default="0"),  # read by notifications
    Index("ix_instance_list", "state", "process_key", "started_at"),
    Index("ix_instance_untold", "id", sqlite_where=text(UNTOLD), postgresql_where=text(UNTOLD)),
)
token = Table(
    "token", metadata,
    Column("instance_id", String(40), ForeignKey("instance.id"), primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("scope_id", Integer, nullable=False),
    Column("element_id", String(160), nullable=False),
    Column("state", String(16), nullable=False),
    Column("data", JSON, nullable=False),             # what the element's behaviour must remember
    sqlite_with_rowid=False,
)
scope = Table(
    "scope", metadata,
    Column("instance_id", String(40), ForeignKey("instance.id"), primary_key=True),
    Column("id", Integer, primary_key=True),          # 0 is the process itself
    Column("parent_id", Integer),
    Column("element_id", String(160), nullable=False),
    Column("variables", JSON, nullable=False),
    Column("data", JSON, nullable=False),             # joins, counters, compensation records
    sqlite_with_rowid=False,
)

# --- what waits outside -----------------------------------------------------------------------
task = Table(
    "task", metadata,
    _id(),
    Column("instance_id", String(40), ForeignKey("instance.id"), nullable=False),
    Column("root_id", String(40), nullable=False, index=True),
    Column("token", Integer, nullable=False),
    Column("element_id", String(160), nullable=False),
    Column("name", Text, nullable=False),
    Column("process_key", String(120), nullable=False),
    Column("definition_id", String(40), nullable=False),
    Column("form_key", String(160)),
    Column("form_digest", String(64)),
    Column("state", String(16), nullable=False),      # open claimed completed cancelled; signing queued (added signers)
    Column("parent_id", String(40), index=True),      # of an added signer's task: the approval that she signs
    Column("added", String(8)),                       # before after; null: the model's own task
    Column("turn", Integer),                          # of signers who are asked one after the other
    Column("assignee_id", String(40)),
    Column("owner_id", String(40)),                   # who delegated it and gets it back
    Column("priority", Integer, nullable=False, default=50),
    Column("created_at", Moment, nullable=False),
    Column("claimed_at", Moment),
    Column("remind_at", Moment),
    Column("due_at", Moment),
    Column("last_act_at", Moment),
    Column("follow_up_at", Moment),
    Column("working_minutes", Integer),               # the SLA in working time
    Column("calendar_version", String(64)),
    Column("provisional", Boolean, nullable=False, default=False),  # due lies in a year whose holidays are not published
    Column("reminded_at", Moment),
    Column("escalated_at", Moment),
    Column("last_acted_at", Moment),
    Column("urged_at", Moment),
    Column("draft", JSON),
    Column("draft_at", Moment),
    Column("outcome", String(40)),                    # approve reject return ... from the answer's `decision`
    Column("closed_at", Moment),
    Column("closed_by", String(40)),
    Column("closed_for", String(40)),                 # whom she stood in for
    Column("version", Integer, nullable=False, default=1),
    Index("ix_task_instance_token", "instance_id", "token"),
    Index("ix_task_assignee", "assignee_id", "state", "due_at"),
    Index("ix_task_closed_by", "closed_by", "closed_at"),
)
# who may claim an open task; kind is "group" or "person"
candidate = Table(
    "candidate", metadata,
    Column("task_id", String(40), ForeignKey("task.id"), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("ref", String(64), primary_key=True),
    Index("ix_candidate_ref", "kind", "ref"),
    sqlite_with_rowid=False,
)
job = Table(
    "job", metadata,
    _id(),
    Column("kind", String(24), nullable=False),       # timer service deliver sla start mail seal ...
    Column("due_at", Moment, nullable=False),
    Column("state", String(16), nullable=False),      # open done failed cancelled
    Column("instance_id", String(40)),
    Column("token", Integer),
    Column("task_id", String(40)),
    Column("definition_id", String(40)),
    Column("element_id", String(160)),
    Column("payload", JSON, nullable=False, default=dict),
    Column("attempts", Integer, nullable=False, default=0),
    Column("max_attempts", Integer, nullable=False, default=5),
    Column("lease_until", Moment),
    Column("worker", String(80)),
    Column("fence", Integer, nullable=False, default=0),   # +1 on each claim; a late worker's write is refused
    Column("error", Text),
    Column("created_at", Moment, nullable=False),
    Column("done_at", Moment),
    Index("ix_job_due", "state", "due_at"),
    Index("ix_job_instance", "instance_id", "token"),
)
batch = Table(                                        # one verb on many cases
    "batch", metadata,
    _id(),
    Column("verb", String(16), nullable=False),       # suspend resume cancel migrate
    Column("reason", Text, nullable=False),
    Column("definition_id", String(40)),              # where to, of migrate
    Column("mapping", JSON, nullable=False),
    Column("by_id", String(40)),                      # null: the command line
    Column("for_id", String(40)),
    Column("total", Integer, nullable=False),
    Column("state", String(16), nullable=False),      # running stopped done
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index("ix_batch_created", "created_at"),
)
batch_item = Table(
    "batch_item", metadata,
    Column("batch_id", String(40), ForeignKey("batch.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("instance_id", String(40), nullable=False),
    Column("state", String(16), nullable=False),      # waiting done refused
    Column("why", Text),                              # message id of the refusal, with its parameters
    Column("params", JSON),
    Column("problems", JSON),
    Column("at", Moment),
    Index("ix_batch_item_state", "batch_id", "state", "position"),
)
subscription = Table(
    "subscription", metadata,
    _id(),
    Column("kind", String(8), nullable=False),        # message signal cond
    Column("name", String(200), nullable=False),
    Column("correlation_key", String(400)),           # null on signals and start events
    Column("instance_id", String(40)),
    Column("token", Integer),
    Column("definition_id", String(40)),              # start events
    Column("element_id", String(160), nullable=False),
    Index("ix_subscription_name", "kind", "name", "correlation_key"),
    Index("ix_subscription_instance", "instance_id", "token"),
)
message = Table(
    "message", metadata,
    _id(),
    Column("name", String(200), nullable=False),
    Column("correlation_key", String(400)),
    Column("variables", JSON, nullable=False),
    Column("message_id", String(200)),                # sender's own id: a repeat is dropped
    Column("at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("correlated_at", Moment),
    Index("ix_message_name", "name", "correlation_key"),
)
# what processes share: one value for each data store that is drawn
data_store = Table(
    "data_store", metadata,
    Column("name", String(200), primary_key=True),
    Column("value", JSON),
    Column("version", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("instance_id", String(40)),                # the case that wrote it last
)
incident = Table(
    "incident", metadata,
    _id(),
    Column("instance_id", String(40), nullable=False, index=True),
    Column("root_id", String(40)),
    Column("token", Integer),
    Column("element_id", String(160)),
    Column("job_id", String(40)),
    Column("kind", String(40), nullable=False),       # expression error limit service timer
    Column("message", Text, nullable=False),
    Column("state", String(16), nullable=False),      # open resolved
    Column("created_at", Moment, nullable=False),
    Column("resolved_at", Moment),
    Column("resolved_by", String(40)),
    Column("reason", Text),
    Index("ix_incident_state", "state", "created_at"),
)

# who was sent a copy of a case (抄送): she may see it, and nothing more
copy = Table(
    "copy", metadata,
    Column("root_id", String(40), primary_key=True),
    Column("person_id", String(40), ForeignKey("person.id"), primary_key=True),
    Column("instance_id", String(40), nullable=False),
    Column("task_id", String(40)),                    # the task at which it was sent
    Column("by_id", String(40)),                      # null: by the model
    Column("at", Moment, nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("read_at", Moment),
    Index("ix_copy_person", "person_id", "at"),
    sqlite_with_rowid=False,
)

# --- the log ----------------------------------------------------------------------------------
event = Table(
    "event", metadata,
    Column("stream", String(40), primary_key=True),   # instance id, or "platform"
    Column("seq", Integer, primary_key=True),
    Column("root_id", String(40)),
    Column("at", Moment, nullable=False),
    Column("type", String(60), nullable=False),       # subject.participle: task.claimed
    Column("actor_id", String(40)),
    Column("for_id", String(40)),                     # on whose behalf
    Column("element_id", String(160)),
    Column("token", Integer),
    Column("task_id", String(40)),
    Column("reason", Text),
    Column("data", JSON, nullable=False),             # old and new values, opinion, rules that hit ...
    Column("mac", String(64), nullable=False),        # HMAC-SHA256 over the record and the mac before it
    Index("ix_event_root", "root_id", "at"),
    Index("ix_event_at", "at"),
    Index("ix_event_actor", "actor_id", "at"),
    sqlite_with_rowid=False,
)
# heads of streams that have no instance row
chain = Table(
    "chain", metadata,
    Column("stream", String(40), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("mac", String(64), nullable=False),
    Column("head", String(64), nullable=False),
    Column("told_seq", Integer, nullable=False, default=0, server_default="0"),  # as in instance
)

# --- papers, words, messages to people --------------------------------------------------------
document = Table(
    "document", metadata,
    _id(),
    Column("instance_id", String(40), index=True),
    Column("root_id", String(40), index=True),
    Column("task_id", String(40)),
    Column("draft_id", String(40)),
    Column("field", String(120)),
    Column("name", Text, nullable=False),
    Column("type", String(120), nullable=False),
    Column("size", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("by_id", String(40), nullable=False),
    Column("at", Moment, nullable=False),
    Column("removed_at", Moment),
)
comment = Table(
    "comment", metadata,
    _id(),
    Column("instance_id", String(40), nullable=False),
    Column("root_id", String(40), nullable=False, index=True),
    Column("task_id", String(40)),
    Column("by_id", String(40), nullable=False),
    Column("at", Moment, nullable=False),
    Column("text", Text, nullable=False),
)
draft = Table(
    "draft", metadata,
    _id(),
    Column("person_id", String(40), nullable=False, index=True),
    Column("process_key", String(120), nullable=False),
    Column("answers", JSON, nullable=False),
    Column("at", Moment, nullable=False),
)
notification = Table(
    "notification", metadata,
    _id(),
    Column("person_id", String(40), nullable=False),
    Column("at", Moment, nullable=False),
    Column("kind", String(40), nullable=False),       # a key of policies/notifications.toml
    Column("params", JSON, nullable=False),
    Column("link", Text),
    Column("read_at", Moment),
    Index("ix_notification_person", "person_id", "read_at", "at"),
)
saved_filter = Table(
    "saved_filter", metadata,
    _id(),
    Column("person_id", String(40), nullable=False, index=True),
    Column("page", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),
)

# --- what processes act upon ------------------------------------------------------------------
share = Table(
    "share", metadata,
    _id(),
    Column("instance_id", String(40), nullable=False, index=True),
    Column("data_set", String(120), nullable=False),
    Column("fields", JSON, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("recipient_id", String(40), nullable=False, index=True),
    Column("issued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("max_uses", Integer, nullable=False),
    Column("uses", Integer, nullable=False, default=0),
    Column("ended_at", Moment),
    Column("ended_why", String(24)),                  # expired revoked
)
archive = Table(
    "archive", metadata,
    Column("instance_id", String(40), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("manifest", JSON, nullable=False),
)
announcement = Table(
    "announcement", metadata,
    _id(),
    Column("at", Moment, nullable=False),
    Column("instance_id", String(40)),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
)

# --- the platform's own -----------------------------------------------------------------------
request = Table(
    "request", metadata,
    Column("key", String(200), primary_key=True),     # "<person id>:<idempotency key>"
    Column("fingerprint", String(64), nullable=False),
    Column("answer", JSON),
    Column("at", Moment, nullable=False),
)
meta = Table(
    "meta", metadata,
    Column("key", String(120), primary_key=True),
    Column("value", JSON, nullable=False),
)
