"""`egov regulations`: what a reader gets, and the exit status a script gets."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from egovkit.contracts import contracts_dir, read_once
from egovlaw.catalogue import Catalogue
from egovlaw.loader import load_catalogue
from sandbox.cli import app

HOUSING = "atyrau-housing-queue"
TAYYNSHA = "tayynsha-social-assistance"


@pytest.fixture(scope="module")
def law() -> Catalogue:
    return read_once(load_catalogue, contracts_dir())


def egov(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["regulations", *arguments])


@pytest.fixture(scope="module")
def shown(law: Catalogue) -> dict[str, Result]:
    """Every regulation's page, by its code."""
    return {regulation.code: egov("show", regulation.code) for regulation in law.regulations}


def unfolded(page: str) -> str:
    """A page without its columns: words that stand under one another are one text again, in some order."""
    return " ".join(page.split())


def test_the_list_has_every_regulation_with_its_channels(law: Catalogue) -> None:
    shown = egov("list")
    assert shown.exit_code == 0
    for regulation in law.regulations:
        assert f"{regulation.code}  v{regulation.version}" in shown.output
        assert regulation.title_ru in shown.output


def test_every_regulation_is_shown_in_a_hundred_columns(shown: dict[str, Result]) -> None:
    for code, page in shown.items():
        assert page.exit_code == 0
        assert max(len(line) for line in page.output.splitlines()) <= 100, code


def test_a_regulation_is_shown_with_all_it_holds(law: Catalogue, shown: dict[str, Result]) -> None:
    for regulation in law.regulations:
        page = shown[regulation.code].output
        words = set(page.replace("[", " ").replace("]", " ").replace(",", " ").split())
        assert {item.label for channel in regulation.channels.values() for item in channel.flow} <= words
        assert {item.kind.name for channel in regulation.channels.values() for item in channel.flow} <= words
        assert set(regulation.channels) <= {word.strip(":") for word in words}
        assert set(regulation.decisions) <= words
        assert all(name[:20] in page for name in regulation.settings)
        assert regulation.act.number in words
        assert f"rules: {regulation.rules[0].topic}" in page


def test_a_page_says_where_it_comes_from_in_both_languages() -> None:
    page = unfolded(egov("show", HOUSING).output)
    assert "Постановка на учет и очередность граждан, нуждающихся в жилище" in page
    assert "тұрғын үйге мұқтаж азаматтарды есепке қою" in page
    assert "№ 427, 2012-12-28, акимат Атырауской области [A37, D20]" in page
    assert "Потребитель, Услугодатель, Оператор Центра, ПЭП, ШЭП" in page


def test_an_item_is_shown_with_clause_kind_text_and_where_it_leads() -> None:
    page = egov("show", HOUSING, "--channel", "portal").output
    line = next(line for line in page.splitlines() if "check_certificate" in line)
    assert line.split() == ["C2", "6", "6)", "check_certificate", "·", "ПЭП", "[A1]", "ok", "P5"]
    assert "violation P4" in page
    assert "end: refusal" in page
    assert "end: result" in page


def test_limits_are_shown_with_time_clause_and_who_measures() -> None:
    page = egov("show", HOUSING, "--channel", "portal").output
    line = next(line for line in page.splitlines() if line.startswith(" P5") and "30-60 s" in line)
    assert "Приложение 1, таблица" in line
    assert "C2 ok → case.submitted" in line
    assert line.rstrip().endswith("gateway-shep,")


def test_one_channel_is_shown_alone() -> None:
    page = egov("show", HOUSING, "--channel", "provider").output
    assert "channel provider: clause 7" in page
    assert "channel portal" not in page
    assert "rules:" not in page


def test_what_the_scan_lost_is_shown_as_lost_and_torn_letters_stay() -> None:
    page = egov("show", TAYYNSHA, "--channel", "provider").output
    assert "lost: actor_ru" in unfolded(page)
    assert "И[С] МИ[О]" in page, "the brackets are the text's, no markup"


def test_an_internal_procedure_is_shown_by_branch() -> None:
    page = egov("show", "wko-targeted-social-assistance").output
    assert "internal procedure, branch akim" in page
    assert "internal procedure, branch centre" in page
    assert "describes no steps" in page


def test_forms_are_shown_with_fields_options_validity_and_text() -> None:
    page = unfolded(egov("show", "semey-minor-funds-certificate").output)
    assert "· bank [A14, A28, A30, E11, E12]" in page
    assert "- (название банка) (text, required)" in page
    assert "valid 1 month" in page
    survey = unfolded(egov("show", HOUSING).output)
    assert " | " in survey[survey.index("survey") :], "the options of a question"


def test_an_unknown_code_or_channel_exits_2_and_says_what_there_is() -> None:
    unknown = egov("show", "nowhere")
    assert (unknown.exit_code, "no regulation nowhere" in unknown.stderr) == (2, True)
    channel = egov("show", HOUSING, "--channel", "akim")
    assert (channel.exit_code, "only portal, provider, centre" in channel.stderr) == (2, True)


def test_a_valid_catalogue_is_counted() -> None:
    validated = egov("validate")
    assert (validated.exit_code, validated.output) == (0, "21 regulations are valid\n")


def test_every_fault_is_reported_with_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(contracts_dir(), contracts)
    path = contracts / "regulations" / "atyrau" / "housing-queue.yaml"
    text = path.read_text(encoding="utf-8").replace("kind: sign_and_send", "kind: teleport", 1)
    path.write_text(text.replace("decisions: [A37]", "decisions: [A99]", 1), encoding="utf-8")
    monkeypatch.setenv("EGOV_CONTRACTS", str(contracts))

    validated = egov("validate")
    assert validated.exit_code == 1
    lines = path.read_text(encoding="utf-8").splitlines()
    for fault, word in (("decision A99 is not in decisions.yaml", "A99"), ("unknown step kind teleport", "teleport")):
        (line,) = [line for line in validated.stderr.splitlines() if fault in line]
        file, number, _ = line.split(":", 2)
        assert (file, word in lines[int(number) - 1]) == ("atyrau/housing-queue.yaml", True)
    assert validated.stderr.splitlines()[-1].endswith(" faults")


def test_the_export_is_json_of_every_regulation() -> None:
    exported = egov("export", "--json")
    assert len(json.loads(exported.output)) == 21
    assert egov("export").exit_code == 2


def test_equal_regulations_exit_0_and_say_so() -> None:
    compared = egov("diff", "wko-wheelchairs", "wko-sanatorium-treatment")
    assert compared.exit_code == 0
    assert compared.output == "wko-wheelchairs and wko-sanatorium-treatment are equal but for names\n"


def test_different_regulations_exit_1_and_show_where() -> None:
    compared = egov("diff", TAYYNSHA, HOUSING)
    assert compared.exit_code == 1
    page = unfolded(compared.output)
    assert "portal certificate checked after signing checked before signing" in page
    assert page.endswith("differences")
    assert max(len(line) for line in compared.output.splitlines()) <= 100


def test_other_wording_counts_only_with_texts() -> None:
    codes = "semey-housing-queue", HOUSING
    plain, with_texts = egov("diff", *codes), egov("diff", *codes, "--texts")
    assert "\ntexts\n" not in plain.output
    assert "\ntexts\n" in with_texts.output


def test_comparing_with_an_unknown_code_exits_2() -> None:
    assert egov("diff", HOUSING, "nowhere").exit_code == 2


@pytest.mark.parametrize(("form", "root"), [("svg", "svg"), ("bpmn", "definitions")])
def test_a_diagram_goes_to_the_terminal_or_a_file(tmp_path: Path, form: str, root: str) -> None:
    drawn = egov("diagram", HOUSING, "portal", "--format", form)
    assert drawn.exit_code == 0
    assert ElementTree.fromstring(drawn.output).tag.endswith("}" + root)

    path = tmp_path / "portal"
    assert egov("diagram", HOUSING, "portal", "--format", form, "-o", str(path)).output == ""
    assert path.read_text(encoding="utf-8") == drawn.output


def test_all_diagrams_are_drawn_at_once_in_both_forms(tmp_path: Path, law: Catalogue) -> None:
    folder = tmp_path / "diagrams"
    drawn = egov("diagram", "--all", str(folder))
    assert (drawn.exit_code, drawn.output) == (0, f"35 channels are drawn in {folder}\n")
    described = {
        f"{regulation.code}.{channel.code}"
        for regulation in law.regulations
        for channel in regulation.channels.values()
        if channel.has_flow
    }
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{form}" for name in described for form in ("svg", "bpmn")
    }


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (HOUSING,),
        (HOUSING, "akim"),
        ("nowhere", "portal"),
        ("zhambyl-social-assistance-certificate", "centre"),  # named, not described
        (HOUSING, "portal", "--all", "somewhere"),
    ],
)
def test_what_cannot_be_drawn_exits_2(arguments: tuple[str, ...]) -> None:
    drawn = egov("diagram", *arguments)
    assert (drawn.exit_code, drawn.stdout) == (2, "")
    assert drawn.stderr
