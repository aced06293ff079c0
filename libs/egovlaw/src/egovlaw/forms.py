"""An act's application as who fills it in sees it: in both languages, the same wherever it is shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from egovlaw.catalogue import Form, FormField, Kazakh, KazakhStatus, Regulation


@dataclass(frozen=True, slots=True)
class Words:
    """`ru` as the act prints it, `kk` with where it comes from."""

    ru: str
    kk: str
    kk_status: KazakhStatus


@dataclass(frozen=True, slots=True)
class FieldShown:
    name: str
    label: Words
    type: str
    required: bool
    per: str | None
    co_signer: str | None
    options: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class ApplicationShown:
    """`variant` tells the applications of one act from one another."""

    variant: str | None
    clause: str
    name: Words
    fields: tuple[FieldShown, ...]


def applications_shown(regulation: Regulation) -> list[ApplicationShown]:
    """Empty where the act prints no application (A15)."""
    return [_application(form) for form in regulation.forms if form.kind == "application"]


@dataclass(frozen=True, slots=True)
class CoSigner:
    """Who else may sign an application electronically: in which role, the act's words for it, and their clause."""

    role: str
    label: Words
    clause: str


def co_signers(regulation: Regulation) -> tuple[CoSigner, ...]:
    """One of each role that the act's applications name; of several applications the first one's words."""
    found: dict[str, CoSigner] = {}
    for form in (form for form in regulation.forms if form.kind == "application"):
        for field in form.fields:
            if field.co_signer is not None:
                signer = CoSigner(field.co_signer, _words(field.label_ru, field.label_kk), form.clause)
                found.setdefault(field.co_signer, signer)
    return tuple(found.values())


def application_fields(regulation: Regulation) -> frozenset[str]:
    """The names an application may use; empty where the act prints none: any."""
    applications = (form for form in regulation.forms if form.kind == "application")
    return frozenset(field.name for form in applications for field in form.fields)


def _application(form: Form) -> ApplicationShown:
    assert form.name_kk is not None  # the loader refuses an application without
    fields = tuple(_field(field) for field in form.fields)
    return ApplicationShown(form.variant, form.clause, _words(form.name_ru, form.name_kk), fields)


def _field(field: FormField) -> FieldShown:
    options = tuple(_words(ru, kk) for ru, kk in zip(field.options_ru, field.options_kk, strict=True))
    return FieldShown(
        field.name,
        _words(field.label_ru, field.label_kk),
        field.type,
        field.required,
        field.per,
        field.co_signer,
        options,
    )


def _words(russian: str, kazakh: Kazakh) -> Words:
    return Words(russian, kazakh.text, kazakh.status)
