"""Questions to the person, one at a time: as NCALayer has one window. Console and control API answer them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from egovkit.clock import Clock
from egovkit.ids import Ids
from egovkit.log import get_logger
from ncalayer_mock.domain.choosing import Card, Wanted
from ncalayer_mock.domain.protocol import Cancelled, Refused
from ncalayer_mock.store import Held, KeyRing

SHOWN = 120  # characters of a document's beginning

_log = get_logger("ncalayer_mock.desk")


class Standing(StrEnum):
    ASK = "ask"  # wait for the person
    CONFIRM = "confirm"  # sign with the first key that fits
    CANCEL = "cancel"  # as if the person closed the window


@dataclass(frozen=True, slots=True)
class Document:
    """What a person can compare: `beginning` of a text, with what a terminal would obey taken out."""

    size: int
    sha256: str
    beginning: str


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    asked_at: datetime
    origin: str | None
    method: str
    documents: tuple[Document, ...]
    language: str  # kk or ru


class NoQuestion(Exception):
    """It was answered already, or never asked."""


class KeyUnknown(Exception):
    """No such key, or one that does not fit."""


@dataclass(slots=True)
class _Waiting:
    question: Question
    wanted: Wanted
    answer: asyncio.Future[Held | None]


class Desk:
    """`listeners` are told of every question; `standing` answers without asking."""

    def __init__(self, ring: KeyRing, clock: Clock, ids: Ids, patience_s: float, standing: Standing) -> None:
        self.ring, self.standing = ring, standing
        self.listeners: list[Callable[[Question], None]] = []
        self._clock, self._ids, self._patience = clock, ids, patience_s
        self._window = asyncio.Lock()
        self._open: _Waiting | None = None

    async def ask(
        self, origin: str | None, method: str, documents: Sequence[Document], wanted: Wanted, language: str
    ) -> Held:
        """The key the person chose. Cancelled; Refused when the page's own filter cannot be read."""
        async with self._window:
            try:
                fitting = self.ring.fitting(wanted)
            except ValueError:
                raise Refused("chain holds what is no certificate") from None
            _log.info("agent.asked", origin=origin, method=method, documents=len(documents), fitting=len(fitting))
            if self.standing is Standing.CONFIRM and not fitting:
                _log.warning("agent.no_key_fits", origin=origin, method=method)
            if self.standing is not Standing.ASK:
                chosen = fitting[0] if self.standing is Standing.CONFIRM and fitting else None
            else:
                now = self._clock.now()
                question = Question(self._ids.new(), now, origin, method, tuple(documents), language)
                chosen = await self._answered(_Waiting(question, wanted, asyncio.get_running_loop().create_future()))
        if chosen is None:
            raise Cancelled
        return chosen

    async def _answered(self, waiting: _Waiting) -> Held | None:
        self._open = waiting
        patience: asyncio.Future[None] = asyncio.ensure_future(self._clock.sleep(self._patience))
        try:
            for listener in self.listeners:
                listener(waiting.question)
            either: set[asyncio.Future[Any]] = {waiting.answer, patience}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return waiting.answer.result() if waiting.answer.done() else None
        finally:
            patience.cancel()
            self._open = None

    # ---- the person's hand

    @property
    def question(self) -> Question | None:
        """The one that waits for an answer."""
        return None if self._open is None or self._open.answer.done() else self._open.question

    def choice(self, question: str) -> list[Card]:
        """Keys that fit, those that came meanwhile too. NoQuestion."""
        return [one.card for one in self.ring.fitting(self._waiting(question).wanted)]

    def confirm(self, question: str, thumbprint: str | None = None) -> Card:
        """Sign, with this key or the only one that fits. NoQuestion, KeyUnknown."""
        waiting = self._waiting(question)
        fitting = self.ring.fitting(waiting.wanted)
        chosen = [one for one in fitting if thumbprint in (None, one.card.thumbprint)]
        if len(chosen) != 1:
            raise KeyUnknown(thumbprint or f"{len(fitting)} keys fit: name one")
        waiting.answer.set_result(chosen[0])
        return chosen[0].card

    def cancel(self, question: str) -> None:
        """NoQuestion."""
        self._waiting(question).answer.set_result(None)

    def _waiting(self, question: str) -> _Waiting:
        if self._open is None or self._open.question.id != question or self._open.answer.done():
            raise NoQuestion(question)
        return self._open


def document_of(content: bytes) -> Document:
    text = content[: SHOWN * 4].decode("utf-8", "ignore")[:SHOWN]
    return Document(len(content), hashlib.sha256(content).hexdigest(), printable(text))


def printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(one if one.isprintable() else "·" for one in text)
