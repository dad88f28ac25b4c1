"""A provider of language models that answers everything in good form."""

import orjson
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
CHAT = {
    "id": "c-1", "object": "chat.completion", "created": 1, "model": "stub", "usage": USAGE,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
}  # fmt: skip
RESPONSE = {
    "id": "r-1", "object": "response", "created_at": 1, "model": "stub", "status": "completed",
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}],
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
}  # fmt: skip
EMBEDDING = {
    "object": "list", "model": "stub", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}  # fmt: skip


def an_upstream():
    """The provider, as an application."""
    answers = {"/v1/chat/completions": CHAT, "/v1/responses": RESPONSE, "/v1/embeddings": EMBEDDING}

    async def answer(request):
        whole = answers[request.url.path]
        if (await request.json()).get("stream") is not True:
            return JSONResponse(whole)
        return Response(_stream_of(whole), media_type="text/event-stream")

    return Starlette(routes=[Route(path, answer, methods=["POST"]) for path in answers])


def _stream_of(whole):
    if whole is RESPONSE:
        told = orjson.dumps({"type": "response.completed", "response": whole}).decode()
        return f"event: response.completed\ndata: {told}\n\n"
    (choice,) = whole["choices"]
    piece = {"index": 0, "delta": choice["message"], "finish_reason": choice["finish_reason"]}
    chunk = {**whole, "object": "chat.completion.chunk", "choices": [piece]}
    return f"data: {orjson.dumps(chunk).decode()}\n\ndata: [DONE]\n\n"
