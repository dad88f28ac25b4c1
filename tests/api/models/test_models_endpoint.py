"""The OpenAI-compatible endpoint, asked with OpenAI's own client, before a scripted server behind the door."""

import asyncio
import json

import httpx
import openai
import pytest
from starlette.applications import Starlette
from tests.adapters.pydantic_ai.stub import stub_server
from tests.control_plane.builders import me, run

from remit.api.models import Entered, ModelsEndpoint
from remit.bootstrap import create_home, open_home
from remit.config import Settings
from remit.control_plane import closing

pytestmark = pytest.mark.shared

USAGE = {"prompt_tokens": 10, "completion_tokens": 5}
HELLO = {"conversations": [{"turns": [{"content": "hello there", "usage": USAGE}]}]}
TOOL_CALL = {"conversations": [{"turns": [{"tool_calls": [{"name": "find", "arguments": {"id": 7}}]}]}]}
AGENT = """
apiVersion: remit/v1
kind: Agent
name: clerk
version: 1.0.0
run: {connected: true}
tools: [%s]
budget: {amount: "%s", currency: USD}
max_turns: 50
"""
POLICY = """
apiVersion: remit/v1
kind: Policy
name: open
agents: [clerk]
%s
"""
SOURCE = """
apiVersion: remit/v1
kind: ToolSource
name: llm
models:
  url: %s
  models:
    small: {model: stub, price: "1.00/2.00", max_output_tokens: 100, instead: [backup__small]}
    large: {model: stub-large, price: "10.00/20.00"}
    words: {model: stub, price: "0.10/0.00", operations: [embeddings]}
network: {allow: [127.0.0.1/32]}
timeout_seconds: %s
"""
BACKUP = SOURCE.replace("name: llm", "name: backup").replace(", instead: [backup__small]", "")
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]


class Office:
    """A home, its endpoint, and OpenAI's client before it."""

    def __init__(self, plane, session):
        self.plane, self.session = plane, session
        endpoint = ModelsEndpoint(plane, self._enters)
        transport = httpx.ASGITransport(Starlette(routes=endpoint.routes()))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://door")
        self.client = openai.AsyncOpenAI(base_url="http://door/v1", api_key="any", max_retries=0, http_client=self.http)

    async def _enters(self, _request, _body):
        return Entered(self.session)

    async def entries(self, kind=""):
        found = await self.plane.core.store.read_prefix(f"step/{self.session.mission}/", after_idx=0, limit=1000)
        return [entry for entry in found if kind in {"", entry.kind}]

    async def used(self):
        shown = await self.plane.missions.show(self.session.mission, me(self.plane))
        return shown["budget"]


def office(story, tmp_path, *sources, tools="llm__*, backup__*", budget="1.00", policy=""):
    async def whole():
        settings = Settings(home=tmp_path / "home")
        await create_home(settings)
        async with closing(await open_home(settings)) as plane:
            files = [AGENT % (tools, budget), POLICY % policy, *sources]
            await plane.resources.apply([(f"{n}.yaml", text) for n, text in enumerate(files)], me(plane))
            session = await plane.sessions.open("clerk", me(plane))
            await story(Office(plane, session))

    run(whole())


def test_a_chat_is_answered_metered_and_on_record(tmp_path):
    with stub_server(HELLO) as stub:

        async def story(at):
            answer = await at.client.chat.completions.create(model="small", messages=MESSAGES)
            assert answer.choices[0].message.content == "hello there"
            (permit,) = await at.entries("call.permitted")
            assert permit.payload["tool"] == "llm__small"
            assert permit.payload["prompt"][1]  # a keyed hash of the instructions
            assert permit.payload["hold"] > 20  # the worst case was held
            (done,) = await at.entries("call.done")
            assert done.payload["tokens"] == [10, 5]
            assert await at.used() == {"limit_usd_micros": 1_000_000, "used_usd_micros": 20, "held_usd_micros": 0}
            assert stub.log[0]["request"]["max_tokens"] == 100
            assert stub.log[0]["request"]["model"] == "stub"

        office(story, tmp_path, SOURCE % (stub.base_url, 20))


def test_a_stream_comes_in_pieces_and_is_metered_like_the_whole(tmp_path):
    with stub_server(HELLO) as stub:

        async def story(at):
            stream = await at.client.chat.completions.create(model="small", messages=MESSAGES, stream=True)
            chunks = [chunk async for chunk in stream]
            assert len(chunks) > 2
            assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "hello there"
            assert all(chunk.usage is None for chunk in chunks)  # it was not asked for
            (done,) = await at.entries("call.done")
            assert done.payload["tokens"] == [10, 5]

        office(story, tmp_path, SOURCE % (stub.base_url, 20))


def test_calls_of_tools_pass_in_both_forms(tmp_path):
    with stub_server(TOOL_CALL) as stub:
        tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}

        async def story(at):
            asked = {"model": "small", "messages": MESSAGES, "tools": [tool]}
            whole = await at.client.chat.completions.create(**asked)
            async with at.client.chat.completions.stream(**asked) as stream:
                streamed = await stream.get_final_completion()
            for answer in (whole, streamed):
                (call,) = answer.choices[0].message.tool_calls
                assert (call.function.name, json.loads(call.function.arguments)) == ("find", {"id": 7})

        office(story, tmp_path, SOURCE % (stub.base_url, 20))


def test_the_newer_form_is_answered_whole_and_streamed(tmp_path):
    with stub_server(HELLO) as stub:

        async def story(at):
            whole = await at.client.responses.create(model="small", instructions="Be brief.", input="Say hello.")
            assert whole.output_text == "hello there"
            async with at.client.responses.stream(model="small", input="Say hello.") as stream:
                kinds = [event.type async for event in stream]
                assert (await stream.get_final_response()).output_text == "hello there"
            assert "response.output_text.delta" in kinds
            assert [done.payload["tokens"] for done in await at.entries("call.done")] == [[10, 5], [10, 5]]
            assert stub.log[0]["request"]["store"] is False

        office(story, tmp_path, SOURCE % (stub.base_url, 20))


TURNS = {
    "conversations": [
        {
            "turns": [
                {"tool_calls": [{"name": "find", "arguments": {"id": 7}}], "usage": USAGE},
                {"content": "It is seven.", "usage": USAGE},
            ]
        }
    ]
}
FIND = {"type": "function", "name": "find", "parameters": {"type": "object"}}


@pytest.mark.parametrize("streams", [False, True])
def test_a_response_goes_on_from_an_earlier_one_of_the_same_session_also_after_a_restart(tmp_path, streams):
    with stub_server(TURNS) as stub:

        async def ask(at, **wish):
            if not streams:
                return await at.client.responses.create(model="small", tools=[FIND], **wish)
            async with at.client.responses.stream(model="small", tools=[FIND], **wish) as stream:
                return await stream.get_final_response()

        async def story(at):
            first = await ask(at, input="Find it.")
            (call,) = first.output
            told = {"type": "function_call_output", "call_id": call.call_id, "output": "7"}
            second = await ask(at, input=[told], previous_response_id=first.id)
            assert second.output_text == "It is seven."
            at.plane.core.let_go()
            async with closing(await open_home(Settings(at.plane.core.home))) as again:
                after = Office(again, await again.sessions.of(at.session.mission))
                third = await ask(after, input="Thank you.", previous_response_id=second.id)
            assert third.status == "completed"

            sent = stub.log[-1]["request"]
            kinds = [item.get("type") or item["role"] for item in sent["input"]]
            assert kinds == ["user", "function_call", "function_call_output", "message", "user"]
            assert "previous_response_id" not in sent
            assert all("id" not in item for item in sent["input"])

        office(story, tmp_path, SOURCE % (stub.base_url, 20))


def test_a_response_of_another_session_is_as_unknown_as_one_that_never_was(tmp_path):
    with stub_server(HELLO) as stub:

        async def story(at):
            first = await at.client.responses.create(model="small", input="My secret is 4711.")
            other = Office(at.plane, await at.plane.sessions.open("clerk", me(at.plane)))
            for name in (first.id, "resp_none", 7, "x" * 300):
                body = {"model": "small", "input": "Say it.", "previous_response_id": name}
                answer = await other.http.post("/v1/responses", json=body)
                assert (answer.status_code, answer.json()["remit"]["rule"]) == (400, "response_unknown")
            assert len(stub.log) == 1

        office(story, tmp_path, SOURCE % (stub.base_url, 20))


def test_embeddings_are_governed_too(tmp_path):
    with stub_server(HELLO) as stub:

        async def story(at):
            answer = await at.client.embeddings.create(model="words", input=["one", "two"])
            assert len(answer.data) == 2
            assert (await at.entries("call.done"))[0].payload["tokens"][0] > 0

        office(story, tmp_path, SOURCE % (stub.base_url, 20))


def test_models_that_were_not_granted_do_not_show_and_are_not_asked(tmp_path):
    with stub_server(HELLO) as stub:

        async def story(at):
            assert [model.id async for model in await at.client.models.list()] == ["small"]
            with pytest.raises(openai.NotFoundError) as refused:
                await at.client.chat.completions.create(model="large", messages=MESSAGES)
            assert refused.value.code == "model_not_found"
            assert stub.log == []

        office(story, tmp_path, SOURCE % (stub.base_url, 20), tools="llm__small")


def test_a_budget_that_cannot_hold_the_worst_case_refuses_before_anything_is_sent(tmp_path):
    with stub_server(HELLO) as stub:

        async def story(at):
            with pytest.raises(openai.RateLimitError) as refused:
                await at.client.chat.completions.create(model="small", messages=MESSAGES)
            assert refused.value.type == "insufficient_quota"
            assert stub.log == []
            assert (await at.used())["held_usd_micros"] == 0

        office(story, tmp_path, SOURCE % (stub.base_url, 20), budget="0.0001")


def test_a_policy_that_denies_is_told_with_its_rule(tmp_path):
    with stub_server(HELLO) as stub:

        async def story(at):
            with pytest.raises(openai.PermissionDeniedError) as refused:
                await at.client.chat.completions.create(model="small", messages=MESSAGES)
            assert refused.value.response.json()["remit"]["code"] == "policy_denied"
            assert stub.log == []

        office(
            story,
            tmp_path,
            SOURCE % (stub.base_url, 20),
            policy="deny_tools: [llm__small]",
        )


@pytest.mark.parametrize(
    ("wish", "rule"),
    [
        ({"tools": [{"type": "web_search_preview"}], "input": "x"}, "hosted_tool"),
        ({"tools": [{"type": "mcp", "server_url": "http://evil"}], "input": "x"}, "hosted_tool"),
        ({"previous_response_id": "resp_1", "input": "x"}, "response_unknown"),
        ({"conversation": "conv_1", "input": "x"}, "state_elsewhere"),
        ({"input": ""}, "request_incomplete"),
        ({"input": "x", "max_output_tokens": "many"}, "request_malformed"),
    ],
)
def test_what_would_pass_by_the_door_or_cannot_be_meant_is_refused_and_not_sent(tmp_path, wish, rule):
    with stub_server(HELLO) as stub:

        async def story(at):
            answer = await at.http.post("/v1/responses", json={"model": "small", **wish})
            assert answer.status_code == 400
            assert answer.json()["remit"]["rule"] == rule
            assert stub.log == []
            assert await at.entries("call.permitted") == []

        office(story, tmp_path, SOURCE % (stub.base_url, 20))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"model": 3}', b'{"model": "small", "stream": "yes"}'])
def test_a_body_that_is_no_request_is_the_callers_mistake(tmp_path, body):
    async def story(at):
        for path in ("chat/completions", "responses", "embeddings"):
            answer = await at.http.post(f"/v1/{path}", content=body)
            assert answer.status_code == 400
            assert answer.json()["error"]["type"] == "invalid_request_error"

    office(story, tmp_path, SOURCE % ("http://127.0.0.1:9/v1", 20))


def test_a_model_that_cannot_be_reached_is_stood_in_for(tmp_path):
    with stub_server(HELLO) as stub:

        async def story(at):
            for stream in (False, True):
                answer = await at.http.post(
                    "/v1/chat/completions", json={"model": "small", "messages": MESSAGES, "stream": stream}
                )
                # `small` is offered by both, so it must be named by its source.
                assert answer.status_code == 404
                asked = {"model": "llm/small", "messages": MESSAGES, "stream": stream}
                answer = await at.http.post("/v1/chat/completions", json=asked)
                assert answer.status_code == 200
                assert "hello" in answer.text
            assert [p.payload["tool"] for p in await at.entries("call.permitted")] == [
                "llm__small",
                "backup__small",
            ] * 2

        office(story, tmp_path, SOURCE % ("http://127.0.0.1:9/v1", 20), BACKUP % (stub.base_url, 20))


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"status": 500, "times": 9}, 503),
        ({"status": 429, "times": 9}, 503),
        ({"status": 400, "times": 9}, 400),
        ({"status": 401, "times": 9}, 503),
        ({"malformed": "html", "times": 9}, 503),
        ({"malformed": "json", "times": 9}, 503),
        ({"reset": True, "times": 9}, 503),
        ({"hang": 9, "times": 9}, 503),
        ({"cut_after": 1, "times": 9}, 503),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_faults_of_the_endpoint_are_told_and_leave_nothing_held(tmp_path, fault, status, stream):
    script = {"conversations": [{"turns": [{"content": "hello there you all", **fault}]}]}
    with stub_server(script) as stub:

        async def story(at):
            asked = {"model": "small", "messages": MESSAGES, "stream": stream}
            answer = await at.http.post("/v1/chat/completions", json=asked)
            begun = stream and answer.status_code == 200
            told = json.loads(answer.text.strip().rpartition("data: ")[2]) if begun else answer.json()
            assert told["remit"]["code"] in {
                "tool_unreachable",
                "tool_unavailable",
                "tool_failed",
                "credential_refused",
            }
            assert begun or answer.status_code == status
            assert (await at.used())["held_usd_micros"] == 0

        office(story, tmp_path, (SOURCE % (stub.base_url, 1)).replace(", instead: [backup__small]", ""))


def test_a_client_that_leaves_in_the_middle_is_metered_all_the_same(tmp_path):
    turn = {"content": "hello there", "chunk_delay": 0.05, "usage": USAGE}
    with stub_server({"conversations": [{"turns": [turn]}]}) as stub:

        async def story(at):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await at.session.call(
                        "llm__small",
                        {"model": "small", "operation": "chat", "request": {"messages": MESSAGES}},
                        on_part=lambda _: None,
                    )
            while not (done := await at.entries("call.done")):
                await asyncio.sleep(0.01)
            assert done[0].payload["tokens"] == [10, 5]

        office(story, tmp_path, SOURCE % (stub.base_url, 20))


def test_a_named_request_is_answered_from_the_record_also_as_a_stream(tmp_path):
    with stub_server(HELLO) as stub:

        async def story(at):
            named = {"extra_headers": {"Idempotency-Key": "q-1"}}
            first = await at.client.chat.completions.create(model="small", messages=MESSAGES, **named)
            stream = await at.client.chat.completions.create(model="small", messages=MESSAGES, stream=True, **named)
            again = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            assert first.choices[0].message.content == again
            assert len(stub.log) == 1

        office(story, tmp_path, SOURCE % (stub.base_url, 20))
