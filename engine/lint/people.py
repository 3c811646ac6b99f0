"""What we ask of the tasks of people: somebody to do them, a limit, a form, and who is kept out.

An approval (property `bizday:approval`) states opinion and reason (clause 3.2.3) and says who may not give
it. Groups and time limits come from the policies; the words for separation of duties are those that
`access` keeps.
"""

from __future__ import annotations

from engine import feel
from engine.bpmn.model import Element, Formula
from engine.lint.look import HUMAN, Look, name_of

SEPARATION = "bizday:separation"
WORDS = ("not-starter", "not-subject", "not-previous", "not-same-level")
APPROVAL = "bizday:approval"
#: what whoever approves or rejects has to state
STATED = ("opinion", "reason")


def tasks_have_somebody(look: Look) -> None:
    for element in look.elements:
        if element.kind == "userTask" and not (
            element.assignee or element.candidate_groups or element.candidate_users
        ):
            look.say(
                element.id,
                "task.nobody",
                "Task '%(name)s' is given to nobody.",
                "warning",
                "Name an assignee, a group or persons.",
                name=name_of(element),
            )


def tasks_have_a_form(look: Look) -> None:
    for element in look.elements:
        if element.kind == "userTask" and not element.form_key:
            look.say(
                element.id,
                "task.no-form",
                "Task '%(name)s' has no form; it can only be marked as done.",
                "info",
                name=name_of(element),
            )


def groups_exist(look: Look) -> None:
    policies = look.known.policies
    if policies is None:
        return
    for element in look.elements:
        for group in texts(element.candidate_groups):
            if group not in policies.access.groups:
                look.say(
                    element.id,
                    "task.unknown-group",
                    "Task '%(name)s' is given to group '%(group)s', which does not exist.",
                    "warning",
                    "Name a group of policies/access.toml.",
                    name=name_of(element),
                    group=group,
                )


def texts(formula: Formula | None) -> list[str]:
    """What a formula names whatever the case is: its fixed text, or the FEEL list or text that it always gives."""
    if formula is None:
        return []
    said = constant(formula) if formula.expression is not None else formula.fixed
    parts = said if isinstance(said, list) else str(said or "").split(",")
    return [str(part).strip() for part in parts if str(part).strip()]


def constant(formula: Formula):
    """The value of an expression that reads nothing, as JSON; None of any other."""
    if formula.expression is None or formula.reads:
        return None
    try:
        return feel.to_json(formula.expression.evaluate({}))
    except feel.FeelError:
        return None


def tasks_have_a_limit(look: Look) -> None:
    """Clause 3.2.2. A process that the policies know has a row for each of its tasks or takes the default knowingly."""
    policies = look.known.policies
    for process in look.processes if policies is not None else ():
        for element in process.elements.values() if process.id in policies.processes else ():
            if element.kind in HUMAN and element.due is None and (process.id, element.id) not in policies.sla:
                look.say(
                    element.id,
                    "task.default-limit",
                    "Task '%(name)s' has no time limit of its own; the default applies.",
                    "info",
                    "Give it a table in policies/sla.toml.",
                    name=name_of(element),
                )


def separation_is_known(look: Look) -> None:
    for process in look.processes:
        for element in process.elements.values():
            for word in separation_of(element):
                _check_word(look, process.elements, element, word)


def separation_of(element: Element) -> list[str]:
    said = element.properties.get(SEPARATION, "")
    return [word.strip() for word in said.split(",") if word.strip()]


def _check_word(look: Look, elements: dict[str, Element], element: Element, word: str) -> None:
    name, _, argument = word.partition("=")
    if name not in WORDS:
        look.say(
            element.id,
            "task.separation",
            "Task '%(name)s' says '%(word)s' for who may not decide; known are: %(known)s.",
            name=name_of(element),
            word=word,
            known=", ".join(WORDS),
        )
    elif name == "not-previous" and argument not in elements:
        look.say(
            element.id,
            "task.separation",
            "Task '%(name)s' keeps out who decided at '%(other)s', which the process does not have.",
            name=name_of(element),
            other=argument,
        )


def approvals_are_separated(look: Look) -> None:
    for element in _approvals(look):
        if not separation_of(element):
            look.say(
                element.id,
                "task.approval-separation",
                "Approval '%(name)s' keeps nobody out, so people could decide on their own requests.",
                mend="Give it the property bizday:separation with the value not-starter.",
                name=name_of(element),
            )


def approvals_state_why(look: Look) -> None:
    """Clause 3.2.3: whoever approves or rejects states opinion and reason."""
    for element in _approvals(look):
        if not element.form_key:
            look.say(
                element.id,
                "task.approval-form",
                "Approval '%(name)s' has no form to state opinion and reason.",
                name=name_of(element),
            )
        fields = look.known.fields.get(element.form_key or "")
        for field in STATED if fields is not None else ():
            if not fields.get(field):
                look.say(
                    element.id,
                    "task.approval-form",
                    "The form of approval '%(name)s' does not ask for '%(field)s'.",
                    mend="Add the field to the form and make it required.",
                    name=name_of(element),
                    field=field,
                )


def copies_are_sent(look: Look) -> None:
    """A copy is sent when a person has done a task; at any other element the property does nothing."""
    for element in look.elements:
        if element.copy_to is not None and element.kind != "userTask":
            look.say(
                element.id,
                "task.copy-to",
                "'%(name)s' is no user task, so its copies are never sent.",
                "warning",
                "Put bizday:copyTo on a user task.",
                name=name_of(element),
            )


def added_signers_can_be_placed(look: Look) -> None:
    """An added voter becomes an item of the collection, which therefore has to be one variable with named items."""
    for element in look.elements:
        loop = element.loop
        if element.add_signer is None:
            continue
        if element.properties.get(APPROVAL) != "true" or loop is None or loop.kind != "multi":
            look.say(
                element.id,
                "task.add-signer",
                "'%(name)s' is no vote, so nobody is ever added by its property bizday:addSigner.",
                "warning",
                "Leave the property out, or write none to forbid added signers.",
                name=name_of(element),
            )
        elif loop.collection_variable is None or not loop.element_variable:
            look.say(
                element.id,
                "task.add-signer",
                "Voters can be added to '%(name)s' only when its collection is one variable and its items have a name.",
                mend="Keep the list in a variable of its own and name the input element.",
                name=name_of(element),
            )


def _approvals(look: Look) -> list[Element]:
    return [one for one in look.elements if one.properties.get(APPROVAL) == "true"]


def policies_name_what_is_there(look: Look) -> None:
    """What the policies say of single elements must stand in the model."""
    policies = look.known.policies
    for process in look.processes if policies is not None else ():
        named = {element for key, element in policies.sla if key == process.id}
        if process.id in policies.processes:
            named |= set(policies.processes[process.id].irreversible_after)
        for one in policies.regulation:
            named |= {
                e.partition(":")[2] for e in one.control["elements"] if e.partition(":")[0] == process.id
            }
        for element_id in sorted(named - process.elements.keys()):
            look.say(
                process.id,
                "policy.missing-element",
                "The policies speak of element '%(element)s', which the process does not have.",
                "warning",
                element=element_id,
            )


RULES = (
    tasks_have_somebody, tasks_have_a_form, groups_exist, tasks_have_a_limit, separation_is_known,
    approvals_are_separated, approvals_state_why, copies_are_sent, added_signers_can_be_placed,
    policies_name_what_is_there,
)  # fmt: skip
