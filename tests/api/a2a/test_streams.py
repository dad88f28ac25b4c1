"""Tasks of this home that an agent elsewhere listens to, with the public library's streams."""

import asyncio

import pytest
from a2a.types import SubscribeToTaskRequest, TaskState
from a2a.utils.errors import A2AError, TaskNotFoundError
from tests.api.a2a.asking import a_message, artifacts_of, asked, client_of, look, state_of
from tests.api.a2a.house import a_house, run

from remit.api.a2a import streams
from remit.missions import Given

OVER = {"vendor": "Acme Ltd", "amount": "250.00"}


def told(tmp_path, work):
    async def story():
        async with a_house(tmp_path) as house:
            return await work(house)

    return run(story())


def kinds(events):
    return [event.WhichOneof("payload") for event in events]


async def answer(house):
    """A person says yes to what is asked, once it is."""
    while not (questions := await house.plane.approvals.all(house.me)):
        await asyncio.sleep(0.01)
    await house.plane.approvals.answer(Given(questions[0]["id"], "approve"), house.me)
    house.plane.core.driver.nudge(questions[0]["mission"])


def test_a_message_is_answered_with_the_task_and_then_with_what_becomes_of_it(tmp_path):
    async def work(house):
        async with client_of(house, streaming=True) as client:
            heard = [event async for event in client.send_message(a_message(OVER))]
            waiting = await look(client, heard[0].task.id)
        return heard, waiting

    heard, waiting = told(tmp_path, work)

    assert kinds(heard)[0] == "task"
    last = heard[-1]
    state = last.task.status.state if last.HasField("task") else last.status_update.status.state
    assert state == TaskState.TASK_STATE_INPUT_REQUIRED
    assert state_of(waiting) == "input_required"


def test_who_subscribes_hears_the_rest_past_a_persons_answer_artifacts_before_the_end(tmp_path):
    async def work(house):
        async with client_of(house, streaming=True) as client:
            (first, *_) = [event async for event in client.send_message(a_message(OVER))]
            task = first.task.id
            heard = []
            async for event in client.subscribe(SubscribeToTaskRequest(id=task)):
                heard.append(event)
                if len(heard) == 1:  # the person answers once somebody listens
                    answering = asyncio.create_task(answer(house))
            await answering
            ended = await look(client, task)
            with pytest.raises(A2AError, match="has ended"):
                [event async for event in client.subscribe(SubscribeToTaskRequest(id=task))]
        return heard, ended

    heard, ended = told(tmp_path, work)

    assert state_of(heard[0].task) == "input_required"
    assert kinds(heard)[-1] == "status_update"
    assert heard[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
    artifacts = [event.artifact_update.artifact for event in heard if event.HasField("artifact_update")]
    assert [one.name for one in artifacts] == [one.name for one in ended.artifacts] == ["output", "steps"]
    assert artifacts_of(ended)["output"] == {"vendor": "V-1"}


def test_nobody_listens_to_anothers_task(tmp_path):
    async def work(house):
        async with client_of(house) as client:
            task = await asked(client, OVER)
        async with client_of(house, token=await house.token("helper"), streaming=True) as stranger:
            with pytest.raises(TaskNotFoundError):
                [event async for event in stranger.subscribe(SubscribeToTaskRequest(id=task.id))]

    told(tmp_path, work)


def test_a_stream_ends_once_its_token_is_revoked(tmp_path):
    async def work(house):
        token = await house.plane.tokens.issue("outside", house.me.id, house.me, _wish())
        async with client_of(house, token=token["token"], streaming=True) as client:
            (first, *_) = [event async for event in client.send_message(a_message(OVER))]
            heard = []

            began = asyncio.Event()

            async def listen():
                async for event in client.subscribe(SubscribeToTaskRequest(id=first.task.id)):
                    heard.append(event)
                    began.set()

            listening = asyncio.create_task(listen())
            await asyncio.wait_for(began.wait(), 60)
            assert not listening.done()
            await house.plane.tokens.revoke("agent/outside", house.me, "it is gone")
            await asyncio.wait_for(listening, 60)
        return heard

    assert len(told(tmp_path, work)) == 1


def _wish():
    from remit.identity import Wish

    return Wish(skills=("plan",))


def test_too_many_streams_are_refused_with_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "STREAMS_MAX", 0)

    async def work(house):
        async with client_of(house, streaming=True) as client:
            with pytest.raises(A2AError, match="overloaded"):
                [event async for event in client.send_message(a_message(OVER))]

    told(tmp_path, work)


def test_who_leaves_gives_the_place_free(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "STREAMS_MAX", 1)

    async def work(house):
        async with client_of(house, streaming=True) as client:
            (first, *_) = [event async for event in client.send_message(a_message(OVER))]
            for _ in range(3):
                for _ in range(200):
                    try:
                        listening = client.subscribe(SubscribeToTaskRequest(id=first.task.id))
                        await anext(listening)
                        break
                    except A2AError:
                        await asyncio.sleep(0.05)  # the one who left before is being noticed
                else:
                    raise AssertionError("no place came free")
                await listening.aclose()

    told(tmp_path, work)
