"""What synthetic people do on the way through a flow: one function for each kind of item, whatever the act.

People use the services' public HTTP alone. Who begins follows from the catalogue: the citizen on the portal, the
provider's own desk, the centre's counter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox.composition import ATTORNEYS, PERSONS
from sandbox.people import Citizen, GaveUp, Keyed
from sandbox.replay.checks import follows
from sandbox.replay.scenario import Act, Scenario, Told
from sandbox.replay.watching import desk_of
from sandbox.staff import Clerk, Official, Operator

if TYPE_CHECKING:
    import httpx

    from egovlaw.catalogue import Channel, FlowItem, Regulation
    from sandbox.replay.staffing import Staff
    from sandbox.world import Deployment

EXPIRED_FOR = timedelta(days=35)
SHOWN = ({"name": "Жеке куәлік / Удостоверение личности", "kind": "original", "note": ""},)
OPINION = "Қорытынды (үлгі). / Заключение (образец)."


Doing = Callable[[Act], Awaitable[None]]


@dataclass(slots=True)
class Play:
    """One scenario under way. `at`: the item people are busy with, for whoever tells where it went wrong."""

    world: Deployment
    staff: Staff
    scenario: Scenario
    regulation: Regulation
    channel: Channel
    case: str = ""
    account: str = ""
    at: FlowItem | None = None
    over: bool = False  # nothing of the rest can happen any more
    refusals: list[Told] = field(default_factory=list)
    page: Mapping[str, Any] | None = None  # what the portal says of the signed page its citizen has kept

    def item(self, act: Act) -> FlowItem:
        return self.channel.by_label[act.step]

    def begin(self, act: Act) -> None:
        self.at = self.channel.item(act.step)  # None where the act gives the channel no flow

    def has(self, kind: str) -> bool:
        """Whether the act has such an item on this way to apply."""
        return any(item.kind.name == kind for item in self.channel.flow)

    def told(self, act: Act, problem: Mapping[str, Any]) -> None:
        """A condition found a violation, and somebody was told so: the refusal is the item behind it."""
        refusal = follows(self.item(act), "violation") or act.step
        self.refusals.append(Told(refusal, str(problem.get("code")), str(problem.get("clause"))))


def answered(case: Mapping[str, Any]) -> bool:
    """Whether every register asked for a case has answered."""
    return bool(case["registers"]) and all(one["state"] != "waiting" for one in case["registers"])


class Side:
    """Whoever begins a case, and the provider, who goes on with it. `doing`: what is done for each kind of item; a
    kind without a word needs nobody to act."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.doing: dict[str, Doing] = {
            "check_documents": self.check,
            "refuse_documents": self.refused,
            "issue_result": self.issue,
        }

    async def act(self, act: Act) -> None:
        doing = self.doing.get(self.play.item(act).kind.name)
        if doing is not None:
            await doing(act)

    async def official(self) -> Official:
        given = self.play.scenario.given
        return await self.play.staff.official(self.play.regulation.region, given.office, given.official)

    async def until(self, *states: str) -> None:
        """Until whoever began the case sees it there."""

    async def until_told(self, status: str) -> None:
        """Until whoever began the case has the provider's own word of where it is."""

    async def check(self, act: Act) -> None:
        await self.consider(in_order=act.outcome == "ok", reasons=act.reasons)

    async def consider(self, *, in_order: bool, reasons: Sequence[Mapping[str, str]] = ()) -> None:
        """The provider takes the case up and checks; everybody waits for his word, so that the trace has one order."""
        official, case = await self.official(), self.play.case
        await self.until_told(await official.take(case))
        if self.asked_by_itself:  # nobody decides before the register has said what the service is about
            await official.wait(f"/v1/cases/{case}", "the register's answer", answered)
        commission = self.play.regulation.settings.get("commission")
        if commission is not None and commission.value == "required":
            await official.give_opinion(case, positive=in_order, text=OPINION)
        await official.check(case, "ok" if in_order else "violations", reasons)

    @property
    def asked_by_itself(self) -> bool:
        register = self.play.regulation.settings.get("akimat_register")
        return register is not None and bool(register.value["automated"])

    async def refused(self, act: Act) -> None:
        await self.until("refused")
        item = self.play.item(act)
        reasons = [reason for one in self.play.scenario.when for reason in one.reasons]
        self.play.refusals += [Told(item.label, reason["code"], item.clause) for reason in reasons]

    async def issue(self, act: Act) -> None:
        official, case = await self.official(), self.play.case
        if act.result is None:
            return
        if not self.play.has("check_documents"):  # the act decides in one item what others check first
            await self.consider(in_order=act.result.outcome == "positive", reasons=act.reasons)
        state = "awaiting_result"
        while state == "awaiting_result":  # the signature alone, or before and after it whoever the act names
            task = await official.find(case)
            await official.take(case)
            state = await official.finish(task, act.result)
        await self.until("completed")


class AtPortal(Side):
    """The citizen acts himself."""

    def __init__(self, play: Play) -> None:
        super().__init__(play)
        self.citizen: Citizen | None = None
        self.doing |= {
            "register_account": self.register,
            "verify_login": self.log_in,
            "choose_and_fill": self.choose_and_fill,
            "check_certificate": self.choose_certificate,
            "sign_and_send": self.send,
            "send_and_process": self.send,
        }

    @property
    def who(self) -> Citizen:
        assert self.citizen is not None, "every flow of the portal begins with the account"
        return self.citizen

    async def register(self, act: Act) -> None:
        given = self.play.scenario.given
        names = {"surname": given.citizen.surname, "name": given.citizen.name}
        self.citizen = await self.play.world.citizen(iin=given.citizen.iin, **names)
        self.play.account = await self.citizen.register(regulation=given.regulation)

    async def log_in(self, act: Act) -> None:
        regulation = self.play.scenario.given.regulation
        if act.outcome == "violation":
            refused = await self.who.log_in_wrongly(regulation=regulation)
            self.play.told(act, refused)
            return
        await self.who.log_in(regulation=regulation)
        await self.who.confirm()

    async def choose_and_fill(self, act: Act) -> None:
        self.play.case = await self.who.choose(self.play.scenario.given.regulation)
        await self.who.fill(self.play.case, dict(act.form), act.attachments)

    async def choose_certificate(self, act: Act) -> None:
        if act.outcome == "violation":
            chosen = await certificate_of(self.who, self.play.scenario.given.certificate("citizen"))
            self.play.told(act, await self.who.sign_in_vain(self.play.case, chosen))

    async def send(self, act: Act) -> None:
        await self.who.submit(self.play.case, await self.who.prepare(self.play.case))
        await self.until("registered")

    async def issue(self, act: Act) -> None:
        """Who gets a signed page keeps it, and has it verified like anybody into whose hands it may come."""
        await super().issue(act)
        if act.result is not None and act.result.page:
            told = await self.who.verify(await self.who.keep_page(self.play.case))
            if told["standing"] != "stands":
                raise GaveUp(f"the portal says of the page it has given out: {told['standing']}")
            self.play.page = told

    async def until(self, *states: str) -> None:
        await self.who.until(self.play.case, *states)

    async def until_told(self, status: str) -> None:
        await self.who.until_told(self.play.case, status)


class ByClerk(Side):
    """An official fills in and signs for who stands before him."""

    def __init__(self, play: Play) -> None:
        super().__init__(play)
        self.clerk: Clerk | None = None
        self.receiver = ""
        self.doing |= {
            "authenticate": self.log_in,
            "choose_and_fill": self.choose,
            "query_registers": self.ask,
            "check_registers": self.look,
            "attach_and_sign": self.fill,
        }

    @property
    def who(self) -> Clerk:
        assert self.clerk is not None, "every flow at a desk begins with the login"
        return self.clerk

    async def log_in(self, act: Act) -> None:
        """The login that begins the case is fresh: its seconds are the act's first step."""
        raise NotImplementedError

    async def choose(self, act: Act) -> None:
        given, play = self.play.scenario.given, self.play
        play.case = await self.opened()
        attorney = None
        if given.attorney is not None:
            attorney = await play.staff.example(ATTORNEYS, given.attorney)
        iin = given.consumer.iin
        if attorney is not None:
            iin = attorney["principal_iin"]
        elif iin is None:
            iin = await play.staff.example(PERSONS, given.consumer.example or "")
        self.receiver = iin if attorney is None else attorney["representative_iin"]
        await self.who.enter_consumer(play.case, iin, attorney)

    async def opened(self) -> str:
        return await self.who.open(self.play.scenario.given.regulation)

    async def ask(self, act: Act) -> None:
        await self.who.ask(self.play.case)

    async def look(self, act: Act) -> None:
        await self.who.until(self.play.case, "data_checked" if act.outcome == "ok" else "no_data")

    async def fill(self, act: Act) -> None:
        await self.who.fill(self.play.case, act.form, act.papers, act.attachments)
        await self.who.sign_and_send(self.play.case)


class AtDesk(ByClerk):
    """The provider's own desk: the same official goes on with the case."""

    signed: httpx.Response

    def __init__(self, play: Play) -> None:
        super().__init__(play)
        self.doing |= {
            "verify_login": self.verify_login,
            "sign": self.sign_first,
            "check_certificate": self.certificate_checked,
            "decide": self.decide,
            "hand_over": self.give_out,
        }

    async def log_in(self, act: Act) -> None:
        self.clerk = official = await self.official()
        if not self.play.has("verify_login"):
            await official.log_in()

    async def verify_login(self, act: Act) -> None:
        """Where the act refuses a login, the login is a step that may fail."""
        official = await self.official()
        if act.outcome == "violation":
            regulation = self.play.scenario.given.regulation
            self.play.account = desk_of(regulation)
            self.play.told(act, await official.log_in_wrongly(regulation=regulation))
        else:
            await official.log_in()

    async def choose(self, act: Act) -> None:
        await super().choose(act)
        if self.play.has("sign"):
            scenario = self.play.scenario
            await self.who.fill(self.play.case, act.form, act.papers, scenario.attachments)

    async def opened(self) -> str:
        """Where the act has papers looked at first, they are, as soon as there is a case to note it in."""
        given, official = self.play.scenario.given, await self.official()
        if self.play.has("visit"):
            return await official.open_visit(given.regulation, SHOWN)
        return await super().opened()

    async def sign_first(self, act: Act) -> None:
        """Signed before the certificate is checked (A1): what the check says comes with the answer."""
        official = await self.official()
        kind = self.play.scenario.given.certificate("official")
        if kind == "expired":
            self.clerk = official = await official.with_old_certificate(EXPIRED_FOR)
        self.signed = await official.sign_first(self.play.case)

    async def certificate_checked(self, act: Act) -> None:
        if act.outcome == "violation":
            self.play.told(act, self.signed.json())
        else:
            self.signed.raise_for_status()

    async def decide(self, act: Act) -> None:
        official, case = await self.official(), self.play.case
        results = [one.result for one in self.play.scenario.when if one.result is not None]
        await official.take(case)
        await official.decide(case, results[0].outcome, act.reasons)

    async def give_out(self, act: Act) -> None:
        official, case = await self.official(), self.play.case
        if act.result is not None:
            await official.take(case)
            await official.issue_result(case, act.result)
        await official.give_out(case)

    async def official(self) -> Official:
        return self.clerk if isinstance(self.clerk, Official) else await super().official()


class AtCounter(ByClerk):
    """The centre's counter: an operator sends, waits for the provider's words and hands over."""

    def __init__(self, play: Play) -> None:
        super().__init__(play)
        self.ticket: dict[str, str] = {}
        self.doing |= {
            "visit": self.visit,
            "send": self.send,
            "register": self.registered,
            "hand_over": self.hand_over,
        }

    async def visit(self, act: Act) -> None:
        """The person is at the window before the operator logs in for his case."""
        given = self.play.scenario.given
        self.clerk = operator = await self.play.staff.operator(self.play.regulation.region, given.operator)
        self.ticket = {"ticket": await operator.receive(given.regulation)}

    async def opened(self) -> str:
        return await self.who.open(self.play.scenario.given.regulation, **self.ticket)

    async def log_in(self, act: Act) -> None:
        if self.clerk is None:
            given = self.play.scenario.given
            self.clerk = await self.play.staff.operator(self.play.regulation.region, given.operator)
        await self.clerk.log_in()

    @property
    def operator(self) -> Operator:
        assert isinstance(self.clerk, Operator)
        return self.clerk

    async def send(self, act: Act) -> None:
        """At the Corporation's counter the operator fills in and signs in the step that sends."""
        if not self.play.has("attach_and_sign"):
            scenario = self.play.scenario
            papers = [paper for one in scenario.when for paper in one.papers]
            await self.who.fill(self.play.case, scenario.form, papers, scenario.attachments)
            await self.who.sign_and_send(self.play.case)

    async def registered(self, act: Act) -> None:
        await self.until("registered")

    async def hand_over(self, act: Act) -> None:
        await self.issue(act)
        represented = self.play.scenario.given.attorney is not None
        await self.operator.hand_over(self.play.case, self.receiver, to_representative=represented)

    async def until(self, *states: str) -> None:
        await self.operator.until(self.play.case, *states)

    async def until_told(self, status: str) -> None:
        await self.operator.until_told(self.play.case, status)


async def certificate_of(citizen: Citizen, kind: str) -> Keyed:
    """A certificate that the check has to refuse."""
    match kind:
        case "expired":
            return await citizen.old_certificate(EXPIRED_FOR)
        case "for_logging_in":
            return await citizen.another_certificate(profile="person_auth")
        case "of_another_person":
            other = await citizen.world.citizen()
            return Keyed(other.certificate, other.key)
        case _:
            return Keyed(citizen.certificate, citizen.key)


SIDES: Mapping[str, type[Side]] = {"portal": AtPortal, "provider": AtDesk, "centre": AtCounter}
