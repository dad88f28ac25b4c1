"""Whatever stands in a description, it is read or refused, and never crashes."""

import copy

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters.openapi.service import a_service

from remit.adapters.openapi.document import Document
from remit.adapters.openapi.encoding import body_of, headers_of, path_of, query_of
from remit.adapters.openapi.operations import operations
from remit.errors import InvalidArguments, InvalidResource

REAL = orjson.loads(orjson.dumps(a_service().openapi()))
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

ARGUMENTS = st.sampled_from(
    ["customer_id", "fields", "kind", "customer", "lines", "x-region", "user", "tags", "number"]
)
words = st.sampled_from(
    ["$ref", "#/components/schemas/Order", "#/paths", "#/", "object", "array", "name", "in", "schema", "properties", ""]
)
leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | words | st.text(max_size=5)
anything = st.recursive(
    leaves,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(words | st.text(max_size=3), below, max_size=3),
    max_leaves=6,
)


def places(node, at=()):
    """The way to every node below this one."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, below in pairs:
        yield (*at, key)
        yield from places(below, (*at, key))


PLACES = list(places(REAL))


def changed(changes):
    document = copy.deepcopy(REAL)
    for place, value in changes:
        node = document
        try:
            for key in place[:-1]:
                node = node[key]
            node[place[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # another change took the place away
    return document


@QUICK
@given(st.lists(st.tuples(st.sampled_from(PLACES), anything), min_size=1, max_size=4))
def test_a_description_that_is_wrong_anywhere_is_read_or_refused(changes):
    try:
        found = operations(Document(changed(changes)))
    except InvalidResource:
        return
    assert all(operation.schema["type"] == "object" for operation in found.values())


@QUICK
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(text):
    try:
        Document.read(b"openapi: 3.1.0\n" + text)
    except InvalidResource:
        return


@QUICK
@given(st.sampled_from(sorted(operations(Document(REAL)))), st.dictionaries(ARGUMENTS, anything))
def test_any_arguments_are_written_or_refused_and_stay_within_their_place(name, arguments):
    operation = operations(Document(REAL))[name]
    try:
        path, headers = path_of(operation, arguments), headers_of(operation, arguments)
    except InvalidArguments:
        return
    query_of(operation, arguments)
    body_of(operation, arguments)

    assert path.count("/") == operation.path.count("/")
    assert not set(path) & set("?# \r\n")
    assert not any("\r" in value or "\n" in value for value in headers.values())
