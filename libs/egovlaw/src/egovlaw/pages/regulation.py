"""The page of one regulation, part by part. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from egovlaw.catalogue import Cited, Decision, Form, FormField, InternalBranch, Regulation
from egovlaw.pages.channels import channel_part
from egovlaw.pages.facts import (
    clause,
    decision_links,
    duration,
    kazakh,
    origin_of,
    published,
    quoted,
    remarks,
    source,
    total,
    value,
)
from egovlaw.pages.markdown import bullet, document, escape, heading, link, own, quote, table
from egovlaw.pages.words import NAMES, OTHER, Words

DIAGRAM_FORMS = ("svg", "bpmn")


def regulation_page(
    words: Words, regulation: Regulation, decisions: Mapping[str, Decision], diagrams: Collection[str]
) -> str:
    other = OTHER[words.language]
    lines = [f"# {escape(regulation.title_ru)}", ""]
    lines += [f"{link(words('index'), 'README.md')} · {link(NAMES[other], f'../{other}/{regulation.code}.md')}", ""]
    lines += [words("generated"), "", words("ours")]
    lines += [*_service(words, regulation), *_participants(words, regulation), *_channels(words, regulation)]
    for channel in regulation.channels.values():
        names = {form: f"{regulation.code}.{channel.code}.{form}" for form in DIAGRAM_FORMS}
        drawn = {form: f"../diagrams/{name}" for form, name in names.items() if name in diagrams}
        lines += channel_part(words, channel, drawn)
    lines += [*_internal(words, regulation), *_terms(words, regulation), *_forms(words, regulation)]
    lines += [*_rules(words, regulation), *_settings(words, regulation)]
    return document([*lines, *_decisions(words, regulation, decisions)])


def _service(words: Words, regulation: Regulation) -> list[str]:
    act, cited = regulation.act, regulation.cited
    number = f"{words('number')} {escape(act.number)} {words('of')} {act.date.isoformat()}, {escape(act.body_ru)}"
    title_kk = f"{escape(regulation.title_kk)} ({origin_of(words, regulation.title_kk_status)})"
    provider = escape(regulation.provider_ru) + source(words, cited.get("provider"))
    form = "; ".join(escape(text) for text in (regulation.form_ru, regulation.form_kind_ru) if text)
    lines = [
        *heading(2, words("service"), "service"),
        bullet(words("version"), f"`{regulation.code}`, {regulation.version}"),
        bullet(words("title_kk"), title_kk + source(words, cited.get("title"))),
        bullet(words("act"), f"{number} (`{regulation.source}`)"),
    ]
    if act.title_ru:
        lines.append(bullet(words("act_title"), escape(act.title_ru)))
    lines += [bullet(words("registered"), published(words, act.registered))]
    lines += [bullet(words("repealed"), published(words, act.repealed))]
    if act.amends is not None:
        lines.append(bullet(words("amends"), published(words, act.amends)))
    lines += [bullet(words("region"), f"`{regulation.region}`"), bullet(words("provider"), provider)]
    if regulation.provider_kk is not None:
        lines.append(f"  - {kazakh(words, regulation.provider_kk)}")
    lines.append(bullet(words("standard"), escape(regulation.standard_ru) + source(words, cited.get("standard"))))
    lines.append(bullet(words("form"), form + source(words, cited.get("form"))))
    if regulation.result_ru:
        lines.append(bullet(words("result"), escape(regulation.result_ru) + source(words, cited.get("result"))))
    return [*lines, *remarks(words, lost=act.lost, decisions=act.decisions)]


def _participants(words: Words, regulation: Regulation) -> list[str]:
    named = zip(regulation.participants, regulation.participants_cited, strict=True)
    lines = [f"- {escape(name)}{source(words, cited)}" for name, cited in named]
    return [*heading(2, words("participants"), "participants"), *(lines or [words("no_participants")])]


def _channels(words: Words, regulation: Regulation) -> list[str]:
    rows = [
        [
            link(words.name(channel.code), f"#{channel.code}"),
            words.name(channel.origin_kind),
            escape(", ".join(channel.clauses)),
            str(len(channel.flow)) if channel.has_flow else words("no_flow"),
            str(len(channel.table)),
            str(len(channel.limits)),
        ]
        for channel in regulation.channels.values()
    ]
    head = [words(key) for key in ("channel", "starts_at", "clause", "items", "rows", "limits")]
    return [*heading(2, words("channels"), "channels"), *table(head, rows)]


def _internal(words: Words, regulation: Regulation) -> list[str]:
    if not regulation.internal_procedure:
        return []
    lines = heading(2, words("internal"), "internal")
    branches: list[InternalBranch] = list(dict.fromkeys(step.branch for step in regulation.internal_procedure))
    for branch in branches:
        lines += heading(3, f"{words('branch')}: {words.name(branch)}", f"internal-{branch}")
        for step in (one for one in regulation.internal_procedure if one.branch == branch):
            only = f" ({words('only_for')}: {words.name(step.only_for)})" if step.only_for else ""
            lines += [f"**{step.n}.** {clause(words, step.clause)}: {escape(step.actor_ru)}{only}", ""]
            lines += [*quote(step.action_ru), ""]
            said = escape(step.limit_ru) if step.limit_ru else "-"
            lines.append(bullet(words("limit"), f"{said}; {words('as_data')} {duration(words, step.limit)}"))
            lines.append(bullet(words("gives"), escape(step.result_ru) if step.result_ru else "-"))
            lines += [*remarks(words, lost=(), decisions=step.decisions), ""]
        lines += _sums(words, regulation, branch)
    return lines


def _sums(words: Words, regulation: Regulation, branch: InternalBranch) -> list[str]:
    """Of a case lodged here: what an akim took in goes on at the Centre, and its steps count too (D3)."""
    granted, refused = regulation.internal_steps(branch), regulation.internal_steps(branch, refused=True)
    if granted == refused:
        return [f"**{words('computed')}**: {total(words, granted)}", ""]
    both = f"{words('granted')} {total(words, granted)}; {words('refused')} {total(words, refused)}"
    return [f"**{words('computed')}**: {both}", ""]


def _terms(words: Words, regulation: Regulation) -> list[str]:
    lines = heading(2, words("terms"), "terms")
    for term in regulation.terms:
        where = f", {words.name(term.channel)}" if term.channel else ""
        starts = f"; {words('starts')}: {escape(term.starts_ru)}" if term.starts_ru else ""
        said = f"{escape(term.limit_ru)}; {words('as_data')} {duration(words, term.limit)}{starts}"
        lines.append(bullet(words.name(term.kind) + where, said + source(words, Cited(term.clause, term.decisions))))
    return lines if regulation.terms else [*lines, words("no_terms")]


def _forms(words: Words, regulation: Regulation) -> list[str]:
    lines = heading(2, words("forms"), "forms")
    for form in regulation.forms:
        lines += _form(words, form)
    return lines if regulation.forms else [*lines, words("no_forms")]


def _form(words: Words, form: Form) -> list[str]:
    variant = f", {words('variant')} `{form.variant}`" if form.variant else ""
    anchor = "-".join(("form", form.kind, *([form.variant] if form.variant else [])))
    lines = heading(3, f"{words.name(form.kind)}{variant}: {escape(form.name_ru)}", anchor)
    lines += [clause(words, form.clause) + (f"; {words('free_form')}" if form.free_form else ""), ""]
    if form.name_kk is not None:
        lines.append(bullet(words("title_kk"), kazakh(words, form.name_kk)))
    if form.validity is not None:
        said = f"; {escape(form.validity_ru)}" if form.validity_ru else ""
        lines.append(bullet(words("valid"), duration(words, form.validity) + said))
    if form.languages:
        lines.append(bullet(words("languages"), ", ".join(form.languages)))
    if form.sent_on:
        lines.append(bullet(words("sent_on"), ", ".join(words.name(one) for one in form.sent_on)))
    if form.omitted:
        lines.append(f"- {words('omitted')}")
    lines += remarks(words, lost=form.lost, decisions=form.decisions)
    for title, entries in (("attachments", [f"- {escape(text)}" for text in form.attachments_ru]),
                           ("fields", [_field(words, field) for field in form.fields])):  # fmt: skip
        if entries:
            lines += ["", f"**{words(title)}**", "", *entries]
    if form.text_ru:
        lines += quoted(words("text"), form.text_ru)
    if form.text_kk is not None:
        lines += quoted(f"{words('text_kk')} ({origin_of(words, form.text_kk.status)})", form.text_kk.text)
    return lines


def _field(words: Words, field: FormField) -> str:
    facts = [field.type, *([words("required")] if field.required else [])]
    if field.per:
        facts.append(f"{words('per')}: {words.name(field.per)}")
    if field.co_signer:
        facts.append(f"{words('co_signer')}: {words.name(field.co_signer)}")
    if field.decisions:
        facts.append(decision_links(field.decisions))
    line = f"- `{field.name}` ({', '.join(facts)}): {escape(field.label_ru)} / {kazakh(words, field.label_kk)}"
    if field.options_ru:
        line += f": {' · '.join(escape(option) for option in field.options_ru)}"
    if field.options_kk:
        line += f" / {' · '.join(kazakh(words, option) for option in field.options_kk)}"
    return line


def _rules(words: Words, regulation: Regulation) -> list[str]:
    lines = heading(2, words("rules"), "rules")
    for topic in dict.fromkeys(rule.topic for rule in regulation.rules):
        lines += heading(3, words.name(topic), f"rules-{topic}")
        for rule in (one for one in regulation.rules if one.topic == topic):
            short = f" ({escape(rule.short_ru)})" if rule.short_ru else ""
            term = f"; {words('defines')} {escape(rule.term_ru)}{short}" if rule.term_ru else ""
            omitted = f"; {words('omitted')}" if rule.omitted else ""
            reason = f": {own(rule.reason)}" if rule.reason else ""
            kind = f"{words.name(rule.kind)}{reason}{term}{omitted}"
            lines += [f"**{clause(words, rule.clause)}** · {kind}", "", *quote(rule.text_ru), ""]
            lines += [*remarks(words, lost=rule.lost, decisions=rule.decisions), ""]
    return lines


def _settings(words: Words, regulation: Regulation) -> list[str]:
    lines = heading(2, words("settings"), "settings")
    for name, one in regulation.settings.items():
        note = f": {own(one.note)}" if one.note else ""
        lines.append(f"- `{name}` = {value(one.value)} ({decision_links([one.decision])}){note}")
    return lines


def _decisions(words: Words, regulation: Regulation, decisions: Mapping[str, Decision]) -> list[str]:
    lines = heading(2, words("decisions"), "decisions")
    for decision in regulation.decisions:
        lines += [*heading(3, decision, f"decision-{decision.lower()}"), own(decisions[decision].text)]
    return lines if regulation.decisions else [*lines, words("no_decisions")]
