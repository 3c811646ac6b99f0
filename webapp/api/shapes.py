"""The documents that go in and out of the API.

Each shape names the columns that programs get to see; what a row holds besides stays inside. Moments
are ISO 8601 with a zone. Inputs refuse unknown keys.
"""

from __future__ import annotations

from functools import cache

from apiflask import Schema
from apiflask.fields import UUID, Boolean, DateTime, Dict, File, Integer, List, Nested, Raw, String  # noqa: F401
from apiflask.validators import Length, OneOf, Range

#: a problem document (RFC 9457) as `problems` makes it
REFUSAL = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence for a person, in her language"},
        "instance": {"type": "string"},
        "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}},
    },
}  # fmt: skip


@cache
def paged(shape: type[Schema]) -> type[Schema]:
    """One page of a list of `shape`."""
    return type(
        f"{shape.__name__}Page", (Schema,),
        {"items": List(Nested(shape)), "page": Integer(), "size": Integer(), "total": Integer(),
         "pages": Integer()},
    )  # fmt: skip


# --- in ---------------------------------------------------------------------------------------
class Paging(Schema):
    page = Integer(load_default=1, validate=Range(1, 100_000))
    size = Integer(load_default=50, validate=Range(1, 200))


class TaskQuery(Paging):
    view = String(load_default="mine", validate=OneOf(["mine", "group", "done", "all"]))
    search = String(load_default="", validate=Length(max=200))
    sort = String(load_default="due", validate=OneOf(["due", "created", "priority", "name", "closed"]))
    process = String(load_default=None)
    late = Boolean(load_default=False)


class InstanceQuery(Paging):
    search = String(load_default="", validate=Length(max=200))
    process = String(load_default=None)
    state = String(load_default=None, validate=OneOf(["active", "suspended", "completed", "cancelled"]))
    late = Boolean(load_default=False)
    stuck = Boolean(load_default=False)
    department = String(load_default=None)
    starter = String(load_default=None)
    sort = String(load_default="started", validate=OneOf(["started", "number", "title", "state"]))


class IncidentQuery(Schema):
    state = String(load_default="open", validate=OneOf(["open", "resolved"]))


class PeopleQuery(Schema):
    search = String(load_default="", validate=Length(max=200))
    size = Integer(load_default=50, validate=Range(1, 200))


class Start(Schema):
    process = String(required=True, metadata={"description": "Key of the process, e.g. case_initiation"})
    answers = Dict(keys=String(), load_default=dict, metadata={"description": "Fields of the start form"})
    business_key = String(load_default=None, validate=Length(max=400))
    title = String(load_default=None, validate=Length(max=400))
    element_id = String(
        load_default=None, validate=Length(max=400),
        metadata={"description": "At which start event, where people may begin the process at several"},
    )  # fmt: skip


class BulkStart(Schema):
    process = String(required=True)
    file = File(
        required=True, metadata={"description": "CSV with a header of field names, or a JSON list of objects"}
    )


class Reason(Schema):
    reason = String(load_default="", validate=Length(max=4000))


class Answers(Schema):
    answers = Dict(keys=String(), load_default=dict)


class Handover(Schema):
    person = String(required=True, metadata={"description": "Id or login"})
    reason = String(required=True, validate=Length(min=1, max=4000))


class Return(Schema):
    element = String(
        required=True, metadata={"description": "Id of the earlier step; see `returnable` of the task"}
    )
    reason = String(required=True, validate=Length(min=1, max=4000))


class Note(Schema):
    text = String(load_default="", validate=Length(max=10_000))


class SendCopies(Schema):
    persons = List(
        String(validate=Length(min=1, max=120)), required=True, metadata={"description": "Ids or logins of employees"}
    )
    note = String(load_default="", validate=Length(max=2000))


class AddSigners(Schema):
    persons = List(
        String(validate=Length(min=1, max=120)), required=True, metadata={"description": "Ids or logins of employees"}
    )
    reason = String(required=True, validate=Length(min=1, max=4000))
    when = String(
        required=True, validate=OneOf(["before", "after", "too", "last", "next"]),
        metadata={"description": "before or after the holder; in a vote too, or, when it goes in turn, last or next"},
    )  # fmt: skip
    in_turn = Boolean(load_default=False, metadata={"description": "One after the other instead of all at once"})


class RemoveSigners(Schema):
    persons = List(String(validate=Length(min=1, max=120)), required=True)
    reason = String(required=True, validate=Length(min=1, max=4000))


class Sign(Schema):
    agrees = Boolean(required=True)
    reason = String(required=True, validate=Length(min=1, max=4000))


class CopyQuery(Paging):
    search = String(load_default="", validate=Length(max=200))
    unread = Boolean(load_default=False)


class Upload(Schema):
    file = File(required=True)
    field = String(load_default=None, validate=Length(max=100))


class Files(Schema):
    files = List(File(), required=True, metadata={"description": ".bpmn, .dmn and .json files"})


class Publish(Schema):
    name = String(required=True, validate=Length(min=1, max=200))
    correlation_key = String(load_default=None, validate=Length(max=400))
    variables = Dict(keys=String(), load_default=dict)
    time_to_live = Integer(
        load_default=None, validate=Range(0, 31_536_000), metadata={"description": "Seconds"}
    )
    message_id = String(load_default=None, validate=Length(max=200))


class Broadcast(Schema):
    name = String(required=True, validate=Length(min=1, max=200))
    variables = Dict(keys=String(), load_default=dict)


class Resolve(Schema):
    action = String(required=True, validate=OneOf(["retry", "skip"]))
    reason = String(required=True, validate=Length(min=1, max=4000))
    variables = Dict(keys=String(), load_default=dict)


class Values(Schema):
    scope = Integer(load_default=0)
    values = Dict(keys=String(validate=Length(1, 100)), required=True, validate=Length(min=1))
    was = Dict(keys=String(), load_default=None, allow_none=True, metadata={
        "description": "The values as they were seen; 409 when one of them is another one by now"})  # fmt: skip
    reason = String(required=True, validate=Length(min=1, max=4000))


class Move(Schema):
    token = Integer(required=True)
    element = String(required=True)
    reason = String(required=True, validate=Length(min=1, max=4000))


class Migrate(Schema):
    definition = String(required=True, metadata={"description": "Id of the version to move to"})
    mapping = Dict(keys=String(), values=String(), load_default=dict, metadata={"description": "Element of now: of then"})
    reason = String(load_default="", validate=Length(max=4000))


class Acts(Schema):
    act = String(required=True, validate=OneOf(["suspend", "resume", "cancel", "migrate"]))
    instances = List(String(validate=Length(max=64)), load_default=list, validate=Length(max=1000))
    of_definition = String(load_default=None, metadata={"description": "All running instances of that version"})
    reason = String(required=True, validate=Length(min=1, max=4000))
    definition = String(load_default=None)
    mapping = Dict(keys=String(), values=String(), load_default=dict)


class NewBatch(Acts):
    instances = List(String(validate=Length(max=64)), load_default=list, validate=Length(max=100_000))
    of_process = String(load_default=None, metadata={"description": "All running instances of every version of it"})


class Batch(Schema):
    id = String()
    act = String(attribute="verb")
    reason = String()
    definition = String(attribute="definition_id", allow_none=True)
    mapping = Dict(keys=String(), values=String())
    state = String(metadata={"description": "running, stopped or done"})
    total = Integer()
    done = Integer()
    refused = Integer()
    waiting = Integer()
    by = String(attribute="by_id", allow_none=True)
    created_at = DateTime()
    ended_at = DateTime(allow_none=True)


class OfBatch(Schema):
    state = String(load_default="refused", validate=OneOf(["waiting", "done", "refused"]))
    after = Integer(load_default=-1, metadata={"description": "`position` of the last one that is known"})


class Acted(Schema):
    instance = String()
    position = Integer(metadata={"description": "Place within a batch"})
    done = Boolean()
    why = String(allow_none=True)
    problems = List(Nested(lambda: Problem()))


class Outcome(Schema):
    results = List(Nested(Acted))


class Observed(Schema):
    variables = Dict(keys=String(), required=True)


class Began(Schema):
    started = List(String())


class Evaluate(Schema):
    variables = Dict(keys=String(), load_default=dict)


class Expression(Schema):
    expression = String(required=True, validate=Length(min=1, max=20_000), metadata={"description": "FEEL"})
    variables = Dict(keys=String(), load_default=dict)


# --- out --------------------------------------------------------------------------------------
class Me(Schema):
    id = String()
    login = String()
    name = String()
    kind = String()
    groups = List(String())
    scopes = List(String())


class Definition(Schema):
    id = String()
    key = String()
    version = Integer()
    name = String()
    state = String()
    version_tag = String(allow_none=True)
    startable = Boolean()
    deployed_at = DateTime()
    digest = String()
    running = Integer()


class Problem(Schema):
    where = String()
    rule = String()
    severity = String()
    sentence = String()
    mend = String()


class Deployment(Schema):
    id = String()
    definitions = List(Nested(Definition))
    decisions = List(Dict())
    forms = List(Dict())
    problems = List(Nested(Problem))


class Checked(Schema):
    problems = List(Nested(Problem))


class Fault(Schema):
    stream = String()
    seq = Integer()
    kind = String(validate=OneOf(["changed", "removed", "cut", "forged"]))
    sentence = String()


class Verified(Schema):
    streams = Integer()
    events = Integer()
    faults = List(Nested(Fault))


class Instance(Schema):
    id = String()
    number = String()
    title = String()
    process_key = String()
    definition_id = String()
    root_id = String()
    parent_id = String(allow_none=True)
    state = String()
    outcome = String(allow_none=True)
    business_key = String(allow_none=True)
    started_by = String(allow_none=True)
    started_at = DateTime()
    ended_at = DateTime(allow_none=True)
    due_at = DateTime(allow_none=True)
    late = Boolean()
    stuck = Boolean()


class Variable(Schema):
    scope = Integer()
    element_id = String()
    name = String()
    value = Raw(allow_none=True)
    classification = String()
    masked = Boolean()


class Event(Schema):
    stream = String()
    seq = Integer()
    at = DateTime()
    type = String()
    actor_id = String(allow_none=True)
    for_id = String(allow_none=True)
    element_id = String(allow_none=True)
    token = Integer(allow_none=True)
    task_id = String(allow_none=True)
    reason = String(allow_none=True)
    data = Raw()
    mac = String()


class Diagram(Schema):
    tokens = Dict()
    done = Dict()
    flows = List(String())
    incidents = Dict()


class Document(Schema):
    id = String()
    instance_id = String(allow_none=True)
    task_id = String(allow_none=True)
    field = String(allow_none=True)
    name = String()
    type = String()
    size = Integer()
    digest = String()
    by_id = String()
    at = DateTime()


class Comment(Schema):
    id = String()
    instance_id = String()
    task_id = String(allow_none=True)
    by_id = String()
    at = DateTime()
    text = String()


class Signer(Schema):
    person_id = String()
    added = String(metadata={"description": "before, after or vote"})
    state = String()
    outcome = String(allow_none=True, metadata={"description": "agree or disagree"})
    reason = String(allow_none=True)
    task_id = String(allow_none=True, metadata={"description": "null: a vote's, whose task is the model's own"})


class Copy(Schema):
    root_id = String()
    instance_id = String()
    task_id = String(allow_none=True)
    person_id = String()
    by_id = String(allow_none=True, metadata={"description": "null: sent by the model"})
    at = DateTime()
    note = String()
    read_at = DateTime(allow_none=True)


class MyCopy(Copy):
    number = String()
    title = String()
    process_key = String()
    state = String()
    outcome = String(allow_none=True)


class Task(Schema):
    id = String()
    instance_id = String()
    root_id = String()
    number = String()
    title = String()
    element_id = String()
    name = String()
    process_key = String()
    state = String()
    assignee_id = String(allow_none=True)
    owner_id = String(allow_none=True)
    parent_id = String(allow_none=True, metadata={"description": "Of an added signer: the approval that she signs"})
    priority = Integer()
    created_at = DateTime()
    due_at = DateTime(allow_none=True)
    provisional = Boolean()
    outcome = String(allow_none=True)
    closed_at = DateTime(allow_none=True)
    closed_by = String(allow_none=True)
    closed_for = String(allow_none=True)


class Verb(Schema):
    name = String()
    allowed = Boolean()
    why = String(allow_none=True)


class Step(Schema):
    element_id = String()
    name = String()


class TaskInFull(Task):
    verbs = List(Nested(Verb))
    returnable = List(Nested(Step))
    choices = List(
        Nested(Step), metadata={"description": "Of an ad-hoc step: what `activities` of the answers may name"}
    )


class Form(Schema):
    key = String(allow_none=True)
    digest = String(allow_none=True)
    json_schema = Raw(data_key="schema", attribute="schema", metadata={"description": "JSON Schema 2020-12"})
    values = Dict()
    draft = Raw(allow_none=True)


class Completed(Schema):
    task = Nested(Task)
    instance = Nested(Instance)
    next = String(allow_none=True)


class Started(Schema):
    row = Integer()
    id = String()
    number = String()


class NotStarted(Schema):
    row = Integer()
    sentence = String()
    problems = List(Nested(Problem))


class Bulk(Schema):
    started = List(Nested(Started))
    refused = List(Nested(NotStarted))


class Published(Schema):
    message = String(allow_none=True)
    correlated = List(String())


class Reached(Schema):
    reached = List(String())


class Incident(Schema):
    id = String()
    instance_id = String()
    root_id = String(allow_none=True)
    number = String()
    element_id = String(allow_none=True)
    kind = String()
    message = String()
    state = String()
    created_at = DateTime()
    resolved_at = DateTime(allow_none=True)
    reason = String(allow_none=True)


class Decision(Schema):
    id = String()
    key = String()
    version = Integer()
    name = String()


class Annotation(Schema):
    name = String()
    text = String()


class Hit(Schema):
    table = String(metadata={"description": "Id of the decision table"})
    rule = Integer(metadata={"description": "Counted from 1"})
    rule_id = String()
    annotations = List(Nested(Annotation))


class Diagnosis(Schema):
    sentence = String()
    position = Integer(metadata={"description": "Where in the expression, counted from 0; -1 when it is nowhere in it"})


class Answer(Schema):
    json = Raw(allow_none=True, data_key="value", attribute="json")
    hits = List(Nested(Hit), metadata={"description": "Required decisions first"})
    diagnoses = List(Nested(Diagnosis), metadata={"description": "Why something became null on the way"})


class Person(Schema):
    id = String()
    login = String()
    name = String()
    kind = String()
    department_key = String(allow_none=True)
    active = Boolean()


class Share(Schema):
    id = String()
    data_set = String()
    fields_ = List(String(), data_key="fields", attribute="fields")
    purpose = String()
    issued_at = DateTime()
    expires_at = DateTime()
    max_uses = Integer()
    uses = Integer()
    ended_at = DateTime(allow_none=True)
    ended_why = String(allow_none=True)


class Done(Schema):
    done = Boolean()
