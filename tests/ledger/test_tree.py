"""The Merkle tree against the vectors of the RFC 6962 reference, and its proofs at every size."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInput
from remit.ledger.tree import EMPTY_ROOT, CompactRange, Tree, extends, includes

#: Data and roots of the certificate transparency reference, for 1 to 8 leaves.
DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
H01 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
H1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
H23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
H03 = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
H4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
H45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
H67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
H47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"


def leaves(count: int) -> list[bytes]:
    return [sha256(b"\x00" + number.to_bytes(4, "big")).digest() for number in range(count)]


REFERENCE = [sha256(b"\x00" + bytes.fromhex(data)).digest() for data in DATA]


def test_the_tree_without_leaves_has_the_root_of_the_reference():
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert CompactRange().root == Tree([]).root() == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference(size):
    assert CompactRange().extended(REFERENCE[:size]).root.hex() == ROOTS[size - 1]
    assert Tree(REFERENCE).root(size).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [(0, 1, []), (0, 8, [H1, H23, H47]), (5, 8, [H4, H67, H03]), (2, 3, [H01])],
)
def test_inclusion_proofs_are_those_of_the_reference(index, size, proof):
    assert [node.hex() for node in Tree(REFERENCE).inclusion(index, size)] == proof


@pytest.mark.parametrize(
    ("first", "second", "proof"),
    [(1, 1, []), (1, 8, [H1, H23, H47]), (6, 8, [H45, H67, H03]), (2, 5, [H23, H4])],
)
def test_consistency_proofs_are_those_of_the_reference(first, second, proof):
    assert [node.hex() for node in Tree(REFERENCE).consistency(first, second)] == proof


def test_every_leaf_is_proved_at_every_size_and_nowhere_else():
    tree = Tree(all_leaves := leaves(33))
    for size in range(1, 34):
        root = tree.root(size)
        for index in range(size):
            proof = tree.inclusion(index, size)
            assert includes(all_leaves[index], index, size, proof, root)
            assert not includes(all_leaves[index], index + 1, size, proof, root)
            assert not includes(all_leaves[(index + 1) % 33], index, size, proof, root)
            assert not includes(all_leaves[index], index, size, (*proof, root), root)


def test_every_tree_is_proved_to_begin_with_every_smaller_one():
    tree = Tree(leaves(33))
    for second in range(1, 34):
        for first in range(1, second + 1):
            proof = tree.consistency(first, second)
            assert extends(first, second, proof, tree.root(first), tree.root(second))
            assert not extends(first, second, proof, EMPTY_ROOT, tree.root(second))
            assert not extends(first, second, proof, tree.root(first), EMPTY_ROOT)
            assert not extends(first, second, (*proof, EMPTY_ROOT), tree.root(first), tree.root(second))


@given(st.lists(st.integers(0, 40), max_size=8))
def test_a_range_that_was_stored_goes_on_as_if_it_had_never_stopped(batches):
    all_leaves = leaves(sum(batches))
    stopped, taken = CompactRange(), 0
    for batch in batches:
        stopped = CompactRange.from_json(stopped.extended(all_leaves[taken : taken + batch]).to_json())
        taken += batch

    assert stopped == CompactRange().extended(all_leaves)
    assert stopped.root == Tree(all_leaves).root()
    assert len(stopped.peaks) <= max(1, stopped.size.bit_length())


@pytest.mark.parametrize(
    "document",
    [{}, {"size": 1, "peaks": []}, {"size": 1, "peaks": ["00"]}, {"size": -1, "peaks": []}, {"size": "x", "peaks": 3}],
)
def test_a_stored_range_that_does_not_hold_together_is_refused(document):
    with pytest.raises(InvalidInput):
        CompactRange.from_json(document)


def test_proofs_that_do_not_exist_are_refused():
    tree = Tree(leaves(3))
    for ask in (
        lambda: tree.inclusion(3),
        lambda: tree.root(4),
        lambda: tree.consistency(0),
        lambda: tree.inclusion(-1),
    ):
        with pytest.raises(InvalidInput):
            ask()
    assert not includes(b"", 0, 0, (), EMPTY_ROOT)
    assert not extends(0, 3, (), EMPTY_ROOT, tree.root())
    assert not extends(1, 3, (), EMPTY_ROOT, tree.root())


def test_a_proof_that_stops_too_early_proves_nothing():
    root = Tree(leaves(8)).root()
    assert not includes(root, 0, 8, (), root)
    assert not extends(4, 8, (), root, root)
