"""Seals against the vectors of the signed-note reference, and everything that makes one invalid."""

from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInput
from remit.ledger.seal import PublicKey, Signer, extend, open_note, open_seal, parse_seal
from remit.ledger.tree import EMPTY_ROOT, CompactRange

#: The example of Go's sumdb/note.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
NOTE = f"{TEXT}\n\N{EM DASH} PeterNeumann {SIGNATURE}\n"

SIGNER = Signer.from_seed("remit.example/ledger/default", bytes(range(32)))
LEAVES = [sha256(b"\x00" + bytes([number])).digest() for number in range(11)]


def a_seal():
    return extend(CompactRange(), LEAVES, SIGNER)[1]


def test_the_note_of_the_reference_opens_with_its_key():
    assert open_note(NOTE, PublicKey.parse(VKEY)) == TEXT
    assert PublicKey.parse(VKEY).vkey == VKEY


def test_a_seal_is_a_checkpoint_in_a_signed_note():
    _, seal = extend(CompactRange(), LEAVES, SIGNER)

    lines = seal.note.split("\n")
    assert lines[:2] == ["remit.example/ledger/default", "11"]
    assert lines[2] == b64encode(seal.root).decode()
    assert lines[3] == ""
    assert lines[4].startswith("\N{EM DASH} remit.example/ledger/default ")
    assert open_seal(seal.note, PublicKey.parse(SIGNER.public.vkey)) == parse_seal(seal.note) == seal


def test_sealing_goes_on_from_a_stored_range():
    past, first = extend(CompactRange(), LEAVES[:4], SIGNER)
    now, second = extend(CompactRange.from_json(past.to_json()), LEAVES[4:], SIGNER)

    assert (first.size, second.size, now.size) == (4, 11, 11)
    assert second == a_seal()


def test_the_empty_record_can_be_sealed():
    _, seal = extend(CompactRange(), [], SIGNER)
    assert (seal.size, seal.root) == (0, EMPTY_ROOT)


def test_signatures_of_others_are_passed_over():
    witness = Signer.from_seed("witness.example", b"w" * 32)
    text, blank, ours = a_seal().note.rpartition("\n\n")
    theirs = witness.sign(text + "\n").rpartition("\n\n")[2]

    assert open_seal(text + blank + theirs + ours, SIGNER.public).size == 11
    with pytest.raises(InvalidInput, match="not signed by the key"):
        open_seal(text + blank + theirs, SIGNER.public)


def test_a_key_of_the_same_name_is_not_the_key():
    other = Signer.from_seed(SIGNER.public.name, b"x" * 32)
    with pytest.raises(InvalidInput, match="not signed by the key"):
        open_seal(other.seal(11, LEAVES[0]).note, SIGNER.public)


def test_a_seal_of_another_record_is_refused_though_the_key_signed_it():
    note = SIGNER.sign(f"elsewhere\n1\n{b64encode(LEAVES[0]).decode()}\n")
    with pytest.raises(InvalidInput, match="another record"):
        open_seal(note, SIGNER.public)


@given(st.data())
def test_a_changed_character_is_always_found(data):
    note = a_seal().note
    at = data.draw(st.integers(0, len(note) - 1))
    character = data.draw(st.characters(codec="utf-8").filter(lambda drawn: drawn != note[at]))
    with pytest.raises(InvalidInput):
        open_seal(note[:at] + character + note[at + 1 :], SIGNER.public)


def test_base64_that_spells_the_same_bytes_otherwise_is_refused():
    note = a_seal().note
    assert note.endswith("=\n")
    last = note[-3]
    other = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    sibling = other[other.index(last) ^ 1]
    with pytest.raises(InvalidInput, match="cannot be read"):
        open_seal(note[:-3] + sibling + "=\n", SIGNER.public)


@given(st.text())
def test_garbage_is_not_a_seal(text):
    with pytest.raises(InvalidInput):
        parse_seal(text)


@pytest.mark.parametrize(
    "text",
    [
        "o\n01\n" + b64encode(bytes(32)).decode() + "\n",
        "o\n-1\n" + b64encode(bytes(32)).decode() + "\n",
        "o\n\N{ARABIC-INDIC DIGIT ONE}\n" + b64encode(bytes(32)).decode() + "\n",
        "o\n1\n" + b64encode(bytes(31)).decode() + "\n",
        "o\n1\n",
        "o\n1\n!\n",
        "o\n\n1\n" + b64encode(bytes(32)).decode() + "\n",
    ],
)
def test_a_note_that_is_no_checkpoint_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_seal(SIGNER.sign(text))


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "a+b",
        "a+b+c",
        VKEY.replace("c74f", "c74e"),
        VKEY.replace("Peter", "Pet er"),
        VKEY[:-4],
        VKEY + "\n",
        "a+1+AQ==",
    ],
)
def test_a_key_that_does_not_hold_together_is_refused(vkey):
    with pytest.raises(InvalidInput):
        PublicKey.parse(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\N{NO-BREAK SPACE}b"])
def test_a_key_is_not_given_a_name_that_a_note_cannot_carry(name):
    with pytest.raises(InvalidInput):
        Signer.from_seed(name, bytes(32))


def test_a_seed_of_another_length_is_refused():
    with pytest.raises(InvalidInput):
        Signer.from_seed("a", bytes(31))
