"""One error type that crosses every layer. It carries a code and facts, never prose.

The prose (kk, ru, en), the HTTP status, the side that must act and the remedy live in `contracts/errors.yaml`
and are added only at the edge, by `egovkit.problems`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Refusals that time can cure: the same envelope may pass once a fresh CRL or member list is here. Every other
# EgovError stays wrong however often it is tried.
TRANSIENT = frozenset({"certificate.revocation_unknown", "participant.list_unknown", "service.unavailable"})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is wrong.

    `field` is a dotted path ("form.rooms", "attachments.0.name"), `code` a short reason ("missing").
    What is shown is `field.<code>` of errors.yaml in the reader's language, with `params` filled in; `message` is the
    English of logs.
    """

    field: str
    code: str
    message: str
    params: Mapping[str, object] = dataclasses.field(default_factory=dict, hash=False)


class EgovError(Exception):
    """A refusal with a stable code out of contracts/errors.yaml.

    `params` fill the `{placeholders}` of the texts and are shown as extra members of the problem document:
    put no personal data there. What a sentence says of them is in the reader's language, so a reason or a state is a
    code of contracts/words.yaml, never prose; what only another program said goes into `technical`, which no text
    names. `clause` is the place of the act that the refusal rests on ("п. 8.3").
    """

    def __init__(
        self, code: str, *, clause: str | None = None, errors: Sequence[FieldError] = (), **params: object
    ) -> None:
        super().__init__(code)
        self.code = code
        self.clause = clause
        self.errors = tuple(errors)
        self.params: dict[str, object] = params

    @property
    def transient(self) -> bool:
        """True when trying again later may help without anybody changing the message."""
        return self.code in TRANSIENT

    def __str__(self) -> str:
        parts = [self.code]
        if self.clause:
            parts.append(f"clause={self.clause}")
        parts += [f"{name}={value!r}" for name, value in self.params.items()]
        parts += [f"{error.field}:{error.code}" for error in self.errors]
        return " ".join(parts)
