"""Compliance: clauses with live evidence, the proof of a case, the log verified, sealed and searched, indicators."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import delete, update

import engine
from engine import cases, evidence, history, people, repository, runtime, schema, tasks
from engine.policies import CONTROLS
from engine.worker import Worker
from tests.webapp import visitor
from tests.webapp.visitor import KEY, Visitor
from webapp import create_app
from webapp.compliance import FAULTS, RECORDS


@pytest.fixture
def app(demo):
    visitor.deploy_leave(demo)
    return create_app(demo)


@pytest.fixture
def cora(app):
    """A compliance officer."""
    return Visitor(app, "cora")


@pytest.fixture
def case(app, demo) -> str:
    return visitor.ask_for_leave(demo)


def by(platform, login: str):
    return platform.work(visitor.actor(platform, login))


def asked_for_permission(platform) -> tuple[str, str]:
    """Anna asks for a permission, and it waits for Bert. Returns the process and the case."""
    key = platform.policies.clause("2.2.2").control["processes"][0]
    with by(platform, "anna") as work:
        said = {"subject": work.actor.id, "action": "grant", "what": "permission", "resource": "reports",
                "verb": "query", "purpose": "I report to the board."}  # fmt: skip
        case_id = runtime.start(work, key, said)["id"]
    Worker(platform, "test").beat()
    return key, case_id


def granted(platform) -> None:
    with by(platform, "bert") as work:
        answer = {"decision": "approve", "opinion": "She needs it.", "reason": "It is her duty."}
        runtime.complete(work, tasks.inbox(work, "mine").rows[0]["id"], answer)


def number_of(platform, case_id: str) -> str:
    with platform.read(people.SYSTEM) as work:
        return cases.one(work, case_id)["number"]


def moved_by_hand(platform, case_id: str, element_id: str) -> None:
    with by(platform, "ada") as work:
        token = next(iter(runtime.load(work, case_id).execution.waits))
        runtime.move(work, case_id, token, element_id, "Bert is away and agreed by telephone.")


def tampered(platform, statement) -> None:
    """What somebody with the database in her hands could do."""
    with platform.engine.begin() as connection:
        assert connection.execute(statement).rowcount == 1


def record(case_id: str, seq: int):
    return (schema.event.c.stream == case_id) & (schema.event.c.seq == seq)


# --- who comes in -----------------------------------------------------------------------------
ALL = ("", "/2.2.2", "/policies", "/policies/sla.toml", "/log", "/trail", "/trail.csv", "/indicators")


@pytest.mark.parametrize("path", ALL)
def test_a_compliance_officer_opens_every_page(cora, path):
    cora.get(f"/compliance{path}")


@pytest.mark.parametrize("path", ["/log", "/trail", "/trail.csv", "/indicators"])
def test_staff_read_the_regulation_but_neither_the_log_nor_the_figures(app, path):
    anna = Visitor(app, "anna")
    anna.get("/compliance/2.2.2")
    anna.get(f"/compliance{path}", 403)


@pytest.mark.parametrize("path", ALL)
def test_a_partner_opens_none_of_them(app, path):
    Visitor(app, "paula").get(f"/compliance{path}", 403)


def test_a_head_without_policies_still_comes_to_the_indicators_by_one_link(app, demo):
    page = Visitor(app, "bert").get("/compliance/indicators")
    assert page.one(".bd-tabs a[aria-current]").text_content() == "Indicators"


# --- clauses ----------------------------------------------------------------------------------
def test_every_clause_stands_on_the_page_with_its_state_and_opens(cora, demo):
    page = cora.get("/compliance")
    links = [one.get("href") for one in page.all(".bd-clause-list a")]
    assert links == [f"/compliance/{one.id}" for one in demo.policies.regulation]
    for link in links:
        cora.get(link)


def test_clauses_are_found_by_words_and_by_state(cora, demo):
    planned = cora.get("/compliance?state=planned").all(".bd-clause-list a")
    assert len(planned) == sum(one.state == "planned" for one in demo.policies.regulation)
    assert [one.get("href") for one in cora.get("/compliance?q=3.2.2").all(".bd-clause-list a")] == ["/compliance/3.2.2"]
    assert "Nothing fits this filter." in cora.get("/compliance?q=no+such+words").text


def test_the_pages_that_a_clause_names_are_there(app, cora, demo):
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    named = {page for one in demo.policies.regulation for page in one.control["pages"]}
    assert named <= routes


def test_the_elements_that_a_clause_names_are_in_the_newest_models(demo):
    with demo.read(people.SYSTEM) as work:
        found = [evidence.clause(work, one.id) for one in demo.policies.regulation]
    assert all(one.version for each in found for one in each.processes)
    assert not [one for each in found for one in each.elements if not one.exists]
    assert all(version for each in found for version in each.policies.values())


def test_a_clause_counts_what_ran_and_how_much_of_it_in_time(cora, demo):
    """Clause 2.2.2 names the decision of the head; one that is made shows there with its moment."""
    asked_for_permission(demo)
    demo.clock.move(hours=1)
    granted(demo)
    with demo.read(people.SYSTEM) as work:
        found = evidence.clause(work, "2.2.2")
    process = found.processes[0]
    assert (process.running, process.tasks, process.share) == (1, 1, 100.0)
    done = {one.element_id: one for one in found.elements}["decide_department"]
    assert done.done == 1 and done.last == demo.clock()
    assert done.last.tzinfo is not None
    row = next(one for one in cora.get("/compliance/2.2.2").all("tr") if "decide_department" in one.text_content())
    assert next(one.text_content().strip() for one in row.iterchildren("td")) == "1"


def test_a_clause_that_does_not_exist_is_not_found(cora):
    assert "The regulation has no clause 9.9.9." in cora.get("/compliance/9.9.9", 404).text


def test_every_kind_of_control_of_policies_is_shown():
    assert CONTROLS == ("processes", "elements", "policies", "pages")


# --- policies ---------------------------------------------------------------------------------
def test_policies_are_shown_as_they_are_in_force(cora, demo):
    page = cora.get("/compliance/policies/access.toml")
    assert page.one("pre").text_content() == (demo.settings.home / "policies" / "access.toml").read_text("utf-8")
    assert demo.policies.versions["access.toml"] in page.text and not page.all(".alert-warning")


@pytest.mark.parametrize("name", ["secrets.toml", "..%2F..%2Fpyproject.toml", "%2Fetc%2Fpasswd"])
def test_nothing_but_policies_is_shown(cora, name):
    cora.get(f"/compliance/policies/{name}", 404)


# --- the proof of a case ----------------------------------------------------------------------
def test_a_case_that_went_by_its_model_is_proved_with_two_green_verdicts(cora, demo, case):
    visitor.decided(demo)
    with by(demo, "fiona") as work:
        task_id = tasks.inbox(work, "group").rows[0]["id"]
        tasks.claim(work, task_id)
        runtime.complete(work, task_id, {"remark": "Noted."})
    page = cora.get(f"/compliance/cases/{case}")
    verdicts = [one.text_content().strip() for one in page.all(".bd-verdict-good h2")]
    assert verdicts == ["Nothing was altered", "Went as the model leads"]


def test_what_people_changed_by_hand_stands_there_with_its_reason(cora, demo, case):
    moved_by_hand(demo, case, "note")
    page = cora.get(f"/compliance/cases/{case}")
    assert "changed by hand" in page.text and "Bert is away and agreed by telephone." in page.text
    assert not page.all(".bd-verdict-bad")


def test_a_step_that_nothing_led_to_is_named(cora, demo, case):
    visitor.decided(demo)
    with demo.work(people.SYSTEM) as work:  # a program that writes a path of its own into the chain
        work.record("element.completed", instance_id=case, root_id=case, element_id="noted", token=99)
    with demo.read(people.SYSTEM) as work:
        found = evidence.conformance(work, case)[0]
    assert found.verdict == "deviates" and [one.where for one in found.problems] == ["noted"]
    page = cora.get(f"/compliance/cases/{case}")
    assert "Leave noted : No arrow was taken to it" in page.text.replace("Leave noted:", "Leave noted :")


def test_an_arrow_that_the_model_does_not_have_is_named(demo, case):
    with demo.work(people.SYSTEM) as work:
        work.record("flow.taken", instance_id=case, root_id=case, element_id="decide", token=1, data={"flow": "f9"})
        work.record("flow.taken", instance_id=case, root_id=case, element_id="decide", token=1, data={"flow": "f3"})
        work.record("flow.taken", instance_id=case, root_id=case, element_id="decide", token=1, data={"flow": "f2"})
    with demo.read(people.SYSTEM) as work:
        rules = [one.rule for one in evidence.conformance(work, case)[0].problems]
    assert rules == ["conformance.no-arrow", "conformance.arrow", "conformance.left"]


def test_a_case_that_was_moved_to_another_version_is_replayed_on_both(demo, case):
    files = dict(visitor.LEAVE)
    name = f"{KEY}.bpmn"
    files[name] = files[name].replace(b'"decide"', b'"choose"').replace(b"decide_di", b"choose_di")
    with demo.work(people.SYSTEM) as work:
        newest = repository.deploy(work, files).definitions[0]["id"]
    with by(demo, "ada") as work:
        runtime.migrate(work, case, newest, "The step has a better name.", {"decide": "choose"})
    visitor.decided(demo)
    with demo.read(people.SYSTEM) as work:
        found = evidence.conformance(work, case)[0]
    assert found.problems == () and found.verdict == "by hand"


def test_a_case_tells_the_clauses_that_it_fulfilled(cora, demo):
    key, case_id = asked_for_permission(demo)
    with demo.read(people.SYSTEM) as work:
        before = {clause.id for clause, _ in evidence.fulfilled(work, case_id)}
    granted(demo)
    with demo.read(people.SYSTEM) as work:
        after = {clause.id: went for clause, went in evidence.fulfilled(work, case_id)}
    assert "2.2.2" not in before and f"{key}:decide_department" in after["2.2.2"]
    assert [one for one in cora.get(f"/compliance/cases/{case_id}").all("#fulfilled a") if one.text_content() == "2.2.2"]


def test_the_proof_of_a_case_is_not_for_those_who_do_not_see_it(app, case):
    Visitor(app, "clara").get(f"/compliance/cases/{case}", 404)
    Visitor(app, "anna").get(f"/compliance/cases/{case}")


def test_a_case_is_found_by_its_number(cora, demo, case):
    answer = cora.get(f"/compliance/cases?number={number_of(demo, case)}", 302)
    assert answer.location == f"/compliance/cases/{case}"


# --- the log ----------------------------------------------------------------------------------
def test_an_untouched_log_is_verified_and_that_is_written_down(cora, demo, case):
    page = cora.post("/compliance/log/verify", status=200)
    assert page.one(".bd-verdict h2").text_content().strip() == "Nothing was altered"
    with demo.read(people.SYSTEM) as work:
        told = history.events(work, instance_id=history.PLATFORM, types=["log.verified"])[-1]
    assert told["data"]["faults"] == 0 and told["data"]["records"] > 10 and told["actor_id"] != "system"


def test_a_changed_record_is_found_and_leads_to_its_case(cora, demo, case):
    tampered(demo, update(schema.event).where(record(case, 1)).values(reason="never said"))
    page = cora.post("/compliance/log/verify", status=200)
    assert page.one(".bd-verdict-bad h2").text_content().strip() == "The log was altered in 1 place"
    row = page.one("#faults tbody tr").text_content()
    assert number_of(demo, case) in row and "The record is not what was written." in row


def test_the_verdict_of_one_case_says_nothing_of_the_others(cora, demo, case):
    other = visitor.ask_for_leave(demo, days=5)
    tampered(demo, update(schema.event).where(record(case, 2)).values(reason="never said"))
    page = cora.post("/compliance/log/verify", {"number": number_of(demo, other)}, 200)
    assert page.all(".bd-verdict-good")
    page = cora.post("/compliance/log/verify", {"number": number_of(demo, case)}, 200)
    assert page.all(".bd-verdict-bad")


def test_a_removed_record_shows_on_the_proof_of_the_case(cora, demo, case):
    tampered(demo, delete(schema.event).where(record(case, 2)))
    page = cora.get(f"/compliance/cases/{case}")
    assert "Records were altered" in page.text and "A record is missing here." in page.text


def test_every_kind_of_fault_has_its_words():
    kinds = set(re.findall(r'"(\w+)", f?"[A-Z]', Path(history.__file__).read_text("utf-8")))
    assert {"changed", "removed", "cut", "forged"} <= kinds <= FAULTS.keys()


def test_sealing_needs_its_role_and_shows_the_digest(app, cora, demo, case):
    page = cora.follow(cora.post("/compliance/log/seal"))
    assert re.search(r"digest [0-9a-f]{64}", page.told[0])
    uwe = Visitor(app, "uwe")
    assert not uwe.get("/compliance/log").all("form[action='/compliance/log/seal']")
    uwe.post("/compliance/log/seal", status=403)


def test_the_trail_is_searched_by_who_what_and_when(cora, demo, case):
    visitor.decided(demo)

    def types(query: str) -> list[str]:
        rows = cora.get(f"/compliance/trail?{query}").all(".bd-list tbody tr")
        return [row.xpath("td")[-1].text_content().split()[-1] for row in rows]

    assert set(types("who=bert&what=task.completed")) == {"task.completed"}
    assert all(one.startswith("task.") for one in types("who=bert&what=task."))
    assert set(types(f"number={number_of(demo, case)}&what=case.")) == {"case.started"}
    assert types("since=2031-01-01") == []
    assert len(types("until=2031-01-01")) == 50


@pytest.mark.parametrize(("query", "sentence"), [
    ("who=nobody-at-all", "There is no such person."), ("number=X-1", "There is no such case."),
    ("since=yesterday", "'yesterday' is not a date."),
])  # fmt: skip
def test_a_search_that_cannot_be_meant_says_why(cora, query, sentence):
    assert sentence in cora.get(f"/compliance/trail?{query}").told


def test_the_trail_is_cut_to_the_cases_that_its_reader_sees(app, demo, case):
    """A security officer reads the log, but not the cases of others."""
    with demo.read(visitor.actor(demo, "sara")) as work:
        streams = {row["stream"] for row in evidence.trail(work, evidence.Asked(), size=10_000).rows}
    assert streams == {history.PLATFORM}
    assert number_of(demo, case) not in Visitor(app, "sara").get("/compliance/trail").text


def test_the_trail_as_a_file_holds_no_formula(cora, demo, case):
    with by(demo, "anna") as work:
        runtime.withdraw(work, case, "=1+1")
    lines = cora.get(f"/compliance/trail.csv?number={number_of(demo, case)}").raw.splitlines()
    assert any("'=1+1" in line for line in lines) and not any(",=1+1" in line for line in lines)


def test_corrected_values_are_not_repeated_on_the_trail(cora, demo, case):
    with by(demo, "ada") as work:
        runtime.set_variables(work, case, 0, {"why": "a private matter"}, "She asked for it.")
    page = cora.get("/compliance/trail?what=variables.")
    assert "She asked for it." in page.text and "a private matter" not in page.text


def test_words_of_records_are_no_words_of_nothing():
    """Each record with words of its own here is one that some room makes."""
    source = "\n".join(path.read_text("utf-8") for path in sorted(Path(engine.__file__).parent.rglob("*.py")))
    made = set(re.findall(r'"([a-z-]+\.[a-z-]+)"', source))
    assert RECORDS.keys() <= made


# --- indicators -------------------------------------------------------------------------------
def test_indicators_show_value_target_and_how_they_are_computed(cora, demo, case):
    demo.clock.move(hours=1)
    visitor.decided(demo)
    page = cora.get("/compliance/indicators")
    tile = page.one("#in_time").text_content()
    assert "100.0" in tile and "reached" in tile and "at least 95" in tile and "tasks_in_time" in tile
    assert "nothing to measure" in page.one("#incident_response").text_content()
    assert len(page.all(".bd-tile")) == len(demo.policies.indicators)


def test_indicators_of_a_department_count_only_its_own(cora, demo, case):
    visitor.decided(demo)  # by Bert of sales
    assert "100.0" in cora.get("/compliance/indicators?department=sales").one("#approved").text_content()
    assert "nothing to measure" in cora.get("/compliance/indicators?department=office").one("#approved").text_content()
