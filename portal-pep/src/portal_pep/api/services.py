"""The catalogue of services, for everybody."""

from __future__ import annotations

from typing import Any

from egovkit.declared import refuses
from egovkit.errors import EgovError
from egovkit.files import MAGIC
from egovkit.routes import Routes
from egovlaw.catalogue import Regulation
from egovlaw.forms import ApplicationShown, applications_shown
from egovorigin.api import Shown, Title
from egovorigin.domain import forms
from egovorigin.domain.members import provider_code
from egovorigin.domain.steps import limit_of
from egovorigin.origin import KAZAKHSTAN
from egovorigin.shown import FilesShown, free_fields
from portal_pep.api.base import ThePortal
from portal_pep.domain.steps import PortalFlow, portal_flow
from portal_pep.service.parts import Portal

router = Routes(prefix="/v1/services", tags=["services"])


class ActShown(Shown):
    number: str
    date: str
    body_ru: str
    in_force: bool


class ServiceShown(Shown):
    regulation: str
    version: int
    title: Title
    region: str
    provider_ru: str
    act: ActShown
    available: bool  # false where the portal runs acts in force only, and this one is not


class StepShown(Shown):
    label: str
    clause: str
    type: str
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
    max_items: int = forms.MAX_ITEMS
    max_bytes: int = forms.MAX_FORM


class ProviderShown(Shown):
    """`named`: the catalogue tells this provider from others of the region; else the region's code stands for all its
    bodies, since the acts' address annexes are lost (E7)."""

    code: str
    named: bool
    ru: str
    kk: str | None


class ServiceCard(ServiceShown):
    provider: ProviderShown
    standard_ru: str
    term: Any | None  # of the whole service; null where only the Standard has it (A4)
    steps: list[StepShown]
    form: FormShown
    attachments: FilesShown


class ServiceList(Shown):
    items: list[ServiceShown]


@router.get("")
async def list_services(portal: ThePortal) -> ServiceList:
    offered = [one for one in portal.catalogue.regulations if portal_flow(one) is not None]
    return ServiceList(items=[ServiceShown(**_summary(portal, one)) for one in offered])


@router.get("/{regulation}")
@refuses("service.not_found")
async def service(portal: ThePortal, regulation: str) -> ServiceCard:
    found = portal.catalogue.regulation(regulation)
    flow = None if found is None else portal_flow(found)
    if found is None or flow is None:
        raise EgovError("service.not_found", regulation=regulation[:80])
    return ServiceCard(
        **_summary(portal, found),
        provider=ProviderShown(
            code=provider_code(found),
            named="provider" in found.settings,
            ru=found.provider_ru,
            kk=found.provider_kk.text if found.provider_kk else None,
        ),
        standard_ru=found.standard_ru,
        term=found.service_term,
        steps=_steps(flow),
        form=FormShown(applications=applications_shown(found), note=free_fields(found)),
        attachments=FilesShown(types=sorted(MAGIC)),
    )


def _summary(portal: Portal, regulation: Regulation) -> dict[str, Any]:
    today = portal.clock.now().astimezone(KAZAKHSTAN).date()
    in_force = regulation.in_force(today)
    return {
        "regulation": regulation.code,
        "version": regulation.version,
        "title": Title(kk=regulation.title_kk, ru=regulation.title_ru),
        "region": regulation.region,
        "provider_ru": regulation.provider_ru,
        "act": ActShown(
            number=regulation.act.number,
            date=regulation.act.date.isoformat(),
            body_ru=regulation.act.body_ru,
            in_force=in_force,
        ),
        "available": in_force or portal.settings.policy == "historic",
    }


def _steps(flow: PortalFlow) -> list[StepShown]:
    shown = []
    for item in flow.channel.flow:
        limit = limit_of(flow.channel, item)
        shown.append(
            StepShown(
                label=item.label,
                clause=item.clause,
                type=item.type,
                text_ru=item.text_ru,
                min_s=limit.min_s if limit else None,
                max_s=limit.max_s if limit else None,
            )
        )
    return shown
