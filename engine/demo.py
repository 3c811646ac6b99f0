"""The demo organisation: invented people in three departments, for trying the platform out and for tests.

`organise` makes a small company in which every role of policies/access.toml has somebody: heads above their
departments and an executive above the heads, two people wherever one must not decide alone, a partner and a
visitor whose accounts end. Everybody's name says that she is an example. Nobody has a password until
somebody gives her one. What is there already is left as it is, so that it may be called again.
"""

from __future__ import annotations

from datetime import timedelta

from engine import people


def N_(text: str) -> str:
    """Marks a name for the catalogue; it is translated when it is shown."""
    return text


#: key -> (name, login of the head, department above it)
DEPARTMENTS = {
    "company": (N_("The company"), "eva", None),
    "sales": (N_("Sales"), "bert", "company"),
    "operations": (N_("Operations"), "otto", "company"),
    "office": (N_("Central services"), "hanna", "company"),
}

#: login -> (name, department, groups beside the one of her kind)
EMPLOYEES = {
    "eva": ("示例·伊娃 Eva", "company", ("executives",)),
    "emil": ("示例·埃米尔 Emil", "company", ("executives",)),
    "bert": ("示例·贝特 Bert", "sales", ("department_heads",)),
    "anna": ("示例·安娜 Anna", "sales", ()),
    "clara": ("示例·克拉拉 Clara", "sales", ()),
    "dora": ("示例·朵拉 Dora", "sales", ("data_owners",)),
    "otto": ("示例·奥托 Otto", "operations", ("department_heads",)),
    "olga": ("示例·奥尔加 Olga", "operations", ("operators",)),
    "omar": ("示例·奥马尔 Omar", "operations", ("operators",)),
    "tina": ("示例·蒂娜 Tina", "operations", ("testers",)),
    "tom": ("示例·汤姆 Tom", "operations", ("testers",)),
    "ada": ("示例·艾达 Ada", "operations", ("administrators",)),
    "alex": ("示例·亚历克斯 Alex", "operations", ("administrators",)),
    "dirk": ("示例·迪克 Dirk", "operations", ("designers",)),
    "hanna": ("示例·汉娜 Hanna", "office", ("department_heads",)),
    "fiona": ("示例·菲奥娜 Fiona", "office", ("finance",)),
    "frank": ("示例·弗兰克 Frank", "office", ("finance",)),
    "lena": ("示例·莉娜 Lena", "office", ("legal",)),
    "lars": ("示例·拉尔斯 Lars", "office", ("legal",)),
    "sara": ("示例·萨拉 Sara", "office", ("security_officers",)),
    "sven": ("示例·斯文 Sven", "office", ("security_officers",)),
    "cora": ("示例·科拉 Cora", "office", ("compliance_officers",)),
    "carl": ("示例·卡尔 Carl", "office", ("compliance_officers",)),
    "uwe": ("示例·乌韦 Uwe", "office", ("auditors",)),
    "vera": ("示例·薇拉 Vera", "office", ("supervisors",)),
}

#: login -> (name, kind, group, days until the account ends)
GUESTS = {
    "paula": ("示例·葆拉 Paula", "partner", "partners", 365),
    "viktor": ("示例·维克托 Viktor", "visitor", "visitors", 90),
}


def organise(work) -> dict[str, str]:
    """Make what is missing of the demo organisation. Returns login -> id of the person."""
    known = {row["key"] for row in people.departments(work)}
    for key, (name, _, above) in DEPARTMENTS.items():
        if key not in known:
            people.add_department(work, key, name, parent_key=above)
    made = {login: _employee(work, login, *row) for login, row in EMPLOYEES.items()}
    made |= {login: _guest(work, login, *row) for login, row in GUESTS.items()}
    for key, (_, head, _) in DEPARTMENTS.items():
        if key not in known:
            people.change_department(work, key, head_id=made[head])
    return made


def _employee(work, login: str, name: str, department: str, groups: tuple[str, ...]) -> str:
    fields = {"department_key": department, "email": _mail(login)}
    return _person(work, login, name, ("staff", *groups), **fields)


def _guest(work, login: str, name: str, kind: str, group: str, days: int) -> str:
    fields = {"kind": kind, "ends_at": work.now + timedelta(days=days), "email": _mail(login)}
    return _person(work, login, name, (group,), **fields)


def _person(work, login: str, name: str, groups: tuple[str, ...], **fields) -> str:
    """Her id; whoever is there already keeps what she is."""
    found = people.by_login(work, login)
    if found is not None:
        return found["id"]
    person_id = people.add_person(work, login, name, **fields)
    for group in groups:
        people.join(work, person_id, group)
    return person_id


def _mail(login: str) -> str:
    """Under a name that exists nowhere, so that no mail of a demo reaches anybody."""
    return f"{login}@bizday.example"
