"""Moving cases to another version of their process, and letting all cases of a version rest.

The page shows beforehand, for one case or for every running case of a version, what stands at a step that
the other version does not have, and lets an operator say which step takes its place; only then does it
offer to move. Moving many, suspending and resuming all are done case by case, so that one that cannot
holds up none of the others; each refusal is told with the case's number.
"""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import access, cases, repository, runtime, tasks
from engine.errors import Conflict, NotFound
from webapp import many, render
from webapp.session import doing, reading

pages = Blueprint("migration", __name__)

#: how many refusals are told one by one
TOLD = 10


# --- one case -----------------------------------------------------------------------------------
@pages.get("/cases/<case_id>/migration")
def case_form(case_id: str):
    with reading() as work:
        row = cases.one(work, case_id)
        access.require(work, "repair", "instance", row)
        if row["state"] not in ("active", "suspended"):
            raise Conflict("Case %(number)s has already ended.", number=row["number"])
        return render_template(
            "migration.html", case=row, back=url_for("cases.show", case_id=case_id, tab="technical"),
            back_text=row["number"], **_page(work, row["definition_id"], [row]),
        )  # fmt: skip


@pages.post("/cases/<case_id>/migration")
def move_case(case_id: str):
    with doing() as work:
        runtime.migrate(work, case_id, request.form.get("to", ""), request.form.get("reason", ""), _mapping())
    flash(_("The case was moved to the other version."), "done")
    return redirect(url_for("cases.show", case_id=case_id, tab="technical"), 303)


# --- every case of a version ----------------------------------------------------------------------
@pages.get("/definitions/<definition_id>/migration")
def version_form(definition_id: str):
    with reading() as work:
        access.require(work, "repair", "instance", None)
        row = repository.get(work, definition_id)
        running = [cases.one(work, one) for one in cases.running_of(work, definition_id)]
        return render_template(
            "migration.html", case=None, back=url_for("processes.show", key=row["key"], version=row["version"]),
            back_text=render.t(row["name"]), **_page(work, definition_id, running),
        )  # fmt: skip


@pages.post("/definitions/<definition_id>/migration")
def move_all(definition_id: str):
    return _many("migrate", definition_id, request.form.get("to", ""), _mapping())


@pages.post("/definitions/<definition_id>/cases/<any(suspend, resume):verb>")
def rest_all(definition_id: str, verb: str):
    return _many(verb, definition_id)


def _many(verb: str, definition_id: str, to: str | None = None, mapping: dict[str, str] | None = None):
    reason = request.form.get("reason", "")
    tasks.need_reason(reason)
    with reading() as work:
        row = repository.get(work, definition_id)
        chosen = many.running(work, verb, definition_id)
    results = many.act(verb, chosen, reason, to, mapping)
    _tell([one for one in results if one.why is not None], len(results))
    return redirect(url_for("processes.show", key=row["key"], version=row["version"]), 303)


def _tell(refused: list[many.Result], count: int) -> None:
    done = count - len(refused)
    if done or not refused:
        flash(_("%(count)s cases: done.", count=done), "done")
    with reading() as work:
        for one in refused[:TOLD]:
            said = {"number": _number(work, one.instance_id), "sentence": render.say(one.why)}
            flash(_("%(number)s: %(sentence)s", **said), "refused")
    if len(refused) > TOLD:
        flash(_("%(count)s more were refused.", count=len(refused) - TOLD), "refused")


def _number(work, instance_id: str) -> str:
    try:
        return cases.one(work, instance_id)["number"]
    except NotFound:
        return "–"


# --- what the page shows --------------------------------------------------------------------------
def _mapping() -> dict[str, str]:
    """element of now -> element of then, of what was chosen."""
    said = {name.removeprefix("map:"): value for name, value in request.values.items() if name.startswith("map:")}
    return {old: new for old, new in said.items() if new and new != old}


def _page(work, definition_id: str, rows: list) -> dict:
    """The versions to choose from; of the chosen one what has no place in it, and the steps that may take places."""
    row = repository.get(work, definition_id)
    others = [one for one in repository.versions(work, row["key"]) if one["id"] != definition_id]
    chosen = next((one for one in others if one["id"] == request.args.get("to")), others[0] if others else None)
    found = {"row": row, "others": others, "to": chosen, "mapping": _mapping(), "rows": rows}
    if chosen is None:
        return found | {"fits": [], "misfits": [], "places": []}
    checked = [(one, runtime.misfits(work, one["id"], chosen["id"], found["mapping"])) for one in rows]
    misfits = [(one, problems) for one, problems in checked if problems]
    fits = [one for one, problems in checked if not problems]
    return found | {"fits": fits, "misfits": misfits, "places": _places(work, rows, misfits, definition_id, chosen["id"])}


def _places(work, rows: list, misfits: list, definition_id: str, to: str) -> list[tuple[str, str, list]]:
    """(element id, its name, steps of its kind in the other version) of each element at which something stands."""
    old, new = (repository.process(work, one).elements for one in (definition_id, to))
    standing = {key for row in rows for key in cases.diagram(work, row["id"])["tokens"]}
    standing |= {one.where for _row, problems in misfits for one in problems}
    return [
        (key, old[key].name or key, [(id, one.name or id) for id, one in new.items() if one.kind == old[key].kind])
        for key in sorted(standing & old.keys())
    ]  # fmt: skip
