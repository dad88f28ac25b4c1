import asyncio

import httpx
import pytest

from remit.api.auth import Gate, host_of, is_loopback


async def inner(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def get(path, *, host="127.0.0.1:8321", token="right", loopback_only=True):
    async def work():
        gate = Gate(inner, token="right", loopback_only=loopback_only)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://x") as client:
            return await client.get(path, headers={"host": host, "authorization": f"Bearer {token}"})

    return asyncio.run(work())


def test_the_token_lets_in_and_another_does_not():
    assert get("/api/v1/missions").status_code == 200
    refused = get("/api/v1/missions", token="wrong")
    assert refused.status_code == 401
    assert refused.json()["code"] == "unauthenticated"


def test_health_needs_no_token_and_metrics_do():
    assert get("/healthz", token="").status_code == 200
    assert get("/metrics", token="").status_code == 401


def test_a_page_whose_name_leads_here_is_refused_even_with_the_token():
    refused = get("/api/v1/missions", host="evil.example")
    assert (refused.status_code, refused.json()["code"]) == (421, "misdirected")
    assert get("/healthz", host="evil.example:8321").status_code == 421
    assert get("/api/v1/missions", host="evil.example", loopback_only=False).status_code == 200


@pytest.mark.parametrize("header", ["localhost", "localhost:8321", "127.0.0.1", "127.8.9.1:1", "[::1]:8321", "[::1]"])
def test_names_of_this_machine(header):
    assert is_loopback(host_of(header))


@pytest.mark.parametrize("header", ["", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]:1"])
def test_names_of_other_machines(header):
    assert not is_loopback(host_of(header))
