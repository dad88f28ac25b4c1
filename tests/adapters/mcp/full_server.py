"""A server that uses the whole protocol: blocks of every kind, logs, progress, questions to the client, resources,
prompts and completions, under the names that the public conformance suite asks for.

    python full_server.py            over standard input and output
    python full_server.py PORT       over HTTP on 127.0.0.1
"""

import asyncio
import base64
import sys
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server

#: One pixel, and a moment of silence.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = base64.b64encode(b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0@\x1f\0\0\1\0\x08\0data\0\0\0\0").decode()
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}
ASKED = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}


def text(value):
    return types.TextContent(type="text", text=value)


def embedded(uri, mime_type="text/plain"):
    contents = types.TextResourceContents(uri=uri, mime_type=mime_type, text="This is an embedded resource content.")
    return types.EmbeddedResource(type="resource", resource=contents)


IMAGE = types.ImageContent(type="image", data=PNG, mime_type="image/png")
BLOCKS = {
    "test_simple_text": [text("This is a simple text response for testing.")],
    "test_image_content": [IMAGE],
    "test_audio_content": [types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")],
    "test_embedded_resource": [embedded("test://embedded-resource")],
    "test_multiple_content_types": [
        text("Multiple content types test:"),
        IMAGE,
        embedded("test://mixed-content-resource", "application/json"),
    ],
    "json_schema_2020_12_tool": [text("{}")],
}
SCHEMAS = {"json_schema_2020_12_tool": SCHEMA, "test_sampling": ASKED, "test_elicitation": ASKED}
SCHEMAS["test_sampling"] = {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}
NAMES = (
    *BLOCKS,
    "test_tool_with_logging",
    "test_tool_with_progress",
    "test_error_handling",
    "test_sampling",
    "test_elicitation",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_structured",
    "test_slow",
)
DEFAULTS = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
    "required": [],
}
CHOICES = [{"const": f"value{n}", "title": f"Option {n}"} for n in (1, 2, 3)]
ENUMS = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": CHOICES},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": CHOICES}},
    },
    "required": [],
}
#: Calls that began and were taken back.
TAKEN_BACK: list[str] = []


async def list_tools(_context, _params):
    return types.ListToolsResult(tools=[tool(name) for name in NAMES])


def tool(name):
    extra = {}
    if name == "test_structured":
        extra = {
            "output_schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
            "title": "Structured",
            "annotations": types.ToolAnnotations(read_only_hint=True),
        }
    return types.Tool(name=name, description=f"Tests {name}.", input_schema=SCHEMAS.get(name, NOTHING), **extra)


async def call_tool(context, params):
    name, arguments = params.name, params.arguments or {}
    if name in BLOCKS:
        return types.CallToolResult(content=BLOCKS[name])
    return await globals()["do_" + name.removeprefix("test_")](context, arguments)


async def do_tool_with_logging(context, _arguments):
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.session.send_log_message("info", line, related_request_id=context.request_id)
        await asyncio.sleep(0.05)
    return types.CallToolResult(content=[text("done")])


async def do_tool_with_progress(context, _arguments):
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100, f"{done} of 100")
        await asyncio.sleep(0.05)
    return types.CallToolResult(content=[text("done")])


async def do_error_handling(_context, _arguments):
    error = text("This tool intentionally returns an error for testing")
    return types.CallToolResult(content=[error], is_error=True)


async def do_sampling(context, arguments):
    message = types.SamplingMessage(role="user", content=text(arguments["prompt"]))
    answer = await context.session.create_message([message], max_tokens=100, related_request_id=context.request_id)
    said = answer.content.text if answer.content.type == "text" else ""
    return types.CallToolResult(content=[text(f"LLM response: {said}")])


async def _elicited(context, message, schema):
    answer = await context.session.elicit_form(message, schema, related_request_id=context.request_id)
    return types.CallToolResult(
        content=[text(f"User response: action={answer.action}, content={answer.content or {}}")]
    )


async def do_elicitation(context, arguments):
    schema = {
        "type": "object",
        "properties": {"username": {"type": "string"}, "email": {"type": "string"}},
        "required": ["username", "email"],
    }
    return await _elicited(context, arguments["message"], schema)


async def do_elicitation_sep1034_defaults(context, _arguments):
    return await _elicited(context, "Please review", DEFAULTS)


async def do_elicitation_sep1330_enums(context, _arguments):
    return await _elicited(context, "Please choose", ENUMS)


async def do_structured(_context, _arguments):
    return types.CallToolResult(
        content=[text('{"n":  1}')], structured_content={"n": 1}, _meta={"test/kept": "as it came"}
    )


async def do_slow(_context, _arguments):
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        TAKEN_BACK.append("test_slow")
        raise
    return types.CallToolResult(content=[text("at last")])


async def list_resources(_context, _params):
    return types.ListResourcesResult(
        resources=[
            types.Resource(uri="test://static-text", name="text", description="Text.", mime_type="text/plain"),
            types.Resource(uri="test://static-binary", name="binary", description="Image.", mime_type="image/png"),
            types.Resource(uri="test://watched-resource", name="watched", description="May change."),
        ]
    )


async def list_templates(_context, _params):
    template = types.ResourceTemplate(uri_template="test://template/{id}/data", name="template", description="By id.")
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(_context, params):
    uri = str(params.uri)
    if uri == "test://static-binary":
        return types.ReadResourceResult(contents=[types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)])
    said = "This is the content of the static text resource."
    if uri.startswith("test://template/"):
        said = f'{{"id":"{uri.split("/")[3]}","templateTest":true,"data":"Data for ID: {uri.split("/")[3]}"}}'
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type="text/plain", text=said)])


async def subscribe(context, params):
    await context.session.send_resource_updated(params.uri)
    return types.EmptyResult()


async def unsubscribe(_context, _params):
    return types.EmptyResult()


async def list_prompts(_context, _params):
    two = [types.PromptArgument(name=name, description=name, required=True) for name in ("arg1", "arg2")]
    one = [types.PromptArgument(name="resourceUri", description="uri", required=True)]
    return types.ListPromptsResult(
        prompts=[
            types.Prompt(name="test_simple_prompt", description="Simple."),
            types.Prompt(name="test_prompt_with_arguments", description="Two.", arguments=two),
            types.Prompt(name="test_prompt_with_embedded_resource", description="One.", arguments=one),
            types.Prompt(name="test_prompt_with_image", description="Image."),
        ]
    )


async def get_prompt(_context, params):
    given = params.arguments or {}
    said = {
        "test_simple_prompt": [text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": [
            text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")
        ],
        "test_prompt_with_embedded_resource": [
            embedded(given.get("resourceUri", "test://x")),
            text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image": [IMAGE, text("Please analyze the image above.")],
    }[params.name]
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=block) for block in said])


async def complete(_context, _params):
    return types.CompleteResult(completion=types.Completion(values=["paris", "park"], total=2, has_more=False))


async def set_level(_context, _params):
    return types.EmptyResult()


server: Server[Any] = Server(
    "full",
    version="1",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_list_resources=list_resources,
    on_list_resource_templates=list_templates,
    on_read_resource=read_resource,
    on_subscribe_resource=subscribe,
    on_unsubscribe_resource=unsubscribe,
    on_list_prompts=list_prompts,
    on_get_prompt=get_prompt,
    on_completion=complete,
    on_set_logging_level=set_level,
)


async def over_stdio():
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import uvicorn

        uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
    else:
        asyncio.run(over_stdio())
