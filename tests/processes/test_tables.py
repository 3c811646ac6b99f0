"""The decision tables of the six processes: what goes in, what must come out."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest

from engine import dmn
from tests.processes.walk import HOME

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
STAFF = {"id": "p1", "kind": "employee", "groups": ["staff"], "department": "sales"}
HEAD = STAFF | {"groups": ["staff", "department_heads"]}
PARTNER = STAFF | {"kind": "partner", "groups": ["partners"]}
VISITOR = STAFF | {"kind": "visitor", "groups": ["visitors"]}
FILES = sorted((HOME / "processes").glob("*/*.dmn"))


@cache
def home_of(decision: str):
    for file in FILES:
        tables = dmn.parse(file.read_bytes())
        if decision in tables.decisions:
            return tables
    raise KeyError(decision)


def decide(decision: str, **variables):
    return dmn.evaluate(home_of(decision), decision, variables, now=NOW).json


def named(found, key="condition") -> list[str]:
    return [one[key] for one in found or []]


GOOD_CASE = {"starter": STAFF, "kind": "purchase", "amount": 500, "risk": "low", "party": "Example Ltd", "wanted_by": "2026-04-01"}
CASE_CONDITIONS = [
    ({}, []),
    ({"starter": VISITOR}, ["visitor"]),
    ({"starter": PARTNER}, ["partner"]),
    ({"starter": PARTNER, "kind": "service"}, []),
    ({"amount": 0}, ["amount"]),
    ({"amount": None}, ["amount"]),
    ({"kind": "event", "amount": 0}, []),
    ({"wanted_by": "2026-03-01"}, ["wanted_by"]),
    ({"wanted_by": "2026-03-02"}, []),
    ({"wanted_by": None}, []),
    ({"kind": "contract", "party": ""}, ["party"]),
    ({"kind": "contract", "party": None}, ["party"]),
    ({"amount": 1_000_000}, ["large_amount"]),
    ({"amount": 1_000_000, "starter": HEAD}, []),
    ({"amount": 999_999}, []),
    ({"starter": VISITOR, "amount": 0, "wanted_by": "2025-01-01"}, ["visitor", "amount", "wanted_by"]),
]


@pytest.mark.parametrize(("change", "unmet"), CASE_CONDITIONS)
def test_a_refusal_to_start_a_case_names_each_condition(change, unmet):
    assert named(decide("case_start_conditions", **GOOD_CASE | change)) == unmet


COMPLETE = {"kind": "purchase", "amount": 500, "risk": "low", "description": "Twelve chairs for the new office.", "documents": [], "measures": None, "wanted_by": None}
MISSING = [
    ({}, []),
    ({"description": "Chairs"}, ["description"]),
    ({"amount": 10_000}, ["documents"]),
    ({"amount": 10_000, "documents": ["d1"]}, []),
    ({"kind": "contract"}, ["documents"]),
    ({"kind": "contract", "documents": None}, ["documents"]),
    ({"risk": "high"}, ["measures"]),
    ({"risk": "high", "measures": "A second supplier."}, []),
    ({"kind": "event"}, ["wanted_by"]),
    ({"kind": "event", "wanted_by": "2026-05-01"}, []),
]


@pytest.mark.parametrize(("change", "missing"), MISSING)
def test_completeness_lists_what_is_missing(change, missing):
    assert named(decide("case_completeness", **COMPLETE | change), "item") == missing


ROUTES = [
    ("purchase", 999, "low", "finance", "none", "R/P14D"),
    ("purchase", 999, "high", "finance", "before", "R/P2D"),
    ("purchase", 1000, "medium", "finance", "before", "R/P7D"),
    ("contract", 0, "low", "legal", "before", "R/P14D"),
    ("service", 10_000, "low", "operators", "after", "R/P14D"),
    ("service", 0, "high", "operators", "after", "R/P2D"),
    ("service", 0, "low", "operators", "none", "R/P14D"),
    ("event", 5000, "low", "staff", "before", "R/P14D"),
    ("event", 0, "low", "staff", "none", "R/P14D"),
    ("other", 0, "high", "staff", "before", "R/P2D"),
    ("other", None, "low", "staff", "none", "R/P14D"),
]


@pytest.mark.parametrize(("kind", "amount", "risk", "group", "approval", "every"), ROUTES)
def test_route_of_a_case(kind, amount, risk, group, approval, every):
    said = decide("case_route", kind=kind, amount=amount, risk=risk)
    assert said == {"group": group, "approval": approval, "report_every": every}


LEVELS = [
    ("event", 0, "low", ["Manager"]),
    ("purchase", 9_999, "low", ["Manager"]),
    ("purchase", 10_000, "low", ["Manager", "Department"]),
    ("purchase", 100_000, "medium", ["Manager", "Department", "Finance"]),
    ("contract", 0, "low", ["Manager", "Legal"]),
    ("contract", 1_000_000, "high", ["Manager", "Department", "Finance", "Legal", "Compliance", "Executives"]),
    ("service", 1_000_000, "low", ["Manager", "Executives"]),
    ("other", None, "high", ["Manager", "Compliance"]),
    ("upgrade", 0, "low", ["Operations"]),
    ("upgrade", 0, "medium", ["Operations", "Security"]),
    ("upgrade", 0, "high", ["Operations", "Security", "Executives"]),
]


@pytest.mark.parametrize(("kind", "amount", "risk", "names"), LEVELS)
def test_levels_of_approval(kind, amount, risk, names):
    levels = decide("approval_levels", kind=kind, amount=amount, risk=risk)
    assert [level["name"] for level in levels] == names
    assert [level["level"] for level in levels] == sorted(level["level"] for level in levels)
    assert all(0 < level["needed"] <= level["out_of"] for level in levels)


ASKED = {"starter": STAFF, "action": "grant", "subject": "p1", "what": "group", "group": "finance", "resource": None, "verb": None, "until": "2026-06-30"}
PERMISSION_CONDITIONS = [
    ({}, []),
    ({"until": None}, []),
    ({"starter": VISITOR, "subject": "p2"}, ["visitor"]),
    ({"starter": PARTNER, "until": None}, ["until"]),
    ({"group": None}, ["group"]),
    ({"what": "permission", "resource": "cases"}, ["resource"]),
    ({"what": "permission", "resource": "cases", "verb": "query"}, []),
    ({"until": "2026-03-01"}, ["until"]),
    ({"until": "2026-03-02"}, []),
    ({"until": "2027-12-31"}, ["until"]),
    ({"action": "revoke", "until": None}, []),
]


@pytest.mark.parametrize(("change", "unmet"), PERMISSION_CONDITIONS)
def test_conditions_of_a_change_of_permission(change, unmet):
    assert named(decide("permission_start_conditions", **ASKED | change)) == unmet


SAFE = {"separation": {"high_risk": False}}
PERMISSION_RISKS = [
    (SAFE, "low"),
    ({"separation": {"high_risk": True}}, "high"),
    ({"separation": {"high_risk": True}, "action": "revoke"}, "low"),
    (SAFE | {"what": "permission", "verb": "delete"}, "high"),
    (SAFE | {"what": "permission", "verb": "query"}, "low"),
    (SAFE | {"what": "permission", "verb": "query", "until": None}, "high"),
    (SAFE | {"starter": PARTNER}, "high"),
]


@pytest.mark.parametrize(("change", "level"), PERMISSION_RISKS)
def test_risk_of_a_change_of_permission(change, level):
    assert decide("permission_risk", **ASKED | change)["level"] == level


SHARINGS = [
    # highest, recipient, unknown, allowed, security, legal
    ("public", "visitor", [], True, False, False),
    ("internal", "employee", [], True, False, False),
    ("internal", "partner", [], True, True, True),
    ("confidential", "employee", [], True, True, False),
    ("confidential", "partner", [], True, True, True),
    ("secret", "employee", [], True, True, True),
    ("secret", "partner", [], False, False, False),
    ("public", "employee", ["no_such_field"], False, False, False),
]


@pytest.mark.parametrize(("highest", "recipient", "unknown", "allowed", "security", "legal"), SHARINGS)
def test_who_decides_on_a_sharing(highest, recipient, unknown, allowed, security, legal):
    said = decide("sharing_route", classification={"highest": highest, "recipient_kind": recipient, "unknown": unknown})
    assert (said["allowed"], said["security"], said["legal"]) == (allowed, security, legal)
    assert (said["max_days"] > 0) is allowed


@pytest.mark.parametrize(
    ("change", "unmet"),
    [
        ({}, []),
        ({"starter": VISITOR}, ["visitor"]),
        ({"fields": []}, ["fields"]),
        ({"purpose": "because"}, ["purpose"]),
        ({"days": 0}, ["days"]),
        ({"days": 366}, ["days"]),
        ({"days": 365}, []),
    ],
)
def test_conditions_of_a_sharing(change, unmet):
    good = {"starter": STAFF, "fields": ["name"], "purpose": "Invitations to the open day.", "days": 30}
    assert named(decide("sharing_start_conditions", **good | change)) == unmet


OPERATOR = STAFF | {"groups": ["staff", "operators"]}
UPGRADE = {"starter": OPERATOR, "window_start": "2026-03-05T20:00:00+08:00", "window_end": "2026-03-05T23:00:00+08:00", "rollback_plan": "Stop, restore the backup, start the old version."}


@pytest.mark.parametrize(
    ("change", "unmet"),
    [
        ({}, []),
        ({"starter": STAFF}, ["role"]),
        ({"window_start": "2026-03-02T20:00:00+08:00"}, ["window_start", "window_end"]),
        ({"window_start": "2026-03-03T09:30:00+08:00", "window_end": "2026-03-03T10:30:00+08:00"}, []),
        ({"window_end": "2026-03-05T20:00:00+08:00"}, ["window_end"]),
        ({"window_end": "2026-03-06T20:00:00+08:00"}, ["window_end"]),
        ({"rollback_plan": "None."}, ["rollback_plan"]),
    ],
)
def test_conditions_of_an_upgrade(change, unmet):
    assert named(decide("upgrade_start_conditions", **UPGRADE | change)) == unmet


@pytest.mark.parametrize(
    ("undone", "data", "downtime", "users", "risk"),
    [
        (False, False, 0, "few", "high"),
        (True, True, 61, "few", "high"),
        (True, False, 241, "few", "high"),
        (True, True, 60, "few", "medium"),
        (True, False, 16, "few", "medium"),
        (True, False, 15, "everyone", "medium"),
        (True, False, 15, "department", "low"),
    ],
)
def test_risk_of_an_upgrade(undone, data, downtime, users, risk):
    assert decide("upgrade_risk", can_be_undone=undone, changes_data=data, downtime_minutes=downtime, users_affected=users) == risk


SETTLED = {"open_tasks": 0, "approvals_open": 0, "documents_open": 0, "comments_unanswered": 0, "incidents_open": 0}


@pytest.mark.parametrize(
    ("change", "objection", "items"),
    [
        ({}, None, []),
        ({"open_tasks": 2}, None, ["tasks"]),
        ({"approvals_open": 1}, None, ["approvals"]),
        ({"documents_open": 1}, None, ["documents"]),
        ({"comments_unanswered": 3}, None, ["comments"]),
        ({"incidents_open": 1}, None, ["incidents"]),
        ({}, "The invoice is missing.", ["objection"]),
        ({"open_tasks": 1, "incidents_open": 1}, "Not yet.", ["tasks", "incidents", "objection"]),
    ],
)
def test_checklist_of_closing(change, objection, items):
    assert named(decide("closing_checklist", facts=SETTLED | change, objection=objection), "item") == items


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_table_passes_the_check(file):
    found = dmn.check(dmn.parse(file.read_bytes()))
    assert not [p for p in found if p.severity == "error"], [str(p) for p in found]
