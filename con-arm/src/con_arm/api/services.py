"""The services of the acts that are given through centres."""

from __future__ import annotations

from typing import Any

from con_arm.api.base import SignedIn, TheCentre
from con_arm.domain.papers import MAX_PAPERS
from con_arm.domain.steps import centre_channel, centre_flow, may_refuse_acceptance
from con_arm.service.parts import Centre
from egovkit.files import MAGIC
from egovkit.routes import Routes
from egovlaw.catalogue import Regulation
from egovlaw.forms import ApplicationShown, applications_shown
from egovorigin.api import Shown, Title
from egovorigin.domain import forms
from egovorigin.domain.steps import limit_of
from egovorigin.shown import FilesShown, free_fields

router = Routes(prefix="/v1/services", tags=["services"])


class StepShown(Shown):
    label: str
    kind: str
    clause: str
    text_ru: str
    min_s: int | None
    max_s: int | None


class FormShown(Shown):
    """What the form takes. Where the act prints no fields (A15) any well-named one is taken, as `note` says then."""

    applications: list[ApplicationShown]
    note: Title | None
    field_name: str = forms.FIELD_NAME
    max_fields: int = forms.MAX_FIELDS
    max_length: int = forms.MAX_VALUE
    max_papers: int = MAX_PAPERS
    max_bytes: int = forms.MAX_FORM


class ServiceShown(Shown):
    regulation: str
    version: int
    title: Title
    region: str
    provider_ru: str
    in_force: bool
    channel: str
    intake_only: bool  # the act names the counter and describes no steps there: POST /v1/intakes (A36)
    receipt_of_refusal: bool  # an incomplete package is refused with a receipt (E10)
    registers: list[str]  # that the act has asked
    term: Any | None  # of the whole service; null where only the Standard has it (A4)
    steps: list[StepShown]
    form: FormShown
    attachments: FilesShown


class ServiceList(Shown):
    items: list[ServiceShown]


@router.get("")
async def list_services(centre: TheCentre, identity: SignedIn) -> ServiceList:
    """Those of the centre's region, or all where it serves every region."""
    region = identity.operator.region
    shown = (_shown(centre, one) for one in centre.catalogue.regulations if region in (None, one.region))
    return ServiceList(items=[one for one in shown if one is not None])


def _shown(centre: Centre, regulation: Regulation) -> ServiceShown | None:
    channel, flow = centre_channel(regulation), centre_flow(regulation)
    if channel is None or (channel.has_flow and flow is None):
        return None
    return ServiceShown(
        regulation=regulation.code,
        version=regulation.version,
        title=Title(kk=regulation.title_kk, ru=regulation.title_ru),
        region=regulation.region,
        provider_ru=regulation.provider_ru,
        in_force=regulation.in_force(centre.today()),
        channel=channel.code,
        intake_only=flow is None,
        receipt_of_refusal=may_refuse_acceptance(regulation, channel),
        registers=[] if flow is None else list(flow.registers),
        term=regulation.service_term,
        steps=[
            StepShown(
                label=item.label,
                kind=item.kind.name,
                clause=item.clause,
                text_ru=item.text_ru,
                min_s=limit.min_s if limit else None,
                max_s=limit.max_s if limit else None,
            )
            for item in channel.flow
            for limit in (limit_of(channel, item),)
        ],
        form=FormShown(applications=applications_shown(regulation), note=free_fields(regulation)),
        attachments=FilesShown(types=sorted(MAGIC)),
    )
