"""Where the code does what an act demands. Kept by hand; the check fails for a path that is gone and for a duty of a
kind that no row has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sandbox.traceability.duties import Duty

Where = tuple[str, ...]

PORTAL, CENTRE, ORIGIN = "portal-pep/src/portal_pep", "con-arm/src/con_arm", "libs/egovorigin/src/egovorigin"
PROVIDER, LAW = "services/provider-arm/src/provider_arm", "libs/egovlaw/src/egovlaw"
SHEP = "gateway-shep/src/gateway_shep"

# By the kind of step, then by who takes the application in.
STEPS: Mapping[str, Mapping[str, Where]] = {
    "register_account": {"portal": (f"{PORTAL}/service/accounts.py",), "centre": (f"{CENTRE}/service/visits.py",)},
    "visit": {"centre": (f"{CENTRE}/service/visits.py",), "provider": (f"{PROVIDER}/service/drafts.py",)},
    "authenticate": {
        "portal": (f"{PORTAL}/service/accounts.py",),
        "centre": (f"{CENTRE}/service/operators.py",),
        "provider": (f"{PROVIDER}/service/staff.py",),
    },
    "verify_login": {"portal": (f"{PORTAL}/service/accounts.py",), "provider": (f"{PROVIDER}/service/staff.py",)},
    "refuse_login": {"portal": (f"{PORTAL}/service/accounts.py",), "provider": (f"{PROVIDER}/service/staff.py",)},
    "choose_and_fill": {
        "portal": (f"{PORTAL}/service/cases.py",),
        "centre": (f"{CENTRE}/service/cases.py",),
        "provider": (f"{PROVIDER}/service/drafts.py",),
    },
    "check_certificate": {
        "portal": (f"{PORTAL}/service/signing.py",),
        "provider": (f"{PROVIDER}/service/signers.py",),
    },
    "refuse_signature": {
        "portal": (f"{PORTAL}/service/ending.py",),
        "provider": (f"{PROVIDER}/service/filing.py",),
    },
    "sign": {"portal": (f"{PORTAL}/service/signing.py",), "provider": (f"{PROVIDER}/service/filing.py",)},
    "attach_and_sign": {
        "centre": (f"{CENTRE}/service/signing.py",),
        "provider": (f"{PROVIDER}/service/filing.py",),
    },
    "sign_and_send": {"portal": (f"{PORTAL}/service/signing.py", f"{PORTAL}/service/submitting.py")},
    "send": {"centre": (f"{CENTRE}/service/signing.py",)},
    "send_and_process": {"portal": (f"{PORTAL}/service/submitting.py", f"{PROVIDER}/service/intake.py")},
    "query_registers": {
        "centre": (f"{CENTRE}/service/queries.py",),
        "provider": (f"{PROVIDER}/service/queries.py",),
    },
    "check_registers": {
        "centre": (f"{CENTRE}/domain/answers.py",),
        "provider": (f"{PROVIDER}/domain/answers.py",),
    },
    "report_no_data": {
        "centre": (f"{CENTRE}/service/ending.py",),
        "provider": (f"{PROVIDER}/service/queries.py",),
    },
    "register": {"": (f"{PROVIDER}/service/registration.py",)},
    "check_documents": {"": (f"{PROVIDER}/service/decisions.py",)},
    "refuse_documents": {"": (f"{PROVIDER}/service/decisions.py",)},
    "process": {"": (f"{PROVIDER}/service/filing.py",)},
    "decide": {"": (f"{PROVIDER}/service/deciding.py",)},
    "issue_result": {"": (f"{PROVIDER}/service/issuing.py", f"{PROVIDER}/service/completing.py")},
    "hand_over": {
        "centre": (f"{PROVIDER}/service/completing.py", f"{CENTRE}/service/handing.py"),
        "provider": (f"{PROVIDER}/service/completing.py", f"{PROVIDER}/service/giving_out.py"),
    },
}
# A limit is judged by the law and measured by who sees both ends of it.
MEASURED: Mapping[str, Where] = {
    "gateway-shep": (f"{SHEP}/domain.py",),
    "portal-pep": (f"{ORIGIN}/trail.py",),
    "con-arm": (f"{ORIGIN}/trail.py",),
    "provider-arm": (f"{PROVIDER}/service/procedure.py",),
}
# Everything else by its topic.
TOPICS: Mapping[str, Where] = {
    "internal": (f"{PROVIDER}/domain/internal.py", f"{PROVIDER}/service/internal.py"),
    "term": (f"{LAW}/terms.py", f"{PROVIDER}/service/timers.py", f"{CENTRE}/domain/counter.py"),
    "message": (f"{LAW}/flow.py", f"{LAW}/routing.py"),
    "validity": (f"{PROVIDER}/service/results.py",),
    "general": (f"{LAW}/routing.py", f"{PROVIDER}/service/intakes.py", f"{CENTRE}/service/intakes.py"),
    "quality": ("libs/egovkit/src/egovkit/journal.py", SHEP + "/attachments.py", "libs/egovkit/src/egovkit/relay.py"),
    "interface": (f"{PORTAL}/api", f"{PORTAL}/service/printing.py"),
    "result": (f"{PROVIDER}/service/issuing.py", f"{PROVIDER}/service/results.py"),
    "flow": (f"{LAW}/flow.py",),
    "technical": (f"{LAW}/identifiers.py", f"{PORTAL}/service/accounts.py", f"{PORTAL}/service/signing.py"),
    "survey": (f"{PORTAL}/service/surveys.py", f"{CENTRE}/service/counter.py"),
    "status_check": (f"{PORTAL}/service/reading.py", f"{CENTRE}/service/reading.py"),
    "languages": (f"{LAW}/forms.py", f"{PORTAL}/api/services.py"),
    "receipt": (f"{CENTRE}/service/ending.py", f"{PROVIDER}/service/intakes.py"),
    "forms": (f"{ORIGIN}/domain/forms.py", f"{PROVIDER}/service/results.py"),
}


def code_of(duty: Duty) -> Where:
    """The modules that do it; empty where the tables know none."""
    if duty.topic == "step":
        ways = STEPS.get(duty.name, {})
        return ways.get(duty.origin) or ways.get("", ())
    if duty.topic == "limit":
        measured = MEASURED.get(duty.measured_by)
        return (f"{LAW}/limits.py", *measured) if measured else ()
    return TOPICS.get(duty.topic, ())


def missing_code(root: Path, duties: Iterable[Duty]) -> list[str]:
    """Duties nobody does by these tables, and paths of the tables that are gone."""
    wheres: list[Where] = [
        *MEASURED.values(),
        *TOPICS.values(),
        *(way for one in STEPS.values() for way in one.values()),
    ]
    gone = sorted({path for where in wheres for path in where if not (root / path).exists()})
    undone = sorted({f"{duty.topic} {duty.name} {duty.origin}" for duty in duties if not code_of(duty)})
    return [f"the table of code names {path}, which does not exist" for path in gone] + [
        f"the table of code has no module for: {one}" for one in undone
    ]
