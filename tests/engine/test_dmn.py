"""Decision models: small ones, written beside what they must come to."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import dmn, feel
from engine.errors import Invalid, NotFound

MODEL = "https://www.omg.org/spec/DMN/20191111/MODEL/"


def model(inner: str, namespace: str = MODEL, own: str = "http://example.org/a") -> bytes:
    return f'<definitions xmlns="{namespace}" id="d" name="d" namespace="{own}">{inner}</definitions>'.encode()


def literal(text: str, kind: str = "") -> str:
    return f"<literalExpression{kind}><text>{escape(text)}</text></literalExpression>"


def decision(key: str, logic: str, requires: str = "", kind: str = "") -> str:
    kind = f' typeRef="{kind}"' if kind else ""
    return f'<decision id="{key}" name="{key}"><variable name="{key}"{kind}/>{requires}{logic}</decision>'


def needs(*hrefs: str, what: str = "Decision") -> str:
    outer = "knowledgeRequirement" if what == "Knowledge" else "informationRequirement"
    return "".join(f'<{outer}><required{what} href="{href}"/></{outer}>' for href in hrefs)


def input_data(name: str, kind: str = "") -> str:
    kind = f' typeRef="{kind}"' if kind else ""
    return f'<inputData id="{name.replace(" ", "_")}" name="{name}"><variable name="{name}"{kind}/></inputData>'


def table(rules: list[tuple[str, ...]], inputs=("a", "b"), outputs=("out",), attributes='hitPolicy="UNIQUE"', types=None):
    """A decision table; a rule is its cells from left to right."""
    types = types or {}
    clauses = "".join(
        f'<input id="i_{n}" label="{n}"><inputExpression typeRef="{types.get(n, "")}"><text>{escape(n)}</text></inputExpression>'
        f"{types.get(n + ' values', '')}</input>"
        for n in inputs
    ).replace(' typeRef=""', "")
    results = "".join(
        f'<output id="o_{n}" name="{n}"{types.get(n, "")}>{types.get(n + " inner", "")}</output>' for n in outputs
    )
    rows = ""
    for number, rule in enumerate(rules, 1):
        cells = "".join(f"<inputEntry><text>{escape(c)}</text></inputEntry>" for c in rule[: len(inputs)])
        cells += "".join(f"<outputEntry><text>{escape(c)}</text></outputEntry>" for c in rule[len(inputs) :])
        rows += f'<rule id="rule_{number}"><description>because of {number}</description>{cells}</rule>'
    return f'<decisionTable id="tab" {attributes}>{clauses}{results}{rows}</decisionTable>'


def decide(inner: str, key: str = "x", **variables):
    return dmn.evaluate(dmn.parse(model(inner)), key, variables)


def problems(inner: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in dmn.check(dmn.parse(model(inner))):
        found.setdefault(one.rule, []).append(f"{one.severity} {one.where}: {one}")
    return found


# --- item definitions and conversions (7.3.3, 10.3.2.9.4) -------------------------------------
def item(name: str, base: str, more: str = "", attributes: str = "") -> str:
    return f'<itemDefinition name="{name}"{attributes}><typeRef>{escape(base)}</typeRef>{more}</itemDefinition>'


def allowed(text: str, what: str = "allowedValues") -> str:
    return f"<{what}><text>{escape(text)}</text></{what}>"


MANY = ' isCollection="true"'
ITEMS = (
    item("letters", "string", allowed('"a", "b"'), MANY)
    + item("few", "number", allowed("count(?) < 3", "typeConstraint"), MANY)
    + item("small", "number", allowed("[0..10]"))
    + item("smaller", "small", allowed("> 5", "typeConstraint"))
    + item("span", "range<number>")
    + item("numbers", "list<number>")
)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("letters", '["a", "b"]', '["a", "b"]'),
        ("letters", '["a", "c"]', "null"),
        ("letters", '"a"', '["a"]'),
        ("letters", '"c"', "null"),
        ("letters", '[["a"]]', '["a"]'),
        ("letters", "[]", "[]"),
        ("few", "[1, 2]", "[1, 2]"),
        ("few", "[1, 2, 3]", "null"),
        ("smaller", "6", "6"),
        ("smaller", "5", "null"),
        ("smaller", "60", "null"),
        ("smaller", "[6]", "6"),
        ("span", "[1..3]", "[1..3]"),
        ("span", '["a".."b"]', "null"),
        ("numbers", "[1]", "[1]"),
        ("numbers", '["a"]', "null"),
        ("numbers", "1", "[1]"),
        ("number", "[[1]]", "null"),
        ("date and time", '[@"2020-01-01"]', '@"2020-01-01T00:00:00Z"'),
    ],
)
def test_a_result_is_brought_to_the_type_of_its_decision(kind, text, value):
    assert feel.literal(decide(ITEMS + decision("x", literal(text), kind=escape(kind))).value) == value


@pytest.mark.parametrize(
    ("kind", "given", "cell", "value"),
    [("number", [1], "> 0", "hit"), ("number", "a", "null", "hit"), ("number", "a", "not(null)", None), ("date", "2020-01-02", '> @"2020-01-01"', "hit")],
)
def test_an_input_expression_is_brought_to_its_type(kind, given, cell, value):
    assert decide(decision("x", table([(cell, '"hit"')], ("a",), types={"a": kind})), a=given).value == value


@pytest.mark.parametrize("where", ["variable", "function"])
def test_the_type_beside_a_function_in_a_context_is_that_of_its_result(where):
    kinds = {where: ' typeRef="number"'}
    inner = (
        f'<contextEntry><variable name="f"{kinds.get("variable", "")}/><functionDefinition{kinds.get("function", "")}>'
        f'<formalParameter name="x"/>{literal("x")}</functionDefinition></contextEntry>'
    )
    for text, value in (("f(4)", 4), ('f("a")', None)):
        made = f"<context>{inner}<contextEntry>{literal(text)}</contextEntry></context>"
        assert decide(decision("x", made)).value == value


def test_a_text_in_another_language_is_refused_by_name():
    script = "<literalExpression expressionLanguage=\"http://example.org/javascript\"><text>1 + 1</text></literalExpression>"
    assert decide(decision("x", script)).value is None
    assert "Only FEEL is read here, not 'http://example.org/javascript'." in problems(decision("x", script))["dmn.expression"][0]
    own = script.replace("http://example.org/javascript", "https://www.omg.org/spec/DMN/20191111/FEEL/")
    assert decide(decision("x", own)).value == 2


# --- files ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "namespace",
    [
        "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
        "http://www.omg.org/spec/DMN/20180521/MODEL/",
        "https://www.omg.org/spec/DMN/20191111/MODEL/",
        "https://www.omg.org/spec/DMN/20211108/MODEL/",
        "https://www.omg.org/spec/DMN/20230324/MODEL/",
        "https://www.omg.org/spec/DMN/20240513/MODEL/",
    ],
)
def test_every_version_of_the_standard_is_read(namespace):
    found = dmn.parse(model(decision("x", literal("1 + 1")), namespace))
    assert dmn.evaluate(found, "x", {}).value == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no xml",
        b"<definitions/>",
        b'<!DOCTYPE d [<!ENTITY e "x">]><definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/">&e;</definitions>',
        b'<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"/>',
    ],
)
def test_what_is_no_model_is_refused(data):
    with pytest.raises(Invalid):
        dmn.parse(data)


def test_an_unknown_decision_is_not_found():
    with pytest.raises(NotFound):
        decide(decision("x", literal("1")), "y")


def test_one_wrong_cell_does_not_spoil_the_others():
    inner = decision("x", table([("1", "-", '"one"'), ("= =", "-", '"two"')])) + decision("y", literal("1 +"))
    assert decide(inner, a=1, b=2).value == "one"
    answer = decide(inner, "y")
    assert answer.value is None
    assert "ends too early" in str(answer.diagnoses[0])
    assert len(problems(inner)["dmn.expression"]) == 2


# --- decision tables --------------------------------------------------------------------------
RULES = [
    (">= 10", '"x"', '"high"', "3"),
    (">= 5", "-", '"middle"', "2"),
    ("-", '"x", "y"', '"low"', "1"),
]
ORDER = {"level inner": '<outputValues><text>"low", "high", "middle"</text></outputValues>'}


@pytest.mark.parametrize(
    ("policy", "a", "b", "value", "hits"),
    [
        ('hitPolicy="FIRST"', 12, "x", {"level": "high", "points": 3}, [1]),
        ('hitPolicy="FIRST"', 7, "x", {"level": "middle", "points": 2}, [2]),
        ('hitPolicy="UNIQUE"', 1, "y", {"level": "low", "points": 1}, [3]),
        ('hitPolicy="UNIQUE"', 12, "x", None, [1, 2, 3]),
        ('hitPolicy="ANY"', 12, "x", None, [1, 2, 3]),
        ('hitPolicy="PRIORITY"', 12, "x", {"level": "low", "points": 1}, [3]),
        ('hitPolicy="RULE ORDER"', 12, "q", [{"level": "middle", "points": 2}], [2]),
        ('hitPolicy="COLLECT"', 1, "q", [], []),
        ('hitPolicy="UNIQUE"', 1, "q", None, []),
    ],
)
def test_hit_policies(policy, a, b, value, hits):
    inner = decision("x", table(RULES, outputs=("level", "points"), attributes=policy, types=ORDER))
    answer = decide(inner, a=a, b=b)
    assert answer.json == value
    assert [hit.rule for hit in answer.hits] == hits


def test_output_order_sorts_by_the_listed_values():
    inner = decision("x", table(RULES, outputs=("level", "points"), attributes='hitPolicy="OUTPUT ORDER"', types=ORDER))
    assert [row["level"] for row in decide(inner, a=12, b="x").json] == ["low", "high", "middle"]


@pytest.mark.parametrize(
    ("aggregation", "value"), [("SUM", 6), ("MIN", 1), ("MAX", 3), ("COUNT", 3)]
)
def test_collect_can_aggregate(aggregation, value):
    rules = [(a, b, points) for a, b, _, points in RULES]
    inner = decision("x", table(rules, attributes=f'hitPolicy="COLLECT" aggregation="{aggregation}"'))
    assert decide(inner, a=12, b="x").json == value


def test_a_default_answers_where_no_rule_does():
    types = {"out inner": "<defaultOutputEntry><text>a * 2</text></defaultOutputEntry>"}
    assert decide(decision("x", table([("1", "-", "5")], types=types)), a=4, b=0).value == 8


def test_an_answer_tells_why():
    answer = decide(decision("x", table(RULES[1:], outputs=("level", "points"))), a=7, b="q")
    (hit,) = answer.hits
    assert (hit.table, hit.rule, hit.rule_id) == ("tab", 1, "rule_1")
    assert ("description", "because of 1") in hit.annotations
    broken = decide(decision("x", table(RULES, outputs=("level", "points"))), a=12, b="x")
    assert any("Rules 1, 2, 3" in str(one) for one in broken.diagnoses)


@pytest.mark.parametrize(
    ("cell", "value", "hits"),
    [
        ("-", None, True),
        ("not(1, 2)", 3, True),
        ("[1..5]", 5, True),
        ("(1..5)", 5, False),
        ("< 3, > 7", 8, True),
        ("? * 2 > limit", 6, True),
        ("limit", 10, True),
        ('date("2026-01-01")', "2026-01-01", False),
        ("null", None, True),
        ("[1, 2, 3]", 2, True),
        ("count(?) > 1", [1, 2], True),
        ('"a"', ["a"], True),
    ],
)
def test_cells_are_unary_tests(cell, value, hits):
    inner = decision("x", table([(cell, "true")], inputs=("a",)))
    assert decide(inner, a=value, limit=10).value is (True if hits else None)


def test_text_becomes_the_date_that_the_column_asks_for():
    inner = decision("x", table([('< date("2026-03-01")', '"early"'), ("-", '"late"')], inputs=("a",),
                                attributes='hitPolicy="FIRST"', types={"a": "date"}))  # fmt: skip
    assert decide(inner, a="2026-02-28").value == "early"
    assert decide(inner, a="2026-03-01").value == "late"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["-", "1", "2", "< 2", "[1..2]", "not(1)", '"k"', "1, 2"]),
                          st.sampled_from(["-", '"k"', '"m"', 'not("k")', "true", "? = b"])), max_size=8),
       st.sampled_from([0, 1, 2, "k", None, True]), st.sampled_from(["k", "m", True, None]))  # fmt: skip
def test_the_index_of_a_table_finds_what_the_tests_say(rules, a, b):
    found = decide(decision("x", table([(*rule, str(n)) for n, rule in enumerate(rules)],
                                       attributes='hitPolicy="RULE ORDER"')), a=a, b=b)  # fmt: skip
    expected = [
        n for n, (one, other) in enumerate(rules)
        if feel.compile_tests(one).matches(a, {"b": b}) is True and feel.compile_tests(other).matches(b, {"b": b}) is True
    ]  # fmt: skip
    assert [int(value) for value in found.value] == expected


def test_a_table_of_two_hundred_rules_answers_within_a_millisecond():
    rules = [(f'"k{n % 50}"', f"[{n * 10}..{n * 10 + 9}]", f'"{n}"') for n in range(200)]
    found = dmn.parse(model(decision("x", table(rules))))
    begun = time.perf_counter()
    for _ in range(100):
        assert dmn.evaluate(found, "x", {"a": "k49", "b": 1995}).value == "199"
    assert (time.perf_counter() - begun) / 100 < 0.001


# --- requirement graphs -----------------------------------------------------------------------
def test_a_decision_sees_what_it_requires():
    inner = (
        input_data("amount", "number")
        + decision("double", literal("amount * 2"), needs("#amount", what="Input"))
        + decision("x", literal("double + 1"), needs("#double"))
        + decision("blind", literal("amount"))
    )
    assert decide(inner, amount=4).value == 9
    assert decide(inner, "blind", amount=4).value is None


def test_variables_that_the_model_does_not_draw_are_the_callers():
    assert decide(decision("x", literal("amount + 1")), amount=4).value == 5


def test_entries_of_a_required_context_are_known_by_name():
    inner = (
        decision("pay", "<context>" + entry("net-pay", literal("5")) + entry("pay in kind", literal("2")) + "</context>")
        + decision("x", literal("pay.net-pay - pay.pay in kind"), needs("#pay"))
    )  # fmt: skip
    assert decide(inner).value == 3


def test_a_circle_of_requirements_is_told_and_ends():
    inner = decision("x", literal("y"), needs("#y")) + decision("y", literal("x"), needs("#x"))
    answer = decide(inner)
    assert answer.value is None
    assert any("requires itself" in str(one) for one in answer.diagnoses)
    assert problems(inner)["dmn.cycle"]


def knowledge(name: str, parameters: str, logic: str, requires: str = "", attributes: str = "") -> str:
    return (
        f'<businessKnowledgeModel id="{name}" name="{name}"><variable name="{name}"/>'
        f"<encapsulatedLogic {attributes}>{parameters}{logic}</encapsulatedLogic>{requires}</businessKnowledgeModel>"
    )


def parameter(name: str, kind: str = "") -> str:
    return f'<formalParameter name="{name}" typeRef="{kind}"/>'.replace(' typeRef=""', "")


def test_knowledge_is_a_function():
    inner = (
        knowledge("tax", parameter("net amount", "number"), literal("net amount * rate()"), needs("#rate", what="Knowledge"))
        + knowledge("rate", "", literal("0.2"))
        + decision("x", literal("tax(50)"), needs("#tax", what="Knowledge"))
        + decision("named", literal("tax(net amount: 10)"), needs("#tax", what="Knowledge"))
        + decision("wrong", literal('tax("a")'), needs("#tax", what="Knowledge"))
    )
    assert [decide(inner, key).value for key in ("x", "named", "wrong")] == [10, 2, None]


def test_knowledge_may_call_itself():
    fact = knowledge("fact", parameter("n"), literal("if n < 2 then 1 else n * fact(n - 1)"), needs("#fact", what="Knowledge"))
    assert decide(fact + decision("x", literal("fact(10)"), needs("#fact", what="Knowledge"))).value == 3628800


def test_functions_of_other_languages_answer_null_and_say_so():
    java = knowledge("cos", parameter("n"), "<context/>", attributes='kind="Java"')
    answer = decide(java + decision("x", literal("cos(1)"), needs("#cos", what="Knowledge")))
    assert answer.value is None
    assert answer.diagnoses[0].kind == "external"


SERVICE = (
    input_data("price", "number")
    + decision("rebate", literal("10"))
    + decision("final", literal("price - rebate"), needs("#price", what="Input") + needs("#rebate"))
    + decision("double", literal("final * 2"), needs("#final"))
    + '<decisionService id="shop" name="shop"><outputDecision href="#final"/><inputDecision href="#rebate"/>'
    '<inputData href="#price"/></decisionService>'
    + '<decisionService id="both" name="both"><outputDecision href="#final"/><outputDecision href="#double"/>'
    '<inputData href="#price"/></decisionService>'
)


def test_a_service_is_a_function_and_can_be_asked_itself():
    inner = (
        SERVICE
        + decision("x", literal("shop(100, 1)"), needs("#shop", what="Knowledge"))
        + decision("named", literal("shop(rebate: 2, price: 50)"), needs("#shop", what="Knowledge"))
        + decision("all", literal("both(20).double"), needs("#both", what="Knowledge"))
    )
    assert [decide(inner, key).value for key in ("x", "named", "all")] == [99, 48, 20]
    assert decide(inner, "shop", price=30, rebate=5).value == 25
    assert decide(inner, "both", price=30).json == {"final": 20, "double": 40}


def test_a_decision_without_logic_takes_what_is_given():
    inner = decision("asked", "") + decision("x", literal('asked + "!"'), needs("#asked"))
    assert decide(inner, asked="yes").value == "yes!"
    assert "warning" in problems(inner)["dmn.no-logic"][0]


def test_imported_models_stand_behind_their_name():
    base = dmn.parse(model(
        '<itemDefinition name="tPerson"><itemComponent name="name"><typeRef>string</typeRef></itemComponent></itemDefinition>'
        + input_data("guest", "tPerson")
        + knowledge("say hello", parameter("person", "tPerson"), literal('"Hello " + person.name'))
        + decision("greeting", literal('"Hi " + guest.name'), needs("#guest", what="Input")),
        own="http://example.org/base",
    ))  # fmt: skip
    importing = model(
        '<import name="base" namespace="http://example.org/base" importType="https://www.omg.org/spec/DMN/20191111/MODEL/"/>'
        + input_data("me", "base.tPerson")
        + decision("x", literal("base.say hello(me)"),
                   needs("#me", what="Input") + needs("http://example.org/base#say hello", what="Knowledge"))
        + decision("y", literal("base.greeting"), needs("http://example.org/base#greeting"))
    )  # fmt: skip
    found = dmn.parse(importing, [base])
    assert dmn.evaluate(found, "x", {"me": {"name": "Ann"}}).value == "Hello Ann"
    assert dmn.evaluate(found, "y", {"base": {"guest": {"name": "Bob"}}}).value == "Hi Bob"
    assert dmn.evaluate(found, "y", {"guest": {"name": "Bob"}}).value == "Hi Bob"
    assert not [one for one in dmn.check(found) if one.severity == "error"]
    assert [one.rule for one in dmn.check(dmn.parse(importing)) if one.rule == "dmn.import"]


def test_models_import_models_that_import_models():
    """The same input of the innermost model can be given once for each way that leads to it."""
    kind = "https://www.omg.org/spec/DMN/20191111/MODEL/"
    inmost = dmn.parse(model(input_data("who") + decision("hi", literal('"Hi " + who'), needs("#who", what="Input")), own="in"))

    def middle(own: str) -> dmn.Decisions:
        return dmn.parse(model(
            f'<import name="inner" namespace="in" importType="{kind}"/>'
            + decision("said", literal(f'"{own}: " + inner.hi'), needs("in#hi")), own=own,
        ), [inmost])  # fmt: skip

    outer = dmn.parse(model(
        f'<import name="one" namespace="m1" importType="{kind}"/><import name="two" namespace="m2" importType="{kind}"/>'
        + decision("x", literal('one.said + ", " + two.said'), needs("m1#said", "m2#said"))
        + decision("y", literal("one.inner.who"), needs("in#who", what="Input"))
    ), [middle("m1"), middle("m2")])  # fmt: skip
    given = {"one": {"inner": {"who": "Ann"}}, "two": {"inner": {"who": "Bob"}}}
    assert dmn.evaluate(outer, "x", given).value == "m1: Hi Ann, m2: Hi Bob"
    assert dmn.evaluate(outer, "y", given).value == "Ann"


def test_an_import_without_a_name_brings_its_elements_in_as_they_are():
    base = dmn.parse(model(knowledge("half", parameter("n"), literal("n / 2")), own="base"))
    importing = model(
        '<import name="" namespace="base" importType="https://www.omg.org/spec/DMN/20230324/MODEL/"/>'
        + decision("x", literal("half(8)"), needs("base#half", what="Knowledge"))
    )  # fmt: skip
    assert dmn.evaluate(dmn.parse(importing, [base]), "x", {}).value == 4


# --- boxes ------------------------------------------------------------------------------------
def entry(name: str, logic: str, kind: str = "") -> str:
    variable = f'<variable name="{name}"{kind}/>' if name else ""
    return f"<contextEntry>{variable}{logic}</contextEntry>"


BOXES = {
    "context": ("<context>" + entry("a b", literal("1")) + entry("c", literal("a b + 1")) + "</context>", {"a b": 1, "c": 2}),
    "result": ("<context>" + entry("a", literal("1")) + entry("", literal("a + 5")) + "</context>", 6),
    "list": ("<list>" + literal("1") + literal("n") + "</list>", [1, 4]),
    "relation": ('<relation><column name="k"/><column name="v"/><row>' + literal('"a"') + literal("1") + "</row></relation>",
                 [{"k": "a", "v": 1}]),
    "invocation": ("<invocation>" + literal("substring") + '<binding><parameter name="string"/>' + literal('"abc"')
                   + '</binding><binding><parameter name="start position"/>' + literal("2") + "</binding></invocation>", "bc"),
    "function": ("<context>" + entry("f", "<functionDefinition>" + parameter("q") + literal("q * n") + "</functionDefinition>")
                 + entry("", literal("f(3)")) + "</context>", 12),
    "then": ("<conditional><if>" + literal("n > 1") + "</if><then>" + literal('"t"') + "</then><else>" + literal('"e"')
             + "</else></conditional>", "t"),
    "else": ("<conditional><if>" + literal("null") + "</if><then>" + literal('"t"') + "</then><else>" + literal('"e"')
             + "</else></conditional>", "e"),
    "for": ('<for iteratorVariable="i"><in>' + literal("[1..3]") + "</in><return>" + literal("i * n + count(partial)")
            + "</return></for>", [4, 9, 14]),
    "some": ('<some iteratorVariable="i"><in>' + literal("[1, 9]") + "</in><satisfies>" + literal("i > n")
             + "</satisfies></some>", True),
    "every": ('<every iteratorVariable="i"><in>' + literal("[1, 9]") + "</in><satisfies>" + literal("i > n")
              + "</satisfies></every>", False),
    "filter": ("<filter><in>" + literal("[{v: 1}, {v: 9}]") + "</in><match>" + literal("v > n") + "</match></filter>",
               [{"v": 9}]),
    "table": ("<context>" + entry("a", literal("7")) + entry("", table([("> 5", "a + 1")], inputs=("a",))) + "</context>", 8),
    "typed": (literal('"text"', ' typeRef="number"'), None),
    "empty": ("<literalExpression/>", None),
}  # fmt: skip


@pytest.mark.parametrize(("logic", "value"), BOXES.values(), ids=BOXES.keys())
def test_boxes(logic, value):
    assert decide(decision("x", logic), n=4).json == value


# --- types ------------------------------------------------------------------------------------
TYPES = """
<itemDefinition name="tLevel"><typeRef>string</typeRef><allowedValues><text>"low", "high"</text></allowedValues></itemDefinition>
<itemDefinition name="tLevels" isCollection="true"><typeRef>tLevel</typeRef></itemDefinition>
<itemDefinition name="tAge"><typeRef>number</typeRef><allowedValues><text>[0..150]</text></allowedValues></itemDefinition>
<itemDefinition name="tPerson"><itemComponent name="name"><typeRef>string</typeRef></itemComponent>
<itemComponent name="born"><typeRef>date</typeRef></itemComponent></itemDefinition>
<itemDefinition name="tTree"><itemComponent name="kids" isCollection="true"><typeRef>tTree</typeRef></itemComponent>
</itemDefinition>
"""


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("tLevel", '"low"', "low"),
        ("tLevel", '"other"', None),
        ("tLevels", '["low", "high"]', ["low", "high"]),
        ("tLevels", '["low", "other"]', None),
        ("tLevels", '"low"', ["low"]),
        ("tLevel", '["low"]', "low"),
        ("tAge", "151", None),
        ("tAge", "150", 150),
        ("date and time", 'date("2026-03-01")', "2026-03-01T00:00:00Z"),
        ("tPerson", '{name: "A", born: date("2000-01-01")}', {"name": "A", "born": "2000-01-01"}),
        ("tPerson", '{name: 1, born: date("2000-01-01")}', None),
        ("tTree", "{kids: [{kids: []}]}", {"kids": [{"kids": []}]}),
        ("feel:number", "1", 1),
        ("Any", "1", 1),
    ],
)
def test_a_result_is_of_its_type_or_null(kind, text, value):
    answer = decide(TYPES + decision("x", literal(text), kind=kind))
    assert answer.json == value
    assert bool(answer.diagnoses) is (value is None)


def test_plain_json_becomes_what_an_input_declares():
    inner = TYPES + input_data("p", "tPerson") + decision("x", literal('p.born < date("2001-01-01")'), needs("#p", what="Input"))
    assert decide(inner, p={"name": "A", "born": "2000-01-01"}).value is True
    assert decide(inner, p={"name": 7, "born": "2000-01-01"}).value is None


def test_types_of_the_model_can_be_asked_for_in_expressions():
    assert decide(TYPES + decision("x", literal('{name: "A", born: null} instance of tPerson'))).value is True


def test_now_is_told_by_the_caller():
    found = dmn.parse(model(decision("x", literal("string(today())"))))
    assert dmn.evaluate(found, "x", {}, now=datetime(2026, 3, 2, tzinfo=UTC)).value == "2026-03-02"


def test_a_bomb_in_a_model_ends_in_exhaustion():
    bomb = knowledge("f", parameter("n"), literal("f(n + 1)"), needs("#f", what="Knowledge"))
    with pytest.raises(feel.Exhausted):
        decide(bomb + decision("x", literal("f(1)"), needs("#f", what="Knowledge")))


# --- the check --------------------------------------------------------------------------------
def test_a_sound_table_passes_the_check():
    rules = [("< 10", "-", '"a"'), (">= 10", "true", '"b"'), (">= 10", "false", '"c"')]
    assert problems(decision("x", table(rules))) == {}


def test_overlaps_are_shown_with_a_case():
    found = problems(decision("x", table([("<= 10", '"p"', "1"), ("[10..20]", '"p", "q"', "2"), ("> 20", "-", "3")])))
    assert found["dmn.overlap"] == ['error rule_2: Rules 1 and 2 both hit, but only one may: a = 10, b = "p".']


def test_rules_that_say_the_same_may_overlap_under_any():
    rules = [("1", "-", '"s"'), ("-", "1", '"s"'), ("-", "2", '"t"')]
    found = problems(decision("x", table(rules, attributes='hitPolicy="ANY"')))
    assert len(found["dmn.overlap"]) == 1
    assert "Rules 1 and 3" in found["dmn.overlap"][0]


def test_gaps_are_shown_with_a_case():
    found = problems(decision("x", table([("< 10", "true", "1"), ("< 10", "false", "2"), ("> 10", "-", "3")])))
    assert found["dmn.gap"] == ["warning tab: No rule hits this case: a = 10, b = true."]
    types = {"out inner": "<defaultOutputEntry><text>0</text></defaultOutputEntry>"}
    assert "dmn.gap" not in problems(decision("x", table([("< 10", "-", "1")], types=types)))


def test_allowed_values_bound_the_search_for_gaps():
    values = {"a": "string", "a values": '<inputValues><text>"p", "q"</text></inputValues>'}
    rules = [('"p"', "1"), ('"q"', "2")]
    assert problems(decision("x", table(rules, inputs=("a",), types=values))) == {}
    assert "any other text" in problems(decision("x", table(rules, inputs=("a",))))["dmn.gap"][0]


def test_a_gap_between_whole_numbers_is_only_worth_a_word():
    found = problems(decision("x", table([("<= 5", "1"), (">= 6", "2")], inputs=("a",))))
    assert found["dmn.gap"] == ["info tab: No rule hits this case: a = 5.5."]


def test_rules_that_are_never_reached_are_named():
    rules = [("< 10", "1"), (">= 10", "2"), ("[5..7]", "3"), ("not(-1)", "4")]
    found = problems(decision("x", table(rules, inputs=("a",), attributes='hitPolicy="FIRST"')))
    assert [text.split(":")[0] for text in found["dmn.unreachable"]] == ["warning rule_3", "warning rule_4"]


def test_a_rule_no_case_can_hit_is_named():
    found = problems(decision("x", table([("(5..5)", "1"), ("-", "2")], inputs=("a",), attributes='hitPolicy="FIRST"')))
    assert found["dmn.unreachable"] == ["warning rule_1: No case can hit rule 1."]


def test_cells_that_look_at_other_variables_are_not_judged():
    rules = [("> limit", "1"), ("<= limit", "2")]
    assert problems(decision("x", table(rules, inputs=("a",)))) == {}


@pytest.mark.parametrize(
    ("attributes", "part"),
    [
        ('hitPolicy="PRIORITY"', "needs output values"),
        ('hitPolicy="OUTPUT ORDER"', "needs output values"),
        ('hitPolicy="SOMETIMES"', "no hit policy"),
        ('hitPolicy="COLLECT" aggregation="MEAN"', "no aggregation"),
        ('hitPolicy="FIRST" aggregation="SUM"', "Only COLLECT"),
    ],
)
def test_misused_hit_policies_are_told(attributes, part):
    assert part in problems(decision("x", table([("-", "-", "1")], attributes=attributes)))["dmn.hit-policy"][0]


def test_types_that_cannot_match_are_told():
    types = {"a": "number", "out": ' typeRef="number"'}
    found = problems(decision("x", table([('"ten"', "-", '"high"'), ("1", "-", "a + 1")], types=types)))
    assert len(found["dmn.type"]) == 2
    assert all("rule_1" in one for one in found["dmn.type"])
    listed = {"out inner": '<outputValues><text>"low"</text></outputValues>'}
    assert problems(decision("x", table([("-", "-", '"high"')], types=listed)))["dmn.output"]
    assert "no type 'tGone'" in problems(decision("x", literal("1"), kind="tGone"))["dmn.type"][0]


def test_unknown_names_are_told():
    inner = input_data("a") + decision("x", literal("a + gone + fly(1) + count(list[kind = 1])"), needs("#a", what="Input"))
    found = problems(inner)
    assert found["dmn.unknown-function"] == ["error x: There is no function 'fly'."]
    assert [one.split("'")[1] for one in found["dmn.unknown-variable"]] == ["gone", "list"]
    assert problems(decision("x", literal("a + gone"))) == {}


def test_a_table_that_reckons_for_ever_is_not_checked_for_ever():
    bombs = [("for i in 1..10**9 return i", "1")] * 20
    begun = time.monotonic()
    assert "dmn.too-much" in problems(decision("x", table(bombs, inputs=("a",))))
    assert time.monotonic() - begun < 4


def test_missing_requirements_are_told():
    assert "'#gone'" in problems(decision("x", literal("1"), needs("#gone")))["dmn.requirement"][0]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["-", "1", "2", "< 2", ">= 2", "[1..3]", "(1..3)", "not(2)"]),
                          st.sampled_from(["-", "true", "false"])), min_size=1, max_size=6))  # fmt: skip
def test_the_check_agrees_with_trying_every_case(rules):
    """On a grid fine enough for these cells, gaps and overlaps are there exactly when the check says so."""
    inner = decision("x", table([(*rule, str(n)) for n, rule in enumerate(rules)]))
    found = problems(inner)
    grid = product([Decimal(n) / 2 for n in range(-2, 9)], [True, False])
    counts = [
        sum(feel.compile_tests(a).matches(x, {}) is True and feel.compile_tests(b).matches(y, {}) is True for a, b in rules)
        for x, y in grid
    ]
    assert ("dmn.gap" in found) is (0 in counts)
    assert ("dmn.overlap" in found) is (max(counts) > 1)
