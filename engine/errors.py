"""The five ways in which the platform says no.

A refusal is a sentence for a person. It is written once, in English, as a message id with named
parameters, so that the page can say it in the reader's language:

    raise Conflict("Task '%(task)s' is already claimed by %(person)s.", task="Approve leave", person="Bert")

Pages and the API meet every refusal in one handler that uses `status`. Errors of a library are turned
into one of these once, at the edge, with `from`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a model, a form or a file, pinned to the place where it stands."""

    #: element id, field name, row number or line: where it is; "" for the whole file
    where: str
    #: short dotted name of the rule that was broken, e.g. "bpmn.condition-missing"
    rule: str
    #: one sentence for a person: message id in English with %(name)s parameters
    sentence: str
    #: "error" stops a deployment; "warning" and "info" do not
    severity: str = "error"
    #: what would mend it, one sentence, or ""
    mend: str = ""
    #: parameters of sentence and mend
    params: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.sentence % dict(self.params) if self.params else self.sentence


class Refused(Exception):
    """The platform does not do what was asked, for the reason that the sentence gives."""

    status = 400

    def __init__(self, message: str, problems: tuple[Problem, ...] | list[Problem] = (), **params):
        super().__init__(message)
        self.message = message
        self.params = params
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return self.message % self.params if self.params else self.message


class NotFound(Refused):
    """There is no such thing, or not for this person. 404."""

    status = 404


class NotAllowed(Refused):
    """This person may not do this. 403."""

    status = 403


class Conflict(Refused):
    """The thing has moved on since it was read, or is in a state that does not allow this. 409."""

    status = 409


class Invalid(Refused):
    """What was given is wrong; `problems` names each place. 422."""

    status = 422


class Misconfigured(Refused):
    """A setting, policy or model of the platform is wrong; nobody using it can mend that. 500."""

    status = 500
