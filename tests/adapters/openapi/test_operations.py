"""What a description becomes: names, schemas in JSON Schema 2020-12, and where each argument is written."""

import jsonschema_rs
import pytest

from remit.adapters.openapi.document import Document
from remit.adapters.openapi.encoding import body_of, headers_of, path_of, query_of
from remit.adapters.openapi.operations import operations
from remit.errors import InvalidArguments, InvalidResource
from remit.registry.schemas import schema_fault

STRING = {"type": "string"}
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def described(paths, *, version="3.0.3", hidden=frozenset(), **components):
    return operations(Document({"openapi": version, "paths": paths, "components": components}), hidden=hidden)


def one(operation, *, path="/x", method="post", **options):
    (found,) = described({path: {method: operation}}, **options).values()
    return found


def with_body(schema, media_type="application/json", *, required=True, **options):
    return one({"requestBody": {"required": required, "content": {media_type: {"schema": schema}}}}, **options)


def with_parameter(place="query", path="/x", **fields):
    return one({"parameters": [{"name": "p", "in": place, "required": True, **fields}]}, path=path, method="get")


# --- Names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "path", "name"),
    [
        ({"operationId": "getCustomer"}, "/customers/{id}", "getCustomer"),
        ({"operationId": "get customer (v2)"}, "/c", "get_customer_v2_"),
        ({}, "/customers", "get_customers"),
        ({}, "/", "get"),
        ({"operationId": "???"}, "/v1/a-b.c", "get_v1_a-b.c"),
    ],
)
def test_a_tool_is_named_by_the_operations_id_or_by_method_and_path(operation, path, name):
    parameters = [{"name": "id", "in": "path", "required": True, "schema": {}}] if "{id}" in path else []

    assert one({**operation, "parameters": parameters}, path=path, method="get").name == name


def test_operations_that_share_an_id_are_named_by_method_and_path():
    assert set(described({"/a": {"get": {"operationId": "x"}}, "/b": {"get": {"operationId": "x"}}})) == {
        "get_a",
        "get_b",
    }


def test_an_operation_that_cannot_be_called_is_not_offered():
    assert not described(
        {
            "/a/{id}": {"get": {}},
            "/b": {"get": {"parameters": [{"name": "s", "in": "cookie", "required": True}]}},
            "/c": {"post": {"requestBody": {"required": True, "content": {"application/xml": {}}}}},
        }
    )


# --- Schemas --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"oneOf": [STRING], "nullable": True}, {"anyOf": [{"oneOf": [STRING]}, {"type": "null"}]}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 1}),
        ({"type": "integer", "maximum": 9, "exclusiveMaximum": False}, {"type": "integer", "maximum": 9}),
        ({"type": "string", "example": "x", "xml": {}, "deprecated": True, "x-a": 1}, {"type": "string"}),
        ({"items": {"type": "string", "nullable": True}}, {"items": {"type": ["string", "null"]}}),
    ],
    ids=["null", "enum", "null of a choice", "exclusive", "inclusive", "dropped", "below"],
)  # fmt: skip
def test_openapi_3_0_becomes_json_schema(written, told):
    assert with_parameter(schema=written).schema["properties"]["p"] == told


def test_openapi_3_1_is_json_schema_already():
    schema = {"type": ["string", "null"], "const": "a", "examples": ["a"]}
    found = one({"parameters": [{"name": "p", "in": "query", "schema": schema}]}, version="3.1.0")

    assert found.schema["properties"]["p"] == {"type": ["string", "null"], "const": "a"}


def test_what_schemas_refer_to_goes_along_even_in_circles():
    tree = {
        "type": "object",
        "properties": {"below": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}},
    }
    found = with_body({"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}, schemas={"Tree": tree})

    assert schema_fault(found.schema) is None
    check = jsonschema_rs.validator_for(found.schema)
    assert check.is_valid({"body": [{"below": [{"below": []}]}]})
    assert not check.is_valid({"body": [{"below": [{"below": 7}]}]})


@pytest.mark.parametrize(
    "reference",
    ["http://evil.example/s.json", "other.yaml#/A", "#/components/schemas/None", "#/components/parameters/Round"],
)
def test_a_reference_that_leads_out_nowhere_or_in_a_circle_is_refused(reference):
    circle = {"Round": {"$ref": "#/components/parameters/Round"}}
    parameter = (
        {"$ref": reference} if "Round" in reference else {"name": "p", "in": "query", "schema": {"$ref": reference}}
    )

    with pytest.raises(InvalidResource, match="leads"):
        one({"parameters": [parameter]}, parameters=circle)


def test_a_bodys_properties_are_arguments_by_themselves_and_nothing_else_is_taken():
    found = with_body({"$ref": "#/components/schemas/Order"}, schemas={"Order": OBJECT})

    assert found.schema["properties"] == {"a": {"type": "string"}}
    assert found.schema["required"] == ["a"]
    assert not jsonschema_rs.validator_for(found.schema).is_valid({"a": "x", "b": 1})
    assert body_of(found, {"a": "x"}) == b'{"a":"x"}'


def test_parts_that_all_hold_are_put_together():
    more = {"type": "object", "properties": {"b": {"type": "integer"}}}
    found = with_body({"allOf": [{"$ref": "#/components/schemas/A"}, more]}, schemas={"A": OBJECT})

    assert found.schema["properties"].keys() == {"a", "b"}


def test_what_only_the_service_says_is_no_argument():
    schema = {"type": "object", "required": ["id", "a"], "properties": {"id": {"readOnly": True}, "a": {}}}

    assert with_body(schema).schema["properties"].keys() == {"a"}
    assert with_body(schema).schema["required"] == ["a"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {}},
        {"oneOf": [OBJECT, {"type": "string"}]},
        {**OBJECT, "additionalProperties": {"type": "string"}},
        {"type": "object"},
        {**OBJECT, "nullable": True},
    ],
    ids=["list", "choice", "open", "anything", "null"],
)
def test_another_body_is_one_argument(schema):
    found = with_body(schema)

    assert found.schema["properties"].keys() == {"body"}
    assert body_of(found, {"body": [1]}) == b"[1]"


def test_a_body_whose_field_is_called_like_a_parameter_is_one_argument():
    body = {"required": True, "content": {"application/json": {"schema": OBJECT}}}
    found = one({"parameters": [{"name": "a", "in": "query", "schema": {}}], "requestBody": body})

    assert found.schema["properties"].keys() == {"a", "body"}


def test_a_body_that_may_be_left_out_is_not_sent_empty():
    assert body_of(with_body(OBJECT, required=False), {}) is None
    assert body_of(with_body({"type": "array"}, required=False), {}) is None


def test_what_the_credential_fills_and_what_http_itself_says_is_no_argument():
    parameters = [
        {"name": name, "in": "header", "required": True, "schema": {}}
        for name in ("X-Api-Key", "Authorization", "Content-Type", "Idempotency-Key", "X-Trace")
    ]

    assert one({"parameters": parameters}, hidden=frozenset({"x-api-key"})).schema["properties"].keys() == {"X-Trace"}


def test_an_operations_parameter_goes_before_that_of_its_path():
    shared = {"name": "p", "in": "query", "schema": {"type": "string"}}
    own = {"name": "p", "in": "query", "schema": {"type": "integer"}}
    (found,) = described({"/x": {"parameters": [shared], "get": {"parameters": [own]}}}).values()

    assert found.schema["properties"] == {"p": {"type": "integer"}}


# --- Encoding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "value", "path"),
    [
        ({}, "a b/c?", "/x/a%20b%2Fc%3F"),
        ({}, 7, "/x/7"),
        ({}, True, "/x/true"),
        ({}, [1, 2], "/x/1,2"),
        ({}, {"a": 1, "b": 2}, "/x/a,1,b,2"),
        ({"explode": True}, {"a": 1, "b": 2}, "/x/a=1,b=2"),
        ({"style": "label"}, [1, 2], "/x/.1,2"),
        ({"style": "label", "explode": True}, [1, 2], "/x/.1.2"),
        ({"style": "matrix"}, [1, 2], "/x/;p=1,2"),
        ({"style": "matrix", "explode": True}, [1, 2], "/x/;p=1;p=2"),
        ({}, "{q}", "/x/%7Bq%7D"),
    ],
)
def test_a_path_argument_is_written_in_its_style(fields, value, path):
    assert path_of(with_parameter("path", "/x/{p}", schema={}, **fields), {"p": value}) == path


@pytest.mark.parametrize("value", ["..", ".", "", None, []])
def test_a_path_argument_leads_to_no_other_path(value):
    with pytest.raises(InvalidArguments):
        path_of(with_parameter("path", "/x/{p}", schema={}), {"p": value})


@pytest.mark.parametrize(
    ("fields", "value", "query"),
    [
        ({}, "a b&c=d", "p=a%20b%26c%3Dd"),
        ({}, [1, 2], "p=1&p=2"),
        ({"explode": False}, [1, 2], "p=1,2"),
        ({"style": "spaceDelimited", "explode": False}, ["a", "b"], "p=a%20b"),
        ({"style": "pipeDelimited", "explode": False}, ["a", "b"], "p=a|b"),
        ({}, {"a": 1}, "a=1"),
        ({"explode": False}, {"a": 1}, "p=a,1"),
        ({"style": "deepObject", "explode": True}, {"a": 1, "b": "x y"}, "p%5Ba%5D=1&p%5Bb%5D=x%20y"),
        ({"allowReserved": True}, "a/b?c", "p=a/b?c"),
        ({}, False, "p=false"),
        ({}, None, ""),
        ({}, "", "p="),
    ],
)
def test_a_query_argument_is_written_in_its_style(fields, value, query):
    assert query_of(with_parameter(schema={}, **fields), {"p": value}) == query


def test_an_argument_with_a_type_of_content_is_written_as_json():
    found = with_parameter(content={"application/json": {"schema": {"type": "object"}}})

    assert found.schema["properties"]["p"] == {"type": "object"}
    assert query_of(found, {"p": {"a": 1}}) == "p=%7B%22a%22%3A1%7D"


def test_a_header_holds_no_second_header():
    found = with_parameter("header", schema={})

    assert headers_of(found, {"p": [1, 2]}) == {"p": "1,2"}
    for value in ("a\r\nx: y", "a\nb", "ü"):
        with pytest.raises(InvalidArguments):
            headers_of(found, {"p": value})


def test_a_form_repeats_the_name_of_a_list():
    schema = {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}}
    found = with_body(schema, "application/x-www-form-urlencoded")

    assert body_of(found, {"a": ["x y", "&"], "b": {"c": 1}, "c": None}) == b"a=x+y&a=%26&b=%7B%22c%22%3A1%7D"


def test_text_is_sent_as_it_is():
    assert body_of(with_body({"type": "string"}, "text/plain"), {"body": "Grüße"}) == "Grüße".encode()


# --- Documents ------------------------------------------------------------------------------------------------------


def test_a_description_in_yaml_is_read():
    read = Document.read(
        b"openapi: 3.0.3\nservers: [{url: 'https://{env}.example/v1', variables: {env: {default: eu}}}]\n"
    )

    assert read.server == "https://eu.example/v1"


@pytest.mark.parametrize(
    "text",
    [
        b"<html>",
        b"[1, 2]",
        b"\xff\xfe\x00",
        b"openapi: 3.0.3\na: &a [1, 2]\nb: [*a, *a]\n",
        b"openapi: [unclosed",
        b"!!python/object/apply:os.system ['true']",
    ],
    ids=["page", "list", "bytes", "aliases", "unclosed", "code"],
)
def test_what_is_no_description_is_refused(text):
    with pytest.raises(InvalidResource):
        Document.read(text)
