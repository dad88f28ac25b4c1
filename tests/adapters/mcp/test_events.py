"""Server-sent events, wherever the stream is cut."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from remit.adapters.mcp.events import Event, events


def read(*chunks):
    async def cut():
        for chunk in chunks:
            yield chunk

    async def main():
        return [event async for event in events(cut())]

    return asyncio.run(main())


def test_an_event_is_its_lines_of_data_with_the_last_id_and_the_time_to_wait():
    text = b": comment\nid: 7\nretry: 250\nevent: message\ndata: one\ndata:two\n\ndata: {}\n\n"

    assert read(text) == [Event(b"one\ntwo", "7", 250), Event(b"{}", "7", 250)]


def test_lines_end_in_any_of_the_three_ways():
    assert read(b"data: a\r\n\r\ndata: b\r\rdata: c\n\n") == [Event(b"a", ""), Event(b"b", ""), Event(b"c", "")]


def test_an_event_that_was_not_finished_is_dropped():
    assert read(b"data: a\n\ndata: b\n") == [Event(b"a", "")]


def test_an_id_alone_says_where_to_go_on_and_what_is_no_field_says_nothing():
    assert read(b"id: 7\n\nnonsense\n\nretry: soon\n\nid: a\0b\n\n") == [Event(b"", "7")]


PARTS = st.sampled_from([b"data: x", b"id: 1", b"retry: 5", b":", b"\r\n", b"\n", b"\r", b"\n\n", b"y"])


@settings(max_examples=100, deadline=None)
@given(st.lists(PARTS), st.data())
def test_it_does_not_matter_where_the_stream_is_cut(parts, data):
    text = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    whole = read(text + b"\n\n\n")
    assert read(*chunks, b"\n\n\n") == whole
