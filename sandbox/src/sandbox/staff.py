"""Synthetic officials who act for others: at the provider's desk and at the centre's counter, by public HTTP alone."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sandbox.bootstrap import answer, bearer, participants
from sandbox.composition import CENTRE, NUC, PROVIDER
from sandbox.people import KEYSTORE_PASSWORD, NAMES, GaveUp, Person, issue, open_container

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from sandbox.replay.scenario import Paper, ResultText
    from sandbox.world import Deployment

ROLES = ("clerk", "executor", "head", "division_head", "authorised", "commission")


class Clerk(Person):
    """Fills in and signs somebody else's application. `drafts`: where his service keeps those."""

    drafts: ClassVar[str]

    async def open(self, regulation: str, **more: Any) -> str:
        """Choose a service for who stands before him; the case's id."""
        return str((await self.call("POST", self.drafts, json={"regulation": regulation, **more}))["id"])

    async def enter_consumer(self, case: str, iin: str, attorney: Mapping[str, str] | None = None) -> None:
        """`attorney`: a notarised power of attorney as the notaries' register names it in its examples."""
        body: dict[str, Any] = {"iin": iin}
        if attorney is not None:
            certified = {
                "certified": "notary",
                "registry_number": attorney["registry_number"],
                "date": attorney["date"],
            }
            body["representative"] = {"iin": attorney["representative_iin"], "attorney": certified}
        await self.call("PUT", f"{self.drafts}/{case}/consumer", json=body)

    async def ask(self, case: str) -> None:
        """Have the registers asked."""
        await self.call("POST", f"{self.drafts}/{case}/queries")

    async def queries(self, case: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("GET", f"{self.drafts}/{case}/queries"))["items"]
        return found

    async def fill(
        self, case: str, form: Mapping[str, Any], papers: Sequence[Mapping[str, str]], scans: Sequence[Paper] = ()
    ) -> None:
        """The form's values, the marks of paper documents, and their scans."""
        draft = await self.draft(case)
        seen = {"If-Match": f'"{draft.get("form_version", draft["version"])}"'}
        body = {"values": dict(form), "papers": [dict(paper) for paper in papers]}
        await self.call("PUT", f"{self.drafts}/{case}/form", json=body, headers=seen)
        for scan in scans:
            headers = {"Content-Type": scan.media_type}
            path = f"{self.drafts}/{case}/attachments/{scan.name}"
            await self.call("PUT", path, content=scan.content(), headers=headers)

    async def sign_and_send(self, case: str) -> dict[str, Any]:
        body = {"certificate": self.certificate}
        prepared = await self.call("POST", f"{self.drafts}/{case}/prepare", json=body)
        signature = await self.sign(base64.b64decode(prepared["document"]))
        sent: dict[str, Any] = await self.call("POST", f"{self.drafts}/{case}/submit", json={"signature": signature})
        return sent

    async def until(self, case: str, *states: str) -> dict[str, Any]:
        """Until the application is in one of these states."""
        path = f"{self.drafts}/{case}"
        return await self.wait(path, " or ".join(states), lambda seen: seen["state"] in states)

    async def draft(self, case: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.call("GET", f"{self.drafts}/{case}")
        return found


class Official(Clerk):
    """An official of the provider, with every role unless told otherwise."""

    drafts: ClassVar[str] = "/v1/own-cases"

    @classmethod
    async def appoint(
        cls,
        world: Deployment,
        number: int,
        *,
        region: str,
        desk: str = "provider",
        office: str = "Отдел жилищно-коммунального хозяйства",
        roles: tuple[str, ...] = ROLES,
        **wanted: Any,
    ) -> Self:
        """With an employee's certificate, put on the staff through the control API, and logged in."""
        names = {"surname": "ҮЛГІЛІ", "name": "ДӘУРЕН"} | wanted
        organisation = {"bin": participants()[PROVIDER]["bin"], "organisation": office, "profile": "employee_sign"}
        issued = await issue(world, number, names | organisation)
        key = await open_container(issued)
        password = f"Құпия-{world.ids.token(9)}"
        staff = {"iin": issued["iin"], "name": f"{names['surname']} {names['name']}", "password": password}
        headers = bearer(world.admin_token(PROVIDER)) | {"Idempotency-Key": world.ids.new()}
        body = {**staff, "roles": list(roles), "region": region, "office": office, "office_kind": desk}
        answer(await world.http.post(f"{world.url(PROVIDER)}/v1/staff", json=body, headers=headers))
        official = cls(
            world, world.url(PROVIDER), issued["iin"], password, key, issued["certificate"], issued["serial"]
        )
        await official.log_in()
        return official

    async def log_in_wrongly(self, **more: Any) -> dict[str, Any]:
        """`regulation`: the service whose desk it is for; the problem the workstation tells."""
        wrong = {"iin": self.iin, "password": f"қате-{self.password}", **more}
        refused = await self.send("POST", "/v1/sessions", json=wrong)
        if not refused.is_error:
            raise GaveUp("the workstation let somebody in with a wrong password")
        problem: dict[str, Any] = refused.json()
        return problem

    async def open_visit(self, regulation: str, papers: Sequence[Mapping[str, str]]) -> str:
        """Somebody stands at the desk with papers: open the case and look at them; the case's id."""
        case = await self.open(regulation)
        body = {"papers": [dict(paper) for paper in papers]}
        await self.call("PUT", f"{self.drafts}/{case}/papers", json=body)
        return case

    async def sign_first(self, case: str) -> httpx.Response:
        """Sign, and only then have the certificate checked; whatever the answer. Who is to be refused is appointed with
        `not_before` and `not_after` of an old certificate.
        """
        body = {"certificate": self.certificate}
        prepared = await self.call("POST", f"{self.drafts}/{case}/prepare", json=body)
        signature = await self.sign(base64.b64decode(prepared["document"]))
        return await self.send("POST", f"{self.drafts}/{case}/submit", json={"signature": signature})

    async def with_old_certificate(self, ago: timedelta) -> Official:
        """The same official with a key whose certificate ran out so long ago."""
        now = self.world.clock.now()
        dates = {"not_before": now - ago - timedelta(days=365), "not_after": now - ago}
        wanted = {"bin": participants()[PROVIDER]["bin"], "organisation": "Бөлім", "profile": "employee_sign"}
        body = {"iin": self.iin, **wanted, **NAMES, "password": KEYSTORE_PASSWORD}
        body |= {name: moment.isoformat() for name, moment in dates.items()}
        url = f"{self.world.url(NUC)}/v1/persons"
        issued = answer(await self.world.http.post(url, json=body, headers=bearer(self.world.admin_token(NUC))))
        return replace(self, key=await open_container(issued), certificate=issued["certificate"])

    async def decide(self, case: str, outcome: str, reasons: Sequence[Mapping[str, str]] = ()) -> int:
        """End the consideration: `positive`, or `negative` with reasons."""
        return await self.check(case, "ok" if outcome == "positive" else "violations", reasons)

    async def give_out(self, case: str, way: str = "by_hand", to: str | None = None, *, signed: bool = True) -> str:
        """Give the result out; the case's state. `signed`: the act's flow has this step, so its record is signed."""
        body: dict[str, Any] = {"way": way} | ({} if to is None else {"to": to})
        path = f"/v1/cases/{case}/give-out"
        if signed:
            wanted = body | {"certificate": self.certificate}
            prepared = await self.call("POST", f"{path}/prepare", json=wanted)
            body = {"signature": await self.sign(base64.b64decode(prepared["document"]))}
        return str((await self.call("POST", path, json=body))["state"])

    async def take_in(
        self, regulation: str, channel: str, iin: str, papers: Sequence[Mapping[str, str]], **more: Any
    ) -> dict[str, Any]:
        """Take an application in at a desk whose channel the act only names; the receipt, with the `case`."""
        body = {"regulation": regulation, "channel": channel, "iin": iin, "papers": [dict(one) for one in papers]}
        receipt: dict[str, Any] = await self.call("POST", "/v1/intakes", json=body | more)
        return receipt

    async def refuse_to_accept(
        self, regulation: str, channel: str, iin: str, missing: Sequence[Mapping[str, str]]
    ) -> dict[str, Any]:
        """The receipt of refusal to accept an incomplete package."""
        body = {"regulation": regulation, "channel": channel, "iin": iin, "missing": [dict(one) for one in missing]}
        receipt: dict[str, Any] = await self.call("POST", "/v1/intakes/refusals", json=body)
        return receipt

    async def find(self, case: str) -> dict[str, Any]:
        """The open task of a case, once it is there."""

        def mine(page: dict[str, Any]) -> bool:
            return any(task["case"] == case for task in page["items"])

        page = await self.wait("/v1/tasks", f"a task of case {case}", mine)
        found: dict[str, Any] = next(task for task in page["items"] if task["case"] == case)
        return found

    async def take(self, case: str) -> str:
        """Take the open task; the case's state afterwards."""
        task = await self.find(case)
        return str((await self.call("POST", f"/v1/tasks/{task['id']}/take"))["state"])

    async def check(self, case: str, outcome: str, reasons: Sequence[Mapping[str, str]] = ()) -> int:
        body = {"outcome": outcome, "reasons": [dict(reason) for reason in reasons]}
        return int((await self.call("POST", f"/v1/cases/{case}/check", json=body))["version"])

    async def finish(self, task: Mapping[str, Any], text: ResultText) -> str:
        """A task on the way from the decision to the result, which `text` is; the case's state afterwards."""
        if task["kind"] == "issue_result":
            return await self.issue_result(task["case"], text)
        match task["internal"]["task"]:
            case "assign":
                body: dict[str, Any] = {"executor": await self.own_id()}
            case "examine" | "prepare" | "conclude":
                body = {"outcome": text.outcome, "text_ru": text.ru, "text_kk": text.kk, "values": dict(text.values)}
            case _:
                body = {}
        return str((await self.call("POST", f"/v1/tasks/{task['id']}/done", json=body))["state"])

    async def own_id(self) -> str:
        return str((await self.call("GET", "/v1/sessions/current"))["id"])

    async def give_opinion(self, case: str, *, positive: bool, text: str) -> None:
        """As a member of the commission."""
        body = {"positive": positive, "text_ru": text, "text_kk": text}
        await self.call("POST", f"/v1/cases/{case}/commission", json=body)

    async def issue_result(self, case: str, text: ResultText) -> str:
        """Prepare the result, sign its bytes and, where the text has a page, the page's; send it; the case's state."""
        body = {
            "certificate": self.certificate,
            "text_ru": text.ru,
            "text_kk": text.kk,
            "values": dict(text.values),
            "outcome": text.outcome,
        }
        if text.variant is not None:
            body["variant"] = text.variant
        prepared = await self.call("POST", f"/v1/cases/{case}/result/prepare", json=body)
        signature = await self.sign(base64.b64decode(prepared["document"]))
        signed = {"signature": signature}
        if text.page:
            page = await self.call("POST", f"/v1/cases/{case}/result/page", json=signed)
            signed["page_signature"] = await self.sign(base64.b64decode(page["to_sign"]))
        done = await self.call("POST", f"/v1/cases/{case}/result", json=signed)
        return str(done["state"])


class Operator(Clerk):
    """An operator of the centre."""

    drafts: ClassVar[str] = "/v1/cases"

    @classmethod
    async def appoint(
        cls,
        world: Deployment,
        number: int,
        *,
        centre: str = "atyrau-1",
        office: Mapping[str, Any] | None = None,
        **wanted: Any,
    ) -> Self:
        """With an employee's certificate of the centre, made known through the control API, and logged in. `office`:
        what else is known of the centre, its `region` and whether it is a district `branch`."""
        names = {"surname": "ҮЛГІЛІ", "name": "ГҮЛНҰР"} | wanted
        organisation = {
            "bin": participants()[CENTRE]["bin"],
            "organisation": "Халыққа қызмет көрсету орталығы",
            "profile": "employee_sign",
        }
        issued = await issue(world, number, names | organisation)
        key = await open_container(issued)
        login, password = f"operator-{world.ids.token(6).lower()}", f"Құпия-{world.ids.token(9)}"
        body = {"login": login, "iin": issued["iin"], "name": f"{names['surname']} {names['name']}"}
        body |= {"password": password, "roles": ["operator", "senior"], "centre": centre, **(office or {})}
        headers = bearer(world.admin_token(CENTRE)) | {"Idempotency-Key": world.ids.new()}
        answer(await world.http.post(f"{world.url(CENTRE)}/v1/operators", json=body, headers=headers))
        operator = cls(world, world.url(CENTRE), issued["iin"], password, key, issued["certificate"], issued["serial"])
        operator.login = login
        await operator.log_in()
        return operator

    async def receive(self, regulation: str) -> str:
        """Somebody comes to the window with his papers; the ticket under which he is served."""
        ticket = str((await self.call("POST", "/v1/tickets", json={"regulation": regulation}))["id"])
        for step in ("call", "start"):
            await self.call("POST", f"/v1/tickets/{ticket}/{step}")
        return ticket

    async def service(self, regulation: str) -> dict[str, Any]:
        """What the counter says of the service: its channel, its steps by kind, whether papers are only taken in."""
        found = (await self.call("GET", "/v1/services"))["items"]
        service: dict[str, Any] = next(one for one in found if one["regulation"] == regulation)
        return service

    async def begin(self, regulation: str) -> str:
        """The case of who has come, in the order of the act: where it begins with the visit, a ticket is served and
        the operator logs in with the papers before him."""
        kinds = {step["kind"] for step in (await self.service(regulation))["steps"]}
        if "visit" not in kinds:
            return await self.open(regulation)
        ticket = await self.receive(regulation)
        await self.log_in()
        return await self.open(regulation, ticket=ticket)

    async def apply(
        self,
        regulation: str,
        iin: str,
        form: Mapping[str, Any],
        *,
        attorney: Mapping[str, str] | None = None,
        papers: Sequence[Mapping[str, str]] = (),
        scans: Sequence[Paper] = (),
    ) -> str:
        """The whole way from the visit to the sent application; the case's id. The form is filled in where the act has
        it: before the registers are asked, or in the step that attaches and signs."""
        kinds = {step["kind"] for step in (await self.service(regulation))["steps"]}
        late = "attach_and_sign" in kinds
        case = await self.begin(regulation)
        await self.enter_consumer(case, iin, attorney)
        if not late:
            await self.fill(case, form, papers, scans)
        await self.ask(case)
        await self.until(case, "data_checked")
        if late:
            await self.fill(case, form, papers, scans)
        await self.sign_and_send(case)
        return case

    async def refuse_acceptance(self, case: str, missing: Sequence[str]) -> dict[str, Any]:
        """The package is not complete: the receipt that says so, where the act knows one."""
        body = {"missing": [{"name": name} for name in missing]}
        receipt: dict[str, Any] = await self.call("POST", f"{self.drafts}/{case}/refuse-acceptance", json=body)
        return receipt

    async def take_in(self, regulation: str, iin: str, papers: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """Where the act only names the counter: the receipt of what was taken in."""
        body = {"regulation": regulation, "iin": iin, "papers": [dict(paper) for paper in papers]}
        receipt: dict[str, Any] = await self.call("POST", "/v1/intakes", json=body)
        return receipt

    async def dispatch(self, case: str) -> dict[str, Any]:
        """The papers leave the district branch by courier."""
        courier: dict[str, Any] = await self.call("POST", f"{self.drafts}/{case}/courier/dispatch")
        return courier

    async def arrive(self, case: str) -> dict[str, Any]:
        courier: dict[str, Any] = await self.call("POST", f"{self.drafts}/{case}/courier/arrive")
        return courier

    async def until_told(self, case: str, status: str) -> dict[str, Any]:
        """Until the counter shows the provider's own word of where the case is."""
        path = f"{self.drafts}/{case}"
        return await self.wait(path, status, lambda seen: (seen["status"]["owner"] or {}).get("status") == status)

    async def hand_over(self, case: str, iin: str, *, to_representative: bool = False) -> None:
        """Sign the record that the result was given to this person, and send it."""
        capacity = "representative" if to_representative else "applicant"
        body = {"received_by": {"capacity": capacity, "iin": iin}, "certificate": self.certificate}
        prepared = await self.call("POST", f"{self.drafts}/{case}/hand-over/prepare", json=body)
        signature = await self.sign(base64.b64decode(prepared["document"]))
        await self.call("POST", f"{self.drafts}/{case}/hand-over", json={"signature": signature})
