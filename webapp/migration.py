"""Moving cases to another version of their process.

The page shows beforehand, for one case or for every running case of a version, what stands at a step that the
other version does not have and which messages will be waited for under another name, and lets an operator say
which step takes its place; what has the same kind and name is proposed. Only then does it offer to move.
Moving many is a batch: one that cannot holds up none of the others.
"""

from __future__ import annotations

from collections import Counter

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from engine import access, batches, cases, repository, runtime
from engine.errors import Conflict
from webapp import render
from webapp.batches import begin
from webapp.session import doing, reading

pages = Blueprint("migration", __name__)

#: how many cases that do not fit are shown one by one
TOLD = 20


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
            back_text=row["number"], **_page(work, row["definition_id"], [case_id]),
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
        running = batches.chosen(work, "migrate", definition_id=definition_id)
        return render_template(
            "migration.html", case=None, back=url_for("processes.show", key=row["key"], version=row["version"]),
            back_text=render.t(row["name"]), **_page(work, definition_id, running),
        )  # fmt: skip


@pages.post("/definitions/<definition_id>/migration")
def move_all(definition_id: str):
    """Those that do not fit are refused one by one, with the reason, while the others move."""
    with reading() as work:
        chosen = batches.chosen(work, "migrate", definition_id=definition_id)
        runtime.misfits_of(work, [], definition_id, request.form.get("to", ""), {})  # may she, and is there one?
    return begin("migrate", chosen, request.form.get("to", ""), _mapping())


# --- what the page shows --------------------------------------------------------------------------
def _mapping() -> dict[str, str]:
    """element of now -> element of then, of what was chosen."""
    said = {name.removeprefix("map:"): value for name, value in request.values.items() if name.startswith("map:")}
    return {old: new for old, new in said.items() if new and new != old}


def _page(work, definition_id: str, ids: list[str]) -> dict:
    """The versions to choose from; of the chosen one what has no place in it, and the steps that may take places."""
    row = repository.get(work, definition_id)
    others = [one for one in repository.versions(work, row["key"]) if one["id"] != definition_id]
    chosen = next((one for one in others if one["id"] == request.args.get("to")), others[0] if others else None)
    found = {"row": row, "others": others, "to": chosen, "count": len(ids)}
    if chosen is None:
        return found | {"fits": 0, "misfits": [], "places": [], "mapping": {}, "told": []}
    mapping = _mapping()
    if not mapping and "checked" not in request.args:
        mapping = runtime.places_taken(work, definition_id, chosen["id"])
    misfits = runtime.misfits_of(work, ids, definition_id, chosen["id"], mapping)
    fitting = [one for one in ids if one not in misfits]
    return found | {
        "mapping": mapping, "fits": len(ids) - len(misfits), "unfit": len(misfits), "why": _why(misfits),
        "told": _why(runtime.changes_told(work, fitting, definition_id, chosen["id"], mapping)),
        "misfits": [(cases.one(work, one), problems) for one, problems in list(misfits.items())[:TOLD]],
        "places": _places(work, definition_id, chosen["id"], misfits, mapping),
    }  # fmt: skip


def _why(misfits: dict) -> list[tuple]:
    """(problem, how many cases it concerns), the most frequent first."""
    counted = Counter(problem for problems in misfits.values() for problem in set(problems))
    return sorted(counted.items(), key=lambda one: (-one[1], one[0].where))


def _places(work, definition_id: str, to: str, misfits: dict, mapping: dict[str, str]) -> list[tuple[str, str, list]]:
    """(element id, its name, steps of its kind in the other version) of each element that stands or is mapped."""
    old, new = (repository.process(work, one).elements for one in (definition_id, to))
    standing = set(cases.standing(work, definition_id)) | set(mapping)
    standing |= {one.where for problems in misfits.values() for one in problems}
    return [
        (key, old[key].name or key, [(id, one.name or id) for id, one in new.items() if one.kind == old[key].kind])
        for key in sorted(standing & old.keys())
    ]  # fmt: skip
