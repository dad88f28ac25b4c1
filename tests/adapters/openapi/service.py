"""A real service for the tests, as FastAPI makes one, with its own description."""

from typing import Annotated, Any

from fastapi import FastAPI, Form, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field

TOKEN = "marker-7b2e-token"


class Line(BaseModel):
    sku: str
    count: int = Field(gt=0)


class Order(BaseModel):
    customer: str
    lines: list[Line]
    note: str | None = None


def a_service() -> FastAPI:
    service = FastAPI(title="Shop", version="1")
    seen: list[dict[str, Any]] = []
    service.state.seen = seen

    @service.middleware("http")
    async def remember(request: Request, call_next: Any) -> Any:
        told = {"method": request.method, "path": request.url.path, "query": request.url.query}
        seen.append({**told, **dict(request.headers)})
        return await call_next(request)

    @service.get("/customers/{customer_id}", operation_id="getCustomer", summary="One customer.")
    def customer(customer_id: str, fields: Annotated[list[str] | None, Query()] = None) -> dict[str, Any]:
        if customer_id == "nobody":
            raise HTTPException(404, "no such customer")
        return {"id": customer_id, "fields": fields}

    @service.get("/customers")
    def customers(limit: Annotated[int, Query(ge=1, le=100)] = 10, active: bool = True) -> list[dict[str, Any]]:
        return [{"id": str(number), "active": active} for number in range(limit)]

    @service.post("/orders", operation_id="createOrder", status_code=201)
    def order(
        order: Order, idempotency_key: Annotated[str, Header()], x_region: Annotated[str | None, Header()] = None
    ) -> dict[str, Any]:
        return {"order": order.model_dump(), "key": idempotency_key, "region": x_region}

    @service.post("/login", operation_id="login")
    def login(user: Annotated[str, Form()], tags: Annotated[list[str], Form()]) -> dict[str, Any]:
        return {"user": user, "tags": tags}

    @service.delete("/orders/{number}", operation_id="cancelOrder", status_code=204)
    def cancel(number: int) -> Response:
        return Response(status_code=204, headers={"x-cancelled": str(number)})

    @service.get("/answers/{kind}", operation_id="answers")
    def answers(kind: str) -> Response:
        return {
            "text": PlainTextResponse("plain words"),
            "binary": Response(b"\xff\xfe\x00", media_type="application/octet-stream"),
            "problem": JSONResponse(
                {"title": "Over the limit", "detail": "The limit is 10."}, 422, media_type="application/problem+json"
            ),
            "broken": Response(b"{half", media_type="application/json"),
            "refused": JSONResponse({"message": "not yours"}, 403),
            "expired": JSONResponse({"message": f"bad {TOKEN}"}, 401),
            "busy": Response(status_code=429, headers={"retry-after": "9"}),
            "failed": JSONResponse({"detail": "Traceback: secret"}, 500),
            "long": PlainTextResponse("x" * 20_000),
        }[kind]

    return service
