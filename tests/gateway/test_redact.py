"""Personal data: found by the rules of whoever issues it, masked where policy asks, in answers and before models."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.builders import FakeTransport, a_door, a_tool, open_policy, run

from remit.errors import FilterBroken, ToolFailed
from remit.gateway import Redaction, ToolResult, check_filters, personal
from remit.gateway.personal import FINDERS

WHO = {"name": "Ada", "mail": "ada@example.org", "notes": ["IBAN DE89 3704 0044 0532 0130 00", {"n": 4111111111111111}]}


def masked(value, *kinds, how="mask"):
    return Redaction(dict.fromkeys(kinds or FINDERS, how), lambda found: str(hash(str(found)))).of(value)


def masking(*kinds, how="mask"):
    return replace(open_policy(), redact=kinds, redact_by=how)


@pytest.mark.parametrize(
    ("kind", "text", "left"),
    [
        ("email", "mail ada.b+c@mail.example.org, please", "mail [email], please"),
        ("email", "<a@b.co>;<c@d.co>", "<[email]>;<[email]>"),
        ("email", "no@address and 5 @ 3", None),
        ("iban", "pay DE89370400440532013000 now", "pay [iban] now"),
        ("iban", "FR14 2004 1010 0505 0001 3M02 606 und so", "[iban] und so"),
        ("iban", "DE89370400440532013001", None),
        ("iban", "ORDER1234567890123456", None),
        ("card", "4111-1111-1111-1111", "[card]"),
        ("card", "invoice 4111111111111112", None),
        ("card", "4444444444444444", None),
        ("national_id", "SSN 078-05-1120.", "SSN [national_id]."),
        ("national_id", "000-12-3456", None),
        ("national_id", "AB 12 34 56 C", "[national_id]"),
        ("national_id", "X1234567L", "[national_id]"),
        ("national_id", "part 12345678A", None),
        ("ip_address", "from 192.0.2.7:80", "from [ip_address]:80"),
        ("ip_address", "2001:db8::7", "[ip_address]"),
        ("ip_address", "v1.2.3 at 10:30:15, 300.1.1.1", None),
        ("phone", "+49 (30) 123456-7", "[phone]"),
        ("phone", "call (555) 123-4567!", "call [phone]!"),
        ("phone", "on 2026-11-21 for 1234567.00", None),
        ("phone", "0.1234567", None),
    ],
)
def test_what_is_personal_is_found_and_what_only_looks_so_is_left(kind, text, left):
    assert masked(text, kind) == (left or text)


def test_values_are_masked_wherever_they_stand():
    assert masked(WHO) == {"name": "Ada", "mail": "[email]", "notes": ["IBAN [iban]", {"n": "[card]"}]}
    assert masked({"ada@example.org": 1}) == {"[email]": 1}


def test_a_value_without_personal_data_is_the_same_object():
    value = {"a": [1, 2.5, None, True, "text", {"b": 10**12 + 1}]}
    assert masked(value, "email") is value


def test_a_token_stands_for_the_same_value_each_time():
    one, other, again = masked(["a@x.org", "b@x.org", "A@X.org"], how="tokenise")
    assert one == again != other
    assert one.startswith("[email:")


@given(st.text(max_size=300))
def test_no_text_breaks_a_filter_and_nothing_is_left_that_it_would_find(text):
    once = masked(text)
    for kind, finder in FINDERS.items():
        assert not [span for span in finder(once) if f"[{kind}" not in once[slice(*span)]]


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_every_address_is_found(address):
    assert masked(f"at {address}, ok", "ip_address") == "at [ip_address], ok"


def test_a_filter_that_masks_nothing_is_an_error(monkeypatch):
    check_filters(FINDERS)
    monkeypatch.setitem(personal.FINDERS, "iban", lambda _text: iter(()))
    check_filters(["email"])
    with pytest.raises(FilterBroken, match="iban"):
        check_filters(FINDERS)


def test_an_answer_is_masked_before_the_agent_and_the_record_have_it():
    async def story():
        door = await a_door(
            a_tool("crm__read"),
            policies=[masking("email", "iban")],
            transport=FakeTransport(read=lambda: ToolResult(WHO)),
        )
        answer = await door.call("crm__read")
        assert answer["mail"] == "[email]"
        (done,) = await door.entries("call.done")
        assert done.payload["redacted"] == {"email": 1, "iban": 1}
        # From the record it is what the agent had.
        again = await door.call("crm__read")
        assert again == answer

    run(story())


def test_an_error_is_masked_too():
    async def story():
        told = ToolResult(None, error="ada@example.org is unknown")
        door = await a_door(
            a_tool("crm__read"), policies=[masking("email")], transport=FakeTransport(read=lambda: told)
        )
        with pytest.raises(ToolFailed) as failed:
            await door.call("crm__read")
        assert "ada@" not in failed.value.detail

    run(story())


def test_what_is_sent_to_a_model_is_masked_as_well_and_what_is_sent_to_a_tool_is_not():
    async def story():
        door = await a_door(a_tool("model__chat"), a_tool("crm__read"), policies=[masking("email")])
        await door.call("model__chat", prompt="write to ada@example.org")
        await door.call("crm__read", mail="ada@example.org")
        sent = [arguments for _, arguments, _ in door.transport.calls]
        assert sent == [{"prompt": "write to [email]"}, {"mail": "ada@example.org"}]

    run(story())


def test_where_policies_differ_masking_wins():
    policies = [masking("email", how="tokenise"), replace(masking("email"), name="other")]

    async def story():
        door = await a_door(
            a_tool("crm__read"), policies=policies, transport=FakeTransport(read=lambda: ToolResult(WHO))
        )
        assert (await door.call("crm__read"))["mail"] == "[email]"

    run(story())
