"""The step kinds a regulation may name: data selects behaviour here, and never contains it.

A kind says what sort of flow item it may stand on, which side acts, which message (if any) makes the
gateways see it, and the state a case is in once it was reached. Adding a kind is a change of code and of
its users, on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

ItemType = Literal["precondition", "process", "condition"]
Who = Literal["origin", "provider", "gateway"]

TYPE_PREFIX = "kz.egov."
TYPE_SUFFIX = ".v1"


def message_name(message_type: str) -> str:
    """The short name the catalogue uses: `kz.egov.case.submitted.v1` and `case.submitted` are the same
    message.
    """
    return message_type.removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX)


def message_type(name: str) -> str:
    """The full CloudEvents type of a short name; a full type is returned as it is."""
    return name if name.startswith(TYPE_PREFIX) else f"{TYPE_PREFIX}{name}{TYPE_SUFFIX}"


@dataclass(frozen=True, slots=True)
class StepKind:
    """`message`: reaching the step is told by this message; None = a local step, told by the next trail.

    `standing`: further messages of the same step, allowed while the case stands on it.
    `ends_on`: the message that ends the case where the step is final; None = the one that reached it.
    """

    name: str
    type: ItemType
    who: Who
    state: str
    message: str | None = None
    standing: tuple[str, ...] = ()
    ends_on: str | None = None


_ALL = (
    # before the flow proper
    StepKind("register_account", "precondition", "origin", "account_registered"),
    StepKind("visit", "precondition", "origin", "papers_shown"),  # Tayynsha 6 1), the Corporation's counter
    # at the origin
    StepKind("authenticate", "process", "origin", "logging_in"),
    StepKind("verify_login", "condition", "origin", "login_checked"),
    StepKind("refuse_login", "process", "origin", "login_refused"),  # E9: there is no case yet, so no message
    StepKind("choose_and_fill", "process", "origin", "form_filled"),
    StepKind("check_certificate", "condition", "origin", "certificate_checked"),
    StepKind("refuse_signature", "process", "origin", "signature_refused", message="steps.reported"),
    StepKind("sign", "process", "origin", "signed"),
    StepKind("attach_and_sign", "process", "origin", "signed"),
    StepKind("sign_and_send", "process", "origin", "submitted", message="case.submitted"),
    StepKind("send", "process", "origin", "submitted", message="case.submitted"),
    StepKind("send_and_process", "process", "origin", "submitted", message="case.submitted"),  # one item, N2
    StepKind("query_registers", "process", "origin", "data_requested", message="query.person"),
    StepKind("check_registers", "condition", "origin", "data_checked"),
    StepKind("report_no_data", "process", "origin", "no_data", message="steps.reported"),  # A9
    # at the provider
    StepKind("register", "process", "provider", "registered", message="case.registered"),
    StepKind("check_documents", "condition", "provider", "documents_checked"),
    StepKind("refuse_documents", "process", "provider", "refused", message="case.refused"),
    StepKind("process", "process", "provider", "in_work"),
    StepKind("decide", "process", "provider", "decided", message="case.decided"),
    StepKind("issue_result", "process", "provider", "completed", message="case.completed"),
    StepKind(  # the provider completes, the counter hands over: two messages of one step
        "hand_over", "process", "provider", "completed",
        message="case.completed", standing=("case.handed_over",), ends_on="case.handed_over",
    ),
)  # fmt: skip

STEP_KINDS: Mapping[str, StepKind] = {kind.name: kind for kind in _ALL}


def messages_of(kind: StepKind, registers: Sequence[str] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(messages that reach a step of this kind, further messages while the case stands on it).

    Asking registers is one step with many messages: the first query reaches it; the others, repetitions
    while a register is silent (E1) and the answers come while the case stands there.
    """
    if kind.name == "query_registers":
        asked = tuple(registers) or ("person",)
        queries = tuple(f"query.{name}" for name in asked)
        return queries[:1], queries + tuple(f"answer.{name}" for name in asked)
    return ((kind.message,) if kind.message else ()), kind.standing


REGISTER_NAMES = ("person", "attorney", "register")  # ГБД ФЛ, ЕНИС, the akimat's own registers

# E3: messages that stand in no flow. `case.status` is the provider's word on where the case is
# (architecture: who owns what); `case.registered` is one for the two acts whose narrative has no
# registration (N2).
SIDE_MESSAGES = frozenset({
    "case.status", "case.registered", "case.extended", "case.paused", "case.resumed",
    "case.supplement_requested", "case.supplement_supplied", "case.withdrawn", "case.appealed",
    "case.handed_over", "query.register", "answer.register",
})  # fmt: skip
