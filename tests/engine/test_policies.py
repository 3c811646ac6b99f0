"""The policy files: what stands in them is what the platform reads, and a wrong one stops it at its line."""

from __future__ import annotations

import shutil
from dataclasses import FrozenInstanceError
from datetime import date, timedelta
from pathlib import Path

import pytest

from engine import indicators, notifications, policies, retention
from engine.errors import Misconfigured
from engine.platform import HOME
from engine.policies import VERBS

FILES = sorted((HOME / "policies").glob("*.toml"))


@pytest.fixture(scope="module")
def project():
    return policies.load(HOME / "policies")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the project's files, to be spoilt."""
    return shutil.copytree(HOME / "policies", tmp_path / "policies")


def spoil(folder: Path, file: str, old: str, new: str) -> int:
    """Replace `old`, which stands there once, and return the line on which `new` then begins."""
    path = folder / f"{file}.toml"
    source = path.read_text("utf-8")
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {file}.toml"
    path.write_text(source.replace(old, new), "utf-8")
    return source[: source.index(old)].count("\n") + 1


def refusal(folder: Path) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        policies.load(folder)
    return caught.value


# --- each wrong file stops with its line --------------------------------------------------------
WRONG = [
    # file, what stands there, what it becomes, the key that the refusal names
    ("calendar", 'zone = "Asia/Shanghai"', 'zone = "Asia/Atlantis"', "zone"),
    ("calendar", '["09:00", "12:00"], ["13:00", "18:00"]]', '["09:00", "12:00"], ["11:00", "18:00"]]',
     "hours"),
    ("calendar", "weekend = [6, 7]", "weekend = [6, 8]", "weekend"),
    ("calendar", 'public_holidays = "china"\n', 'public_holidays = "mars"\n', "public_holidays"),
    ("calendar", "extra_holidays = []", 'extra_holidays = ["2026-02-30"]', "extra_holidays"),
    ("calendar", '"01-01", "05-01"', '"01-01", "13-01"', "fixed_holidays"),
    ("calendar", "qingming = true", 'qingming = "yes"', "qingming"),
    ("calendar", "qingming = true", "quingming = true", "quingming"),
    ("access", '"policies:query", "cases:enter"]', '"policies:query", "cases:own"]',
     "groups.staff.permissions"),
    ("access", '"policies:query", "cases:enter"]', '"policies:query", "case:enter"]',
     "groups.staff.permissions"),
    ("access", 'name = "Testers"', "name = 3", "groups.testers.name"),
    ("access", 'groups = ["operators", "testers"]', 'groups = ["operators", "tester"]',
     "separation 4.groups"),
    ("access", 'groups = ["operators", "testers"]', 'groups = ["testers", "testers"]', "separation 4.groups"),
    ("access", 'finance = ["confidential"]', 'finance = ["top secret"]', "clearance.finance"),
    ("access", 'finance = ["confidential"]', 'fynance = ["confidential"]', "clearance.fynance"),
    ("access", 'jobs = { name = "What is due when" }', "jobs = { nam = 1 }", "resources.jobs.name"),
    ("sla", 'working = "80h"', 'working = "soon"', "case_initiation.do_work.working"),
    ("sla", 'working = "80h"\nremind_at = 0.75', 'working = "80h"\nremind_at = 1.5', None),
    ("sla", 'grace = "24h"\ndecide = {', 'grace = "24h"\ndicide = {', None),
    ("sla", 'reassign_to = "data_owners"', 'reassign_to = "nobody"',
     "data_sharing_request.decide_owner.reassign_to"),
    ("regulation", 'id = "3.2.2"', "id = 3.2", None),
    ("regulation", 'id = "3.2.2"', 'id = "3.2.1"', None),
    ("indicators", "target = 99.5", 'target = "much"', "reliability.target"),
    ("indicators", 'formula = "tasks_hours / tasks_closed"', 'formula = "tasks_hours /"',
     "handling_time.formula"),
    ("indicators", 'unit = ""\ntarget = 2\nbetter = "lower"', 'unit = ""\ntarget = 2\nbetter = "few"', None),
    ("retention", 'table = "session"', 'table = "session; drop"', "sessions.table"),
    ("retention", 'where = { state = ["done"] }', 'where = { state = "done" }', "jobs.where"),
    ("retention", "days = 180", "days = 0", "jobs.days"),
    ("retention", 'clause = "6.1.3"\nwhy = "What they did', 'clause = "9.9.9"\nwhy = "What they did',
     "jobs.clause"),
    ("sharing", 'table = "incident"', 'table = "Incident"', "incidents.table"),
    ("sharing", 'phone = { label = "Telephone", classification = "confidential" }',
     'phone = { label = "Telephone", classification = "hidden" }',
     "staff_directory.fields.phone.classification"),
    ("notifications", 'subject = "Due soon: %(task)s"', 'subject = ""', "task_reminder.subject"),
    ("notifications", "digest = true\n", 'digest = "later"\n', "comment_added.digest"),
    ("services", "timeout_seconds = 20", "timeout_seconds = 0", "http.timeout_seconds"),
    ("services", "hosts = []", 'hosts = ["https://example.org/x"]', "http.hosts"),
    ("processes", 'number_prefix = "CI"', 'number_prefix = "case"', "case_initiation.number_prefix"),
    ("processes", 'owner = "data_owners"', 'owner = "data_owner"', "data_sharing_request.owner"),
    ("processes", 'start = ["operators", "administrators"]', 'start = ["operator"]',
     "platform_upgrade.start"),
    ("processes", 'title = "subject"', 'title = "subject +"', "multi_level_approval.title"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "key"), WRONG, ids=[f"{w[0]}: {w[2][:40]!r}" for w in WRONG])
def test_a_wrong_file_stops_the_start_and_names_the_line(folder, file, old, new, key):
    line = spoil(folder, file, old, new) + (old[: _common(old, new)].count("\n"))
    said = refusal(folder)
    assert said.params["file"] == f"{file}.toml"
    if key:
        assert said.params["key"] == key
        assert said.params["line"] == line, str(said)
    assert f"{file}.toml, line " in str(said)


def _common(old: str, new: str) -> int:
    """Where two texts begin to differ."""
    return next((n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), 0)


def test_a_missing_key_is_said_at_the_head_of_its_table(folder):
    line = spoil(folder, "access", '[groups.testers]\nname = "Testers"', "[groups.testers]")
    said = refusal(folder)
    assert str(said) == f"access.toml, line {line}: 'groups.testers.name' must be a name, not nothing."


def test_what_is_not_toml_is_said_with_the_parsers_own_line(folder):
    spoil(folder, "calendar", "weekend = [6, 7]", "weekend = [6, 7")
    said = refusal(folder)
    assert str(said).startswith("calendar.toml is not TOML")
    assert "line" in str(said)


def test_a_file_that_is_not_text_is_refused(folder):
    (folder / "services.toml").write_bytes(b"\xff\xfe[http]")
    assert str(refusal(folder)).startswith("services.toml is not TOML")


@pytest.mark.parametrize("file", policies.REQUIRED)
def test_the_platform_does_not_start_without_a_required_file(folder, file):
    (folder / f"{file}.toml").unlink()
    assert str(refusal(folder)) == f"The policy file {file}.toml is missing."


def test_a_day_is_not_both_off_and_worked(folder):
    spoil(folder, "calendar", "extra_holidays = []", 'extra_holidays = ["2026-05-09"]')
    spoil(folder, "calendar", "extra_workdays = []", "extra_workdays = [2026-05-09]")
    assert refusal(folder).params["found"] == "2026-05-09"


def test_deciding_by_policy_needs_an_answer(folder):
    path = folder / "sla.toml"
    source = path.read_text("utf-8").replace(
        'last_act = "reassign"\nreassign_to = "testers"', 'last_act = "decide"', 1
    )
    path.write_text(source, "utf-8")
    assert refusal(folder).params["key"] == "platform_upgrade.test_upgrade.decide"


def test_a_clause_that_names_an_unknown_process_is_refused(folder):
    line = spoil(folder, "regulation", 'processes = ["multi_level_approval", "case_initiation"]',
                 'processes = ["multi_level_approval", "case_start"]')  # fmt: skip
    said = refusal(folder)
    assert (said.params["file"], said.params["line"]) == ("regulation.toml", line)
    assert "a process of processes.toml" in str(said)


def test_optional_files_may_be_missing(folder):
    for file in policies.OPTIONAL:
        (folder / f"{file}.toml").unlink()
    found = policies.load(folder)
    assert found.regulation == ()
    assert found.services.hosts == ()
    assert found.sla_of("any", "element").working == timedelta(hours=16)


# --- what the project's own files say -----------------------------------------------------------
def test_every_file_in_the_folder_is_read_and_has_a_version(project):
    assert set(project.versions) == {path.name for path in FILES}
    assert all(len(version) == 12 for version in project.versions.values())


def test_the_version_of_a_file_follows_its_bytes(folder, project):
    spoil(folder, "services", "max_bytes = 1_000_000", "max_bytes = 2_000_000")
    changed = policies.load(folder)
    differing = {name for name, version in changed.versions.items() if version != project.versions[name]}
    assert differing == {"services.toml"}


def test_policies_cannot_be_changed_while_the_platform_runs(project):
    with pytest.raises(FrozenInstanceError):
        project.services.max_bytes = 1


def test_a_star_stands_for_the_four_verbs(project):
    held = project.access.groups["data_owners"].permissions
    assert set(held) == {f"data-sets:{verb}" for verb in VERBS}


def test_every_permission_that_the_rules_ask_for_is_some_role_s(project):
    """A permission that nobody can have would be a door without a key."""
    asked = _permissions_asked()
    given = {permission for group in project.access.groups.values() for permission in group.permissions}
    assert asked and asked <= given, asked - given


def _permissions_asked() -> set[str]:
    import re

    found = set()
    for path in (*(HOME / "engine").glob("*.py"), *(HOME / "webapp").rglob("*.py")):
        if "node_modules" not in path.parts:
            found |= set(re.findall(r'"([a-z-]+:(?:query|enter|modify|delete))"', path.read_text("utf-8")))
    return found


def test_no_role_holds_together_what_the_separation_keeps_apart(project):
    """Who grants permissions neither examines nor certifies them."""
    why = project.access.conflicts(["staff", "administrators", "auditors"])
    assert why == ["Who runs the accounts must not audit them."]
    assert project.access.conflicts(["staff", "department_heads", "data_owners"]) == []


def test_what_is_of_high_risk_is_found_by_group_resource_or_permission(project):
    access = project.access
    assert access.is_high_risk(group="administrators")
    assert access.is_high_risk(resource="people", verb="query")
    assert access.is_high_risk(resource="cases", verb="delete")
    assert not access.is_high_risk(resource="cases", verb="query")
    assert not access.is_high_risk(group="finance")


def test_a_group_that_a_model_or_table_names_exists(project):
    """Also in expressions: a task for a group that is nobody's would wait for ever."""
    import re

    known = set(project.access.groups)
    named: set[str] = set()
    for path in (HOME / "processes").glob("*/*"):
        text = path.read_text("utf-8").replace("&quot;", '"')
        for said in re.findall(r'candidateGroups="([a-z_]+)"', text):
            named.add(said)
        for said in re.findall(r'then \["([a-z_]+)"\]|list contains\(starter\.groups, "([a-z_]+)"\)', text):
            named |= set(filter(None, said))
    assert named and named <= known, named - known


def test_a_voters_role_is_a_group_or_one_above_the_starter(project):
    from lxml import etree

    space = {"d": "https://www.omg.org/spec/DMN/20191111/MODEL/"}
    table = etree.parse(str(HOME / "processes" / "multi_level_approval" / "approval_levels.dmn"))
    names = table.xpath("//d:output/@name", namespaces=space)
    cells = [[cell.findtext("d:text", namespaces=space).strip('"') for cell in rule.findall("d:outputEntry", space)]
             for rule in table.iterfind(".//d:rule", space)]  # fmt: skip
    roles = {dict(zip(names, row, strict=True))["role"] for row in cells}
    assert roles <= {"manager", "department_head", *project.access.groups}


# --- the regulation ---------------------------------------------------------------------------
CLAUSES = """
1.1 1.2 1.3 2.1.1 2.1.2 2.1.3 2.2.1 2.2.2 2.2.3 2.3.1 2.3.2
2.3.3 2.3.4 3.1.1 3.1.2 3.1.3 3.2.1 3.2.2 3.2.3 3.3.1
3.3.2 3.3.3 3.4.1 3.4.2 3.4.3 4.1.1 4.1.2 4.1.3 4.2.1 4.2.2
4.2.3 4.3.1 4.3.2 4.3.3 4.4.1 4.4.2 4.4.3 5.1.1 5.1.2
5.1.3 5.2.1 5.2.2 5.2.3 5.3.1 5.3.2 5.3.3 6.1.1 6.1.2 6.1.3
6.2.1 6.2.2 6.2.3 6.2.4 7.1.1 7.1.2 7.1.3 7.2.1 7.2.2
7.2.3 7.2.4 7.3.1 7.3.2 7.3.3
""".split()


def test_every_clause_of_the_regulation_stands_once_and_in_order(project):
    assert [clause.id for clause in project.regulation] == CLAUSES


def test_a_clause_in_force_names_a_control_that_exists(project):
    files = {path.name for path in FILES}
    for clause in project.regulation:
        control = clause.control
        assert set(control["policies"]) <= files, clause.id
        if clause.state == "in force":
            assert any(control.values()), f"{clause.id} is said to be in force and names nothing that runs"


def test_the_elements_that_a_clause_names_stand_in_their_models(project):
    from lxml import etree

    ids: dict[str, set[str]] = {}
    for clause in project.regulation:
        for named in clause.control["elements"]:
            process, _, element = named.partition(":")
            model = HOME / "processes" / process / f"{process}.bpmn"
            ids.setdefault(process, set(etree.parse(str(model)).xpath("//@id")))
            assert element in ids[process], f"{clause.id}: {named}"


def test_a_process_and_its_clauses_speak_of_each_other(project):
    for process in project.processes.values():
        for clause_id in process.clauses:
            assert process.key in project.clause(clause_id).control["processes"], (process.key, clause_id)


def test_a_clause_is_found_by_its_number(project):
    assert project.clause("3.2.2").owner == "compliance_officers"
    assert project.clause("8.1") is None


# --- files against the rooms that read them -----------------------------------------------------
def test_every_fact_of_a_formula_is_counted(project):
    indicators.check(project)
    assert all(one.facts for one in project.indicators.values())


def test_a_formula_over_something_that_nobody_counts_is_refused(folder):
    spoil(folder, "indicators", 'formula = "tasks_hours / tasks_closed"', 'formula = "tasks_hours / smiles"')
    with pytest.raises(Misconfigured, match="nobody counts 'smiles'"):
        indicators.check(policies.load(folder))


def test_every_kind_that_the_log_tells_or_a_model_says_has_words(project):
    import re

    told = set(re.findall(r'"([a-z_]+)"', Path(notifications.__file__).read_text("utf-8")))
    models = (path.read_text("utf-8") for path in (HOME / "processes").glob("*/*.bpmn"))
    notice = re.compile(r'"bizday.notify".*?source="=&quot;([a-z_]+)&quot;" target="kind"', re.DOTALL)
    said = {kind for text in models for kind in notice.findall(text)}
    assert said and said <= set(project.notifications)
    assert not set(project.notifications) - told - said, "kinds that nobody ever says"


def test_what_is_kept_for_a_time_is_a_table_with_that_column(project):
    retention.check(project)
    assert {one.act for one in project.retention.values()} == {"delete", "dispose"}


@pytest.mark.parametrize("table", ["event", "chain", "archive", "nothing"])
def test_no_policy_can_clean_the_log_away(folder, table):
    spoil(folder, "retention", 'table = "session"', f'table = "{table}"')
    with pytest.raises(Misconfigured, match=table):
        retention.check(policies.load(folder))


def test_what_may_be_shared_is_a_table_with_those_columns_and_never_a_secret_of_sign_in(project):
    from engine.schema import metadata

    for one in project.data_sets.values():
        table = metadata.tables[one.table]
        columns = {field.column for field in one.fields.values()} | set(one.where)
        assert columns <= set(table.c.keys()), one.key
        assert not columns & {"password_hash", "token_hash", "failed_sign_ins"}
        assert one.owner in project.access.groups


def test_time_limits_are_found_by_element_and_else_by_default(project):
    assert project.sla_of("case_initiation", "do_work").working == timedelta(hours=80)
    assert project.sla_of("case_initiation", "no_such_task") == project.sla["default", ""]


def test_a_day_in_a_time_limit_is_as_long_as_the_calendars(folder):
    spoil(folder, "sla", 'working = "80h"', 'working = "1d 4h 30m"')
    assert policies.load(folder).sla_of("case_initiation", "do_work").working == timedelta(
        hours=12, minutes=30
    )


def test_dates_of_toml_and_texts_are_read_alike(folder):
    spoil(folder, "calendar", "extra_holidays = []", 'extra_holidays = [2026-05-11, "2026-05-12"]')
    assert policies.load(folder).calendar.extra_holidays == {date(2026, 5, 11), date(2026, 5, 12)}
