"""Streams on the servers of this machine, each with a name of its own."""

import asyncio
import subprocess
import uuid
from contextlib import contextmanager
from ipaddress import ip_network
from socket import create_connection, create_server

import nats
from redis.asyncio import Redis

from remit.registry import Network, StreamOfOthers

HERE = Network((ip_network("127.0.0.1/32"),))
NATS_PORT, REDIS_PORT = 4222, 6379


def a_place(technology, *, port=None, undeclared=False, from_oldest=False, subject="", name=None):
    """A stream of its own, as a trigger would declare it."""
    port = port or (NATS_PORT if technology == "nats" else REDIS_PORT)
    scheme = f"{technology}://127.0.0.1:{port}"
    stream = name or f"remit-test-{uuid.uuid4().hex}"
    network = Network() if undeclared else HERE
    return StreamOfOthers(technology, scheme, stream, "remit-orders", subject, "body", from_oldest, None, network)


async def nats_made(place):
    connection = await nats.connect(place.url)
    await connection.jetstream().add_stream(name=place.stream, subjects=[f"{place.stream}.>"])
    await connection.close()


async def nats_published(place, *bodies, headers=None):
    connection = await nats.connect(place.url)
    for body in bodies:
        await connection.jetstream().publish(f"{place.stream}.new", body, headers=headers)
    await connection.close()


async def nats_gone(place):
    connection = await nats.connect(place.url)
    await connection.jetstream().delete_stream(place.stream)
    await connection.close()


async def redis_published(place, *bodies):
    async with Redis.from_url(place.url) as client:
        for body in bodies:
            await client.xadd(place.stream, {"body": body})


async def redis_gone(place):
    async with Redis.from_url(place.url) as client:
        await client.delete(place.stream)


def a_port():
    with create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@contextmanager
def a_server(technology, folder, port):
    """A server of the test's own, on a folder that outlives it."""
    command = {
        "nats": ["nats-server", "-js", "-sd", str(folder), "-a", "127.0.0.1", "-p", str(port)],
        "redis": [
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--dir",
            str(folder),
            "--appendonly",
            "yes",
        ],
    }[technology]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asyncio.run(asyncio.wait_for(_listening(port), 15))
        yield process
    finally:
        process.kill()
        process.wait(10)


async def _listening(port):
    while True:
        try:
            create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            await asyncio.sleep(0.02)
        else:
            return
