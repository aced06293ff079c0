"""One scenario for every end of every flow, and what it expects agrees with what was written by hand from the act."""

from __future__ import annotations

from collections import Counter

import pytest

from egovlaw.catalogue import Catalogue, Channel
from sandbox.replay.checks import first_end, follows
from sandbox.replay.generating import cells_of, generate, ways
from sandbox.replay.reading import load_all, the_law
from sandbox.replay.scenario import Scenario
from sandbox.replay.verdicts import wanted_cells
from sandbox.trace import Line


@pytest.fixture(scope="module")
def law() -> Catalogue:
    return the_law()


@pytest.fixture(scope="module")
def made(law: Catalogue) -> list[Scenario]:
    return generate(law)


def flows(law: Catalogue) -> list[Channel]:
    return [channel for one in law.regulations for channel in one.channels.values() if channel.has_flow]


def test_a_flow_has_as_many_scenarios_as_refusals_and_results(law: Catalogue, made: list[Scenario]) -> None:
    counted = Counter((one.regulation, one.channel) for one in made)
    for regulation in law.regulations:
        for channel in regulation.channels.values():
            outcomes = Counter(item.outcome for item in channel.flow)
            place = (regulation.code, channel.code)
            print(*place, counted[place])
            assert counted[place] == (outcomes["refusal"] + outcomes["result"] if channel.has_flow else 1)


def test_no_cell_is_empty_and_none_is_filled_twice(law: Catalogue, made: list[Scenario]) -> None:
    cells = [one.cell for one in made]
    print(f"{len(cells)} cells")
    assert sorted(map(str, cells)) == sorted(map(str, wanted_cells(law)))
    every = [channel for one in law.regulations for channel in one.channels.values()]
    assert len(cells) == len(set(cells)) == sum(len(cells_of(channel)) for channel in every)


def test_a_way_to_apply_that_is_only_named_is_worked_by_hand_and_nothing_is_invented(
    law: Catalogue, made: list[Scenario]
) -> None:
    named = {(one.code, c.code): (one, c) for one in law.regulations for c in one.channels.values() if not c.has_flow}
    played = {(one.regulation, one.channel): one for one in made if one.ends == "intake"}
    assert played.keys() == named.keys() and named
    for place, scenario in played.items():
        regulation, channel = named[place]
        clauses = {step.clause for step in regulation.internal_procedure} | {", ".join(channel.clauses)}
        assert {line.clause for line in scenario.then.lines} <= clauses
        assert all(line.message for line in scenario.then.lines), "no line stands for a step of a flow"


def test_every_way_begins_at_the_first_item_and_goes_on_to_the_end(law: Catalogue) -> None:
    for channel in flows(law):
        for way in ways(channel):
            items = [channel.by_label[act.step] for act in way]
            assert items[0] is channel.flow[0]
            for act, item, after in zip(way, items, [*items[1:], None], strict=True):
                assert follows(item, act.outcome) == (after.label if after else None)


def test_a_refusal_that_is_handed_over_is_its_own_cell(law: Catalogue) -> None:
    """D17: in the Corporation the way of a refusal goes on to the hand-over, and still is the refusal's."""
    long = [
        (channel, way) for channel in flows(law) for way in ways(channel) if first_end(channel, way) != way[-1].step
    ]
    assert long
    for channel, way in long:
        assert channel.by_label[first_end(channel, way)].outcome == "refusal"


def test_everybody_made_has_a_name_of_his_own_and_no_two_cases_share_a_person_of_a_register(
    made: list[Scenario],
) -> None:
    assert len({one.name for one in made}) == len(made)
    for regulation in {one.regulation for one in made}:
        persons = [one.given.consumer.iin for one in made if one.regulation == regulation and one.side != "portal"]
        known = [iin for iin in persons if iin is not None]
        assert len(known) == len(set(known))


# A representative is a story of its own: one register more is asked.
STORIES = [one for one in load_all() if one.given.attorney is None]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_what_is_made_from_the_catalogue_says_what_was_written_by_hand(story: Scenario, made: list[Scenario]) -> None:
    """Two readings of one act: the lines a person wrote, and those the walk through the flow gives."""
    twin = next(one for one in made if one.cell == story.cell)
    assert [line.key for line in twin.then.lines] == [line.key for line in story.then.lines]
    for by_hand, derived in zip(story.then.lines, twin.then.lines, strict=True):
        for name in ("clause", "before", "after", "sender", "recipient", "limit_s", "code"):
            wanted = getattr(by_hand, name)
            assert wanted in (None, getattr(derived, name)), (by_hand, name)
    assert (twin.then.state, twin.then.refusals) == (story.then.state, story.then.refusals)


def test_a_limit_changed_in_the_act_changes_what_is_expected(law: Catalogue, made: list[Scenario]) -> None:
    """Every limit that the bus can measure on some way is expected somewhere."""
    lines: dict[tuple[str, str], set[tuple[str | None, float | None]]] = {}
    for one in made:
        place = lines.setdefault((one.regulation, one.channel), set())
        place |= {(line.table, line.limit_s) for line in one.then.lines}
    for regulation in law.regulations:
        for channel in regulation.channels.values():
            named = {(limit.clause, float(limit.max_s)) for limit in channel.limits}
            measured = lines.get((regulation.code, channel.code), set())
            silent = {clause for clause, _ in named - measured}
            print(regulation.code, channel.code, "not on any line:", sorted(silent))
            assert len(silent) < max(len(named), 1)


def test_every_line_made_names_what_the_act_says_there(law: Catalogue, made: list[Scenario]) -> None:
    for one in made:
        flow = law.by_code[one.regulation].channels[one.channel].by_label
        if not flow:
            continue  # the test above
        assert all(isinstance(line, Line) and line.clause == flow[line.step].clause for line in one.then.lines)
