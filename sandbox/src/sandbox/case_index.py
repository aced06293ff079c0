"""What a container of evidence says to people: the same index in Kazakh, Russian and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from egovkit.journal import JournalRow
from sandbox.case_files import CaseMaterial, answers_in, row_name, short, verdicts_in
from sandbox.journal_verdict import Verdict

__all__ = ["indexes"]

HOW_TO = "docs/howto/verify-evidence.md"


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    title: str
    about: str
    happened: str
    removed: str
    judged: str  # a signature that was judged in this row
    unknown: str  # no word on revocation
    envelopes: str
    rows: str
    stamped: str
    answers: str
    good: str
    revoked: str
    sound: str
    broken: str
    folders: str
    check: str


WORDS: Mapping[str, Words] = {
    "kk": Words(
        title="{case} ісі бойынша дәлелдемелер",
        about="Бұл файлда мемлекеттік қызмет бойынша бір өтініштің барлық хабарламалары, журнал жазбалары, "
        "электрондық қолтаңбалары және уақыт белгілері жинақталған. Оны openssl, unzip және sha256sum арқылы кез "
        "келген адам тексере алады.",
        happened="Не болды (UTC бойынша; Астана уақыты 5 сағат ілгері)",
        removed="мазмұны сақтау мерзімі өткен соң жойылған, дәлелі сақталды",
        judged="қолтаңба тексерілді: {name}, {verdict}, сертификат {serial}, қайтарып алу: {revocation}",
        unknown="мәлімет жоқ",
        envelopes="хабарлама",
        rows="журнал жазбасы",
        stamped="уақыт белгісімен бекітілген",
        answers="Адамдардың қолтаңбалары түскен кезде ҰКО олардың сертификаттары туралы былай деп жауап берген "
        "(OCSP, UTC)",
        good="жарамды",
        revoked="қайтарып алынған",
        sound="Жинау кезінде журнал жазбалары тексерілді: бұзылған жері жоқ.",
        broken="НАЗАР АУДАРЫҢЫЗ: жинау кезінде журнал жазбаларында {count} бұзылған жер табылды.",
        folders="envelopes - хабарламалар; documents - адам қол қойған құжаттар; rows - журнал жазбалары; "
        "signatures - қолтаңбалар; stamps - уақыт белгілері; certificates және revocation - сертификаттар мен "
        "қайтарып алу тізімдері, ҰКО жауаптары.",
        check="Тексеру жолы: {how_to}. Сенімнің негізі - certificates/root.pem; оны ҰКО жариялаған түбірлік "
        "сертификатпен салыстырыңыз.",
    ),
    "ru": Words(
        title="Доказательства по делу {case}",
        about="В этом файле собраны все сообщения, записи журналов, электронные подписи и метки времени одного "
        "заявления на государственную услугу. Проверить его может каждый: нужны только openssl, unzip и sha256sum.",
        happened="Что произошло (UTC; в Астане на 5 часов больше)",
        removed="содержание удалено по истечении срока хранения, доказательство сохранено",
        judged="проверена подпись: {name}, {verdict}, сертификат {serial}, отзыв: {revocation}",
        unknown="сведений нет",
        envelopes="сообщений",
        rows="записей журналов",
        stamped="закреплено меткой времени",
        answers="Когда поступили подписи людей, НУЦ ответил об их сертификатах (OCSP, UTC)",
        good="действует",
        revoked="отозван",
        sound="При сборке записи журналов проверены: нарушений нет.",
        broken="ВНИМАНИЕ: при сборке в записях журналов найдено нарушений: {count}.",
        folders="envelopes - сообщения; documents - документы, подписанные человеком; rows - записи журналов; "
        "signatures - подписи; stamps - метки времени; certificates и revocation - сертификаты, списки "
        "отозванных и ответы НУЦ.",
        check="Как проверить: {how_to}. Опора доверия - certificates/root.pem; сравните его с корневым сертификатом, "
        "опубликованным НУЦ.",
    ),
    "en": Words(
        title="Evidence of the case {case}",
        about="This file holds all messages, journal rows, electronic signatures and time stamps of one application "
        "for a public service. Anybody can verify it: openssl, unzip and sha256sum are enough.",
        happened="What happened (UTC; Astana is 5 hours ahead)",
        removed="content removed when its time was over, proof kept",
        judged="signature judged: {name}, {verdict}, certificate {serial}, revocation: {revocation}",
        unknown="no word",
        envelopes="messages",
        rows="journal rows",
        stamped="fixed by a time stamp",
        answers="When people's signatures came, НУЦ answered about their certificates (OCSP, UTC)",
        good="good",
        revoked="revoked",
        sound="The journal rows were checked when this was made: nothing is broken.",
        broken="ATTENTION: when this was made, {count} breaks were found in the journal rows.",
        folders="envelopes - messages; documents - what a person signed; rows - rows of the journals; signatures; "
        "stamps - time stamps; certificates and revocation - whose the signatures are, and what was "
        "revoked, by lists and answers.",
        check="How to verify: {how_to}. Trust rests on certificates/root.pem: compare it with the root certificate "
        "that НУЦ publishes.",
    ),
}


def indexes(material: CaseMaterial, verdict: Verdict) -> dict[str, bytes]:
    """INDEX.kk.txt, INDEX.ru.txt, INDEX.en.txt."""
    return {f"INDEX.{lang}.txt": _index(words, material, verdict).encode() for lang, words in WORDS.items()}


def _index(words: Words, material: CaseMaterial, verdict: Verdict) -> str:
    count = len(verdict.breaks)
    lines = [words.title.format(case=material.case), "", words.about, ""]
    lines.append(
        f"{len(material.envelopes)} {words.envelopes}; {verdict.rows} {words.rows}; {verdict.stamped} {words.stamped}."
    )
    lines.append(words.broken.format(count=count) if count else words.sound)
    lines += ["", f"{words.happened}:", ""]
    for row in material.rows:
        lines += [f"  {_line(words, row)}", *(f"      {_judged(words, one)}" for one in verdicts_in(row))]
    if told := [_answer(words, one) for one in answers_in(material.rows)]:
        lines += ["", f"{words.answers}:", "", *told]
    lines += ["", words.folders, "", words.check.format(how_to=HOW_TO), ""]
    return "\n".join(lines)


def _answer(words: Words, answer: bytes) -> str:
    from egovkit.signatures.ocsp import OcspUnusable, read_answer

    try:
        said = read_answer(answer)
    except OcspUnusable as unusable:
        return f"  {unusable}"
    return f"  {said.this_update:%Y-%m-%d %H:%M:%S}  {said.serial}: {words.revoked if said.revoked else words.good}"


def _judged(words: Words, judged: Mapping[str, Any]) -> str:
    signer, word = judged["signer"], judged["revocation"]
    said = words.unknown if word is None else f"{word['source']}, {word['this_update']}"
    return words.judged.format(name=signer["name"], verdict=judged["verdict"], serial=signer["serial"], revocation=said)


def _line(words: Words, row: JournalRow) -> str:
    moment = row.time.astimezone(UTC)
    where = f"{moment:%Y-%m-%d %H:%M:%S}  {row_name(row.writer, row.position)}"
    if row.body is None:
        return f"{where}  {row.kind}: {words.removed}"
    facts = row.facts
    what = short(str(facts.get("type") or "")) or str(facts.get("action") or facts.get("step") or row.kind)
    parts = (what, facts.get("step"), facts.get("outcome"), facts.get("clause"), facts.get("code"))
    return f"{where}  " + ", ".join(str(part) for part in dict.fromkeys(parts) if part)
