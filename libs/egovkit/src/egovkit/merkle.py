"""Merkle trees as RFC 6962 (section 2.1) and RFC 9162 have them, over SHA-256. Pure.

A leaf is hashed with 0x00 before it and a node with 0x01, so that no node can pass as a leaf. Nothing is doubled: a
node without a neighbour goes up as it is, which gives the same tree as the RFC's largest power of two on the left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

__all__ = ["Proof", "Side", "leads_to", "leaf", "proofs", "root"]

Side = Literal["left", "right"]
Proof = tuple[tuple[Side, bytes], ...]  # from the leaf up: where the neighbour stands, and its hash

LEAF, NODE = b"\x00", b"\x01"


def leaf(data: bytes) -> bytes:
    """The hash of a leaf's data: what stands lowest in the tree."""
    return hashlib.sha256(LEAF + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(NODE + left + right).digest()


def root(data: Sequence[bytes]) -> bytes:
    """The root over the leaves' data; of nothing it is SHA-256 of nothing."""
    level = [leaf(one) for one in data]
    while len(level) > 1:
        level = _above(level)
    return level[0] if level else hashlib.sha256().digest()


def proofs(data: Sequence[bytes], wanted: Sequence[int]) -> list[Proof]:
    """The way from each wanted leaf (by its index) to the root, the tree being built once."""
    level, places = [leaf(one) for one in data], list(wanted)
    ways: list[list[tuple[Side, bytes]]] = [[] for _ in wanted]
    while len(level) > 1:
        for way, place in zip(ways, places, strict=True):
            neighbour = place ^ 1
            if neighbour < len(level):
                way.append(("left" if neighbour < place else "right", level[neighbour]))
        level, places = _above(level), [place // 2 for place in places]
    return [tuple(way) for way in ways]


def leads_to(data: bytes, proof: Proof) -> bytes:
    """The root this way ends at: the leaf is in the tree when it is the tree's."""
    at = leaf(data)
    for side, neighbour in proof:
        at = node(neighbour, at) if side == "left" else node(at, neighbour)
    return at


def _above(level: Sequence[bytes]) -> list[bytes]:
    pairs = [node(level[place], level[place + 1]) for place in range(0, len(level) - 1, 2)]
    return pairs + ([level[-1]] if len(level) % 2 else [])
