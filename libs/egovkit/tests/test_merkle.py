from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egovkit.merkle import leads_to, leaf, node, proofs, root

# The data and roots of certificate transparency's own tests (RFC 6962; "ReferenceMerkleTree" of its repository).
DATA = [bytes.fromhex(one) for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
DATA.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize(("count", "expected"), ROOTS.items())
def test_roots_are_those_of_certificate_transparency(count: int, expected: str) -> None:
    assert root(DATA[:count]).hex() == expected


def test_of_nothing_it_is_the_hash_of_nothing() -> None:
    assert root([]) == hashlib.sha256(b"").digest()


@given(st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=40))
def test_every_leaf_finds_its_way_to_the_root_and_no_other_does(data: list[bytes]) -> None:
    top = root(data)
    for one, way in zip(data, proofs(data, range(len(data))), strict=True):
        assert leads_to(one, way) == top
        assert leads_to(one + b"!", way) != top
        assert all(leads_to(one, (*way[:n], *way[n + 1 :])) != top for n in range(len(way)))


def split(data: list[bytes]) -> bytes:
    """The RFC's own words (2.1): the largest power of two smaller than n goes left."""
    if len(data) == 1:
        return leaf(data[0])
    k = 1 << (len(data) - 1).bit_length() - 1
    return node(split(data[:k]), split(data[k:]))


@pytest.mark.parametrize("count", range(1, 35))
def test_going_up_in_pairs_is_the_tree_of_the_rfc(count: int) -> None:
    data = [bytes([n]) for n in range(count)]
    assert root(data) == split(data)


def test_a_node_cannot_pass_as_a_leaf() -> None:
    left, right = leaf(b"a"), leaf(b"b")
    assert root([b"a", b"b"]) != root([left + right])
