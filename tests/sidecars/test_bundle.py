"""A bundle is taken from the pinned key alone, for this sidecar, as the answer to this question, never an older one."""

from dataclasses import replace

import pytest

from remit.errors import BundleRefused, InvalidInput
from remit.ledger.seal import Signer, parse_seal
from remit.sidecars import BundleHead, check_bundle, digest_of, sign_head

BODY = '{"agent":"clerk"}'
HOME, OTHER = Signer.from_seed("remit.local", b"h" * 32), Signer.from_seed("remit.local", b"o" * 32)
HEAD = BundleHead("sdc-1", 3, digest_of(BODY), "n" * 32, 1_000_000)


def check(note, body=BODY, *, sidecar="sdc-1", nonce="n" * 32, known=None):
    return check_bundle(note, body, key=HOME.public, sidecar=sidecar, nonce=nonce, known=known)


def refused(note, body=BODY, **asked):
    with pytest.raises(BundleRefused) as no:
        check(note, body, **asked)
    return no.value.rule


def test_what_was_signed_for_this_question_is_taken():
    assert check(sign_head(HEAD, HOME)) == HEAD


def test_a_confirmation_needs_no_content_where_that_is_known():
    assert check(sign_head(HEAD, HOME), None, known=HEAD) == HEAD
    assert refused(sign_head(HEAD, HOME), None) == "content"


def test_another_key_signs_nothing_here():
    assert refused(sign_head(HEAD, OTHER)) == "signature"


@pytest.mark.parametrize("place", range(0, 260, 7))
def test_whatever_is_changed_in_the_head_is_noticed(place):
    note = sign_head(HEAD, HOME)
    changed = note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :]

    assert changed == note or refused(changed) in {"signature", "content"}


def test_a_content_that_was_not_signed_is_noticed():
    assert refused(sign_head(HEAD, HOME), BODY.replace("clerk", "thief")) == "content"


def test_an_older_bundle_is_refused_whoever_signed_it():
    newer = replace(HEAD, serial=4)

    assert refused(sign_head(HEAD, HOME), known=newer) == "rolled_back"


def test_one_serial_has_one_content():
    assert refused(sign_head(replace(HEAD, digest=digest_of("{}")), HOME), "{}", known=HEAD) == "rolled_back"


def test_a_bundle_of_another_sidecar_or_question_is_refused():
    assert refused(sign_head(HEAD, HOME), sidecar="sdc-2") == "another_sidecar"
    assert refused(sign_head(HEAD, HOME), nonce="m" * 32) == "nonce"


def test_a_head_can_never_be_read_as_a_seal_of_the_ledger():
    with pytest.raises(InvalidInput):
        parse_seal(sign_head(HEAD, HOME))


def test_a_seal_of_the_ledger_is_no_head():
    assert refused(HOME.seal(3, b"r" * 32).note) == "signature"
