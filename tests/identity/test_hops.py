"""How work was handed on: each home's word, that nobody after it can change."""

import base64
import json

import pytest

from remit.adapters.system import KeyFolder
from remit.errors import AncestryForged, KeyMissing
from remit.identity import HopKey, read_hops
from remit.identity.hops import FRESH_SECONDS, HOPS_MAX

NOW = 1_800_000_000_000_000
LINKS = ("pay@msn-1/a", "check@msn-2/b", "look@msn-3/c")


@pytest.fixture
def keys(tmp_path):
    return [HopKey.of(KeyFolder(tmp_path / name)) for name in ("one", "two", "three")]


def chain(keys, *, message="m", audience="there:1"):
    """Each home hands on with one link more."""
    signed = ()
    for number, key in enumerate(keys, 1):
        last = number == len(keys)
        own = key.sign(
            LINKS[:number],
            before=signed,
            agent=f"a{number}@1",
            message=message if last else "other",
            audience=audience if last else "between",
            now_us=NOW if last else NOW - 86_400_000_000,
        )
        signed = (*signed, own)
    return signed


def read(signed, above=LINKS, *, message="m", audience="there:1", now_us=NOW):
    return read_hops(signed, above, message=message, audience=audience, now_us=now_us)


def test_what_every_home_signed_is_read_by_the_last_one(keys):
    hops = read(chain(keys))

    assert [hop.home for hop in hops] == [key.home for key in keys]
    assert [(hop.agent, hop.links) for hop in hops] == [("a1@1", 1), ("a2@1", 2), ("a3@1", 3)]
    assert read((), ()) == ()


def test_a_key_is_kept_and_one_that_cannot_be_read_says_so(tmp_path):
    folder = KeyFolder(tmp_path)

    assert HopKey.of(folder).home == HopKey.of(folder).home
    (tmp_path / "bad").mkdir()
    KeyFolder(tmp_path / "bad").save("hops", b"{}")
    with pytest.raises(KeyMissing):
        HopKey.of(KeyFolder(tmp_path / "bad"))


def rewritten(text, **changes):
    head, claims, signature = text.split(".")
    padded = claims + "=" * (-len(claims) % 4)
    told = {**json.loads(base64.urlsafe_b64decode(padded)), **changes}
    return ".".join((head, base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("="), signature))


@pytest.mark.parametrize(
    ("change", "more"),
    [
        (lambda signed: signed[1:], {}),
        (lambda signed: signed[:-1], {}),
        (lambda signed: (signed[0], signed[2]), {}),
        (lambda signed: (signed[1], signed[0], signed[2]), {}),
        (lambda signed: (rewritten(signed[0], act="other@1"), *signed[1:]), {}),
        (lambda signed: (*signed[:2], rewritten(signed[2], n=2)), {}),
        (lambda signed: (*signed[:2], "a.b.c"), {}),
        (lambda signed: (*signed[:2], ""), {}),
        (lambda signed: signed * 6, {}),
        (lambda signed: (*signed[:2], "x" * 5000), {}),
        (lambda signed: signed, {"above": LINKS[:2]}),
        (lambda signed: signed, {"above": (*LINKS, "more@msn-4/d")}),
        (lambda signed: signed, {"above": (LINKS[1], LINKS[0], LINKS[2])}),
        (lambda signed: signed, {"message": "n"}),
        (lambda signed: signed, {"audience": "there:2"}),
        (lambda signed: signed, {"now_us": NOW + (FRESH_SECONDS + 1) * 1_000_000}),
        (lambda signed: signed, {"now_us": NOW - 61_000_000}),
    ],
)
def test_what_somebody_changed_is_refused(keys, change, more):
    with pytest.raises(AncestryForged):
        read(change(chain(keys)), **more)


def test_a_token_of_another_kind_is_no_hop():
    from remit.identity import Behalf, SubjectKey

    class Kept:
        def load(self, _name):
            return None

        def save(self, _name, _secret):
            pass

    other = SubjectKey.of(Kept()).issue(Behalf("anna", "a@1"), issuer="i", audience="a", now_us=NOW, name="n")

    with pytest.raises(AncestryForged):
        read((other,), ())


def test_no_more_hops_are_read_than_work_may_be_handed_on(keys):
    with pytest.raises(AncestryForged, match=str(HOPS_MAX)):
        read(chain(keys[:1]) * (HOPS_MAX + 1))
