"""The documents people get - results, refusals, notifications, receipts - as data of the law: `contracts/forms`.

A file says in both languages what one document says, with places for its values, which regulations it serves and by
which clause; `common.yaml` has what all of them share. Beside the loader, the only module of egovlaw that reads files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from egovlaw.catalogue import Catalogue, Regulation
from egovlaw.documents import Document, Fault, read_document, schema_faults, validator_of
from egovlaw.loader import CatalogueInvalid

Language = Literal["kk", "ru"]
LANGUAGES: Final[tuple[Language, ...]] = ("kk", "ru")
Both = Mapping[str, str]  # kk and ru
Kind = Literal["positive", "negative", "notification", "receipt", "receipt_refusal"]
PLACE: Final = re.compile(r"\{([a-z][a-z0-9_]*)(?:\.(day|month|year|day_month))?(?:\|([^{}]*))?\}")

COMMON: Final = "common.yaml"
EXAMPLES: Final = "examples.yaml"  # one made-up value for each field of the forms


@dataclass(frozen=True, slots=True)
class Item:
    """One line. `kind`: line, title, caption, signer, list (of the field `text`) or table (of it, by `columns`)."""

    kind: str
    text: str
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputForm:
    """`printed`: the act prints it; `of`: the regulations with the clause of each, None where an act is silent."""

    file: str
    layout: Literal["decision", "notice"]
    kind: Kind
    variant: str | None
    printed: bool
    restored: bool
    of: Mapping[str, str | None]
    name: Both
    signer: Both | None
    kk_status: str
    left_out: Mapping[str, Sequence[str]]
    body: Mapping[str, tuple[Item, ...]]
    decisions: tuple[str, ...]

    def fields(self) -> frozenset[str]:
        """The names of all its places."""
        items = [item for language in LANGUAGES for item in self.body[language]]
        named = {match[1] for item in items for match in PLACE.finditer(item.text)}
        return frozenset(named | {item.text for item in items if item.kind in ("list", "table")})


@dataclass(frozen=True, slots=True)
class Output:
    """A form as one regulation uses it. `code`: regulation.kind or regulation.kind.variant."""

    code: str
    regulation: Regulation
    form: OutputForm

    @property
    def clause(self) -> str | None:
        return self.form.of.get(self.regulation.code)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Every output document of the catalogue, and what they share."""

    common: Mapping[str, Any]
    examples: Mapping[str, Any]
    forms: tuple[OutputForm, ...]
    all: tuple[Output, ...]

    def of(self, regulation: str, kind: str, variant: str | None = None) -> Output | None:
        """The document of this kind. An unnamed variant is the free letter of a refusal, or else the only form; of
        several forms none is chosen for the provider."""
        found = [one for one in self.all if (one.regulation.code, one.form.kind) == (regulation, kind)]
        named = [one for one in found if one.form.variant == variant]
        free = [one for one in found if kind == "negative" and not one.form.printed]
        chosen = named or (free if variant is None else []) or (found if len(found) == 1 else [])
        return chosen[0] if chosen else None

    def general(self, regulation: Regulation, kind: Kind) -> Output:
        """The general layout, where the provider did not say which of the act's forms it is."""
        form = next(one for one in self.forms if one.kind == kind and not one.printed and len(one.of) > 1)
        return Output(f"{regulation.code}.{kind}", regulation, form)

    def printed(self, regulation: Regulation, kind: Kind, variant: str | None = None) -> Output:
        """What a page is made by: the act's form, or the general one where the provider named none of several."""
        return self.of(regulation.code, kind, variant) or self.general(regulation, kind)

    def coded(self, code: str) -> Output | None:
        return next((one for one in self.all if one.code == code), None)


def load_outputs(contracts: Path, catalogue: Catalogue) -> Outputs:
    """CatalogueInvalid with every fault of every file."""
    root = contracts / "forms"
    common, examples = (read_document(root / name, root) for name in (COMMON, EXAMPLES))
    documents = [read_document(path, root) for path in sorted(root.glob("*/*.yaml"))]
    validator = validator_of(contracts / "schemas" / "output-form.schema.json")
    faults = [*common.errors, *examples.errors]
    for document in documents:
        wrong = [*document.errors, *schema_faults(document, validator)]
        faults += wrong or list(_unknown(document, catalogue))
    if faults:
        raise CatalogueInvalid(faults)
    forms = tuple(_form(document) for document in documents)
    made = tuple(_outputs(forms, catalogue))
    faults = [Fault(one.form.file, 1, f"{one.code} has another form") for one in _twice(made)]
    faults += [Fault(COMMON, 1, f"no form of {gap}") for gap in _gaps(made, catalogue)]
    if faults:
        raise CatalogueInvalid(faults)
    return Outputs(common.value, examples.value, forms, made)


def _unknown(document: Document, catalogue: Catalogue) -> Iterator[Fault]:
    for code in document.value["of"]:
        if catalogue.regulation(code) is None:
            yield Fault(document.file, document.line(["of", code]), f"no regulation {code}")
    for decision in document.value["decisions"]:
        if decision not in catalogue.decisions:
            yield Fault(document.file, document.line(["decisions"]), f"no decision {decision}")


def _form(document: Document) -> OutputForm:
    raw = document.value
    return OutputForm(
        file=document.file,
        layout=raw["layout"],
        kind=raw["kind"],
        variant=raw.get("variant"),
        printed=raw["printed"],
        restored=raw.get("restored", False),
        of=raw["of"],
        name=raw["name"],
        signer=raw.get("signer"),
        kk_status=raw["kk_status"],
        left_out=raw.get("left_out", {"kk": [], "ru": []}),
        body={language: tuple(_item(one) for one in raw[language]) for language in LANGUAGES},
        decisions=tuple(raw["decisions"]),
    )


def _item(raw: str | Mapping[str, Any]) -> Item:
    if isinstance(raw, str):
        return Item("line", raw)
    kind = next(name for name in ("title", "caption", "signer", "list", "table") if name in raw)
    return Item(kind, raw[kind], tuple(raw.get("columns", ())), tuple(raw.get("keys", ())))


def _outputs(forms: Iterable[OutputForm], catalogue: Catalogue) -> Iterator[Output]:
    """In the order of the catalogue. What no file gives a regulation has the general layout: one that somebody adds
    works with its own file alone."""
    known = list(forms)
    for regulation in catalogue.regulations:
        own = set()
        for form in known:
            if regulation.code in form.of:
                output = Output(_code(regulation, form.kind, form.variant), regulation, form)
                own.add(output.code)
                yield output
        for code, kind in _wanted(regulation):
            general = next((one for one in known if one.kind == kind and not one.printed and len(one.of) > 1), None)
            if code not in own and general is not None:
                yield Output(code, regulation, general)


def _code(regulation: Regulation, kind: str, variant: str | None = None) -> str:
    return ".".join(part for part in (regulation.code, kind, variant) if part)


def _twice(made: Sequence[Output]) -> list[Output]:
    codes = [one.code for one in made]
    return [one for n, one in enumerate(made) if one.code in codes[:n]]


def _gaps(made: Sequence[Output], catalogue: Catalogue) -> list[str]:
    have = {one.code for one in made} | {_code(one.regulation, one.form.kind) for one in made}
    return [code for regulation in catalogue.regulations for code, _ in _wanted(regulation) if code not in have]


def _wanted(regulation: Regulation) -> list[tuple[str, str]]:
    """Every regulation has a result, a refusal, a notification, a receipt; a receipt of refusal where its act has, and
    whatever variants its act prints."""
    printed = [one for one in regulation.forms if one.kind in ("positive", "negative")]
    found = {_code(regulation, one.kind, one.variant): str(one.kind) for one in printed}
    for kind in ("positive", "negative"):
        if not any(one == kind for one in found.values()):
            found[_code(regulation, kind)] = kind
    refusal = ["receipt_refusal"] if "refusal_to_accept" in regulation.settings else []
    return [*found.items(), *((_code(regulation, one), one) for one in ("notification", "receipt", *refusal))]
