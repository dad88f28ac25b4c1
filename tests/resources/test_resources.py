"""Resource files: form, lines, bounds, and what their authors are told."""

from enum import StrEnum
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from remit.resources import BYTES_MAX, Problem, content_hash, read_resources, validate

HEAD = "apiVersion: remit/v1\nkind: Thing\nname: one\n"


class Colour(StrEnum):
    RED = "red"


class Part(BaseModel):
    size: int
    label: str = ""


class Thing(BaseModel):
    name: str
    parts: list[Part] = []
    price: float | None = None
    colour: Colour | None = None
    tags: tuple[str, ...] = ()
    by_name: dict[str, Part] = {}
    credential: dict[str, str] = {}


def told(text):
    resources, problems = read_resources(text, "f.yaml")
    for raw in resources:
        problems += validate(raw, Thing)[1]
    return [(problem.line, problem.where, problem.message) for problem in problems]


def one(text):
    resources, problems = read_resources(text, "f.yaml")
    assert problems == []
    return resources[0]


def test_a_file_holds_several_documents():
    resources, problems = read_resources(f"{HEAD}---\n{HEAD.replace('one', 'two')}---\n", "f.yaml")

    assert problems == []
    assert [(raw.kind, raw.name, raw.line) for raw in resources] == [("Thing", "one", 1), ("Thing", "two", 5)]


def test_fields_keep_the_name_and_know_their_lines():
    raw = one(f"{HEAD}parts:\n  - size: 1\n    label: a\n  - size: 2\n")

    assert raw.fields == {"name": "one", "parts": [{"size": 1, "label": "a"}, {"size": 2}]}
    assert raw.lines["parts", 0, "label"] == 6
    assert raw.lines["parts", 1] == 7
    assert validate(raw, Thing) == (Thing(name="one", parts=[Part(size=1, label="a"), Part(size=2)]), [])


def test_text_stays_text():
    raw = one(
        f"{HEAD}yes: no\non: off\nday: 2026-01-02\n1: ~\noctal: '010'\nbig: 1_000\nsexagesimal: 1:30\nnot: .nan\n"
    )

    assert raw.fields == {
        "name": "one",
        "yes": "no",
        "on": "off",
        "day": "2026-01-02",
        "1": None,
        "octal": "010",
        "big": "1_000",
        "sexagesimal": "1:30",
        "not": ".nan",
    }


def test_every_error_is_told_at_its_line():
    assert told(
        f"{HEAD}"
        "parts:\n"
        "  - {size: '1'}\n"
        "  - size: true\n"
        "    lable: x\n"
        "  - label: y\n"
        "price: 5000 USD\n"
        "colour: blue\n"
        "prise: 1\n"
        "by_name:\n"
        "  first: {size: 1.5}\n"
    ) == [
        (5, "parts[0].size", 'expected a valid integer, not "1"'),
        (6, "parts[1].size", "expected a valid integer, not true"),
        (7, "parts[1].lable", "unknown field; did you mean 'label'?"),
        (8, "parts[2].size", "this field is missing"),
        (9, "price", 'expected a valid number, not "5000 USD"'),
        (10, "colour", "expected 'red', not \"blue\""),
        (11, "prise", "unknown field; did you mean 'price'?"),
        (13, "by_name.first.size", "expected a valid integer, not 1.5"),
    ]


def test_a_value_that_may_be_a_secret_is_not_repeated():
    (problem,) = told(f"{HEAD}credential: hunter2\n")

    assert problem[:2] == (4, "credential")
    assert "hunter2" not in problem[2]


def test_enumerations_and_tuples_are_read_from_their_plain_form():
    thing, problems = validate(one(f"{HEAD}colour: red\ntags: [a, b]\nprice: 5\n"), Thing)

    assert problems == []
    assert thing == Thing(name="one", colour=Colour.RED, tags=("a", "b"), price=5.0)


@pytest.mark.parametrize(
    ("text", "line", "where", "message"),
    [
        ("kind: Thing\nname: one\n", 1, "apiVersion", "is missing: expected remit/v1"),
        ("apiVersion: v2\nkind: Thing\nname: one\n", 1, "apiVersion", "'v2' is not 'remit/v1'"),
        ("apiVersion: remit/v1\nname: one\n", 1, "kind", "is missing"),
        ("apiVersion: remit/v1\nkind: [Thing]\nname: one\n", 2, "kind", "must be text"),
        ("apiVersion: remit/v1\nkind: Thing\nname: 12\n", 3, "name", "must be text"),
        ("apiVersion: remit/v1\nkind: Thing\nname: ../x\n", 3, "name", "is no name"),
        ("- a\n", 1, "", "a resource is a mapping"),
        (f"{HEAD}price: 1\nprice: 2\n", 5, "", "key 'price' stands twice; the first is on line 4"),
        (f"{HEAD}price: [1\n", 5, "", "this is not YAML"),
        (f"{HEAD}price: @1\n", 4, "", "this is not YAML"),
        (f"{HEAD}\tprice: 1\n", 4, "", "this is not YAML"),
        (f"{HEAD}price: \x00\n", 4, "", "this is not YAML"),
        (f"{HEAD}tags: \ud800\n", 1, "", "not UTF-8"),
        (f"{HEAD}tags: !!python/name:os.system ''\n", 4, "", "is not read"),
        (f"{HEAD}tags: *none\n", 4, "", "names no anchor"),
        (f"{HEAD}tags: &a [*a]\n", 4, "", "names no anchor"),
        (f"{HEAD}price: 99999999999999999999\n", 4, "", "too many digits"),
        (f"{HEAD}? [a]\n: 1\n", 4, "", "a key must be plain text"),
        (f"{HEAD}<<: {{price: 1}}\n", 4, "", "merge keys"),
        (f"{HEAD}tags: {'[' * 60}{']' * 60}\n", 4, "", "deep"),
        ("", 1, "", "holds no resource"),
        ("#" * (BYTES_MAX + 1), 1, "", "at most 1048576"),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, str) else None,
)
def test_a_file_in_a_wrong_form_is_refused_at_its_line(text, line, where, message):
    _, problems = read_resources(text, "f.yaml")

    assert (problems[0].line, problems[0].where) == (line, where)
    assert message in problems[0].message
    assert len(problems) == 1


def test_aliases_are_written_out():
    raw = one(f"{HEAD}parts:\n  - &first {{size: 1}}\n  - *first\n")

    assert raw.fields["parts"] == [{"size": 1}, {"size": 1}]


def test_a_file_that_multiplies_by_aliases_is_refused():
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    bomb += "".join(f"{one}: &{one} [{','.join([f'*{other}'] * 10)}]\n" for other, one in pairwise("abcdef"))

    resources, problems = read_resources(HEAD + bomb, "f.yaml")

    assert resources == []
    assert "200000" in problems[0].message


def test_brackets_without_end_do_not_exhaust_the_stack():
    assert len(read_resources("[" * 500_000, "f.yaml")[1]) == 1


def test_what_stands_before_broken_yaml_is_still_judged():
    assert [line for line, _, _ in told(f"{HEAD}prise: 1\n---\n{HEAD}parts: [\n")] == [10, 4]


def test_block_text_keeps_its_typography():
    text = f"{HEAD}label: |\n  \u2013 a dash\n  no\u00a0break\nlist:\n\u00a0 \u2013 item\u00a0one\n"

    (raw,), problems = read_resources(text, "f.yaml")

    assert raw.fields["label"] == "\u2013 a dash\nno\u00a0break\n"
    assert raw.fields["list"] == ["item one"]
    assert [(problem.line, problem.severity) for problem in problems] == [(8, "warning"), (8, "warning")]


def test_a_dash_inside_a_value_stays():
    assert one(f"{HEAD}label: 2025 \u2013 2026\n").fields["label"] == "2025 \u2013 2026"


def test_a_problem_reads_like_a_compilers():
    assert str(Problem("f.yaml", 3, "a.b", "is wrong")) == "f.yaml:3: a.b: is wrong"
    assert str(Problem("f.yaml", 3, "", "is wrong")) == "f.yaml:3: is wrong"


def test_the_content_hash_does_not_depend_on_order():
    assert content_hash({"a": 1, "b": [2]}) == content_hash({"b": [2], "a": 1}) != content_hash({"a": 1, "b": [3]})
    assert len(content_hash({})) == 64


@given(st.text(max_size=200))
def test_no_text_is_a_crash(text):
    read_resources(text, "f.yaml")
    read_resources(HEAD + text, "f.yaml")
