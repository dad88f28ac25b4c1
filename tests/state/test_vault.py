"""Bodies: sealed under a key of their mission, named by what they hold, gone when the key is."""

import asyncio
import stat

import pytest

from remit.adapters.memory import MemoryStore
from remit.errors import KeyMissing, NotFound, StoreCorrupted
from remit.ledger import Commit, Draft, PutRecord
from remit.ledger.seal import Signer, extend
from remit.ledger.tree import CompactRange
from remit.ledger.verify import Verifier
from remit.state import KeyRing, Pointer, Vault

SPACE = "msn-1"


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 10))


async def a_vault(*spaces, key=b"k" * 32, store=None):
    store = store or MemoryStore()
    vault = Vault(KeyRing(key), store)
    await store.commit(Commit((), tuple(vault.open_space(space) for space in spaces or (SPACE,))))
    return vault, store


async def put(vault, store, value, space=SPACE):
    pointer, body = vault.seal(space, value)
    await store.commit(Commit((), (body,)))
    return pointer


@pytest.mark.parametrize("value", [{}, {"b": [1, 2.5, None, True], "a": "ä"}, "x" * 5000, [], 0, None, ""], ids=repr)
def test_a_value_comes_back_as_it_was_sealed_and_another_process_reads_it_too(value):
    async def story():
        vault, store = await a_vault()
        pointer = await put(vault, store, value)

        assert await vault.open(pointer) == value
        assert await Vault(KeyRing(b"k" * 32), store).open(pointer) == value

    run(story())


def test_equal_values_of_one_mission_have_one_name_and_of_two_missions_two():
    async def story():
        vault, _ = await a_vault("one", "two")

        first, _ = vault.seal("one", {"a": 1, "b": 2})
        same, _ = vault.seal("one", {"b": 2, "a": 1})
        other, _ = vault.seal("two", {"a": 1, "b": 2})

        assert first == same
        assert first.cid != other.cid
        assert vault.digest("one", {"b": 2, "a": 1}) == first.cid

    run(story())


def test_what_is_stored_shows_nothing_of_the_value():
    async def story():
        vault, store = await a_vault()
        pointer = await put(vault, store, {"iban": "DE89 3704 0044"})

        assert b"DE89" not in await store.blob(SPACE, pointer.cid)

    run(story())


def test_large_values_are_compressed():
    async def story():
        vault, store = await a_vault()
        pointer = await put(vault, store, "invoice line " * 10_000)

        assert len(await store.blob(SPACE, pointer.cid)) < 2_000

    run(story())


@pytest.mark.parametrize("place", [0, 12, -1])
def test_a_body_that_was_changed_is_corrupted(place):
    async def story():
        vault, store = await a_vault()
        pointer = await put(vault, store, {"a": 1})
        body = bytearray(store._blobs[SPACE, pointer.cid])
        body[place] ^= 1
        store._blobs[SPACE, pointer.cid] = bytes(body)

        with pytest.raises(StoreCorrupted, match=pointer.cid):
            await vault.open(pointer)

    run(story())


def test_a_body_that_was_cut_off_is_corrupted():
    async def story():
        vault, store = await a_vault()
        pointer = await put(vault, store, {"a": 1})
        for kept in (0, 5, 12, 20):
            store._blobs[SPACE, pointer.cid] = store._blobs[SPACE, pointer.cid][:kept]
            with pytest.raises(StoreCorrupted):
                await vault.open(pointer)

    run(story())


def test_a_body_under_another_bodys_name_is_corrupted():
    async def story():
        vault, store = await a_vault()
        one, two = await put(vault, store, "pay 1"), await put(vault, store, "pay 1000")
        store._blobs[SPACE, one.cid] = store._blobs[SPACE, two.cid]

        with pytest.raises(StoreCorrupted):
            await vault.open(one)

    run(story())


def test_another_homes_key_opens_nothing():
    async def story():
        vault, store = await a_vault()
        pointer = await put(vault, store, 1)

        with pytest.raises(KeyMissing, match=SPACE):
            await Vault(KeyRing(b"x" * 32), store).open(pointer)

    run(story())


def test_a_missions_key_does_not_open_as_anothers():
    async def story():
        vault, store = await a_vault("one", "two")
        pointer = await put(vault, store, 1, "one")
        await store.commit(Commit((), (PutRecord("key", "two", await store.record("key", "one")),)))

        with pytest.raises(KeyMissing, match="two"):
            await Vault(KeyRing(b"k" * 32), store).open(Pointer("two", pointer.cid))

    run(story())


def test_what_was_never_sealed_is_not_found():
    async def story():
        vault, _ = await a_vault()

        for pointer in (Pointer(SPACE, "0" * 32), Pointer("msn-none", "0" * 32)):
            with pytest.raises(NotFound):
                await vault.open(pointer)

    run(story())


def test_destroying_a_key_makes_bodies_unreadable_and_the_record_still_verifies():
    async def story():
        vault, store = await a_vault()
        pointer, body = vault.seal(SPACE, {"name": "a person"})
        draft = Draft(f"mission/{SPACE}", "mission.submitted", {"inputs": pointer.cid}, "principal:anna", 1)
        await store.commit(Commit((draft,), (body,)))

        await store.commit(Commit((), (PutRecord("key", SPACE, None),)))

        with pytest.raises(NotFound, match="cannot be read"):
            await Vault(KeyRing(b"k" * 32), store).open(pointer)
        signer = Signer.from_seed("remit.local", b"s" * 32)
        rows = await store.rows()
        _, seal = extend(CompactRange(), [bytes.fromhex(digest) for _, _, digest in rows], signer)
        verifier = Verifier(signer.public)
        for row in rows:
            verifier.entry(*row)
        verifier.seal(seal.note)
        assert verifier.finish().ok

    run(story())


# --- the key file


def test_a_key_file_is_for_its_owner_only_and_never_overwritten(tmp_path):
    path = tmp_path / "keys" / "home.key"
    KeyRing.create(path)
    held = path.read_bytes()

    with pytest.raises(FileExistsError):
        KeyRing.create(path)

    assert path.read_bytes() == held
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    KeyRing.open(path)


@pytest.mark.parametrize("content", [None, b"", b"zz" * 32, b"ab" * 16, b"ab" * 33, b"\xff\xfe"])
def test_a_file_that_holds_no_key_is_a_missing_key_and_shows_nothing_of_it(tmp_path, content):
    path = tmp_path / "home.key"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(KeyMissing) as missing:
        KeyRing.open(path)

    assert "home.key" in str(missing.value)
    assert not content or content.hex() not in str(missing.value)
    assert "abab" not in str(missing.value)
