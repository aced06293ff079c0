"""Those who sign an application beside its applicant: named in the document he signed, one of each role that the act's
form asks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

STRANGER: Final = "signature.of_a_stranger"
TWICE: Final = "signature.signer_twice"
MISSING: Final = "signature.signer_missing"

Named = tuple[str, str]  # role, ИИН

MOST: Final = 7  # both as case.submitted has them
_NAMED = re.compile(r"[a-z_]{1,20} [0-9]{12}")


@dataclass(frozen=True, slots=True)
class CoSignature:
    """`signature` is None where it did not come, `judged` where nothing could be read of it."""

    role: str
    iin: str
    signature: bytes | None
    judged: dict[str, Any] | None
    reasons: tuple[str, ...]  # not to believe it


def named_in(body: Mapping[str, Any]) -> list[Named] | None:
    """In the signed document; None when it does not say it in the agreed form."""
    said = body.get("co_signers", [])
    if not isinstance(said, list) or len(said) > MOST:
        return None
    found = []
    for one in said:
        match one:
            case {"role": str(role), "iin": str(iin), **rest} if _NAMED.fullmatch(f"{role} {iin}") and not rest:
                found.append((role, iin))
            case _:
                return None
    return found


def wrongly_named(named: Sequence[Named], applicant: str, roles: Collection[str]) -> list[str]:
    """Reason codes: a role that the form does not ask for, or one person or role twice."""
    reasons = [] if all(role in roles for role, _ in named) else [STRANGER]
    people, given = [applicant, *(iin for _, iin in named)], [role for role, _ in named]
    twice = len(set(people)) != len(people) or len(set(given)) != len(given)
    return [*reasons, *([TWICE] if twice else [])]


def wrongly_sent(named: Sequence[Named], sent: Sequence[Named]) -> list[str]:
    """Reason codes: signatures of people the document does not name, or two of one."""
    reasons = [] if set(sent) <= set(named) else [STRANGER]
    return [*reasons, *([TWICE] if len(set(sent)) != len(sent) else [])]
