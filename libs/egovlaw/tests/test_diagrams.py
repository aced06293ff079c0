"""Every channel the acts describe, drawn again: properties that hold for all of them, in both renderings."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise

import pytest

from egovlaw.catalogue import Branch, Catalogue, Channel, Event, Limit, Regulation
from egovlaw.diagram import lay_out, to_bpmn, to_svg
from egovlaw.diagram.bpmn import BPMN
from egovlaw.diagram.layout import acting_systems
from egovlaw.diagram.parts import Box, Diagram, Node, Pool
from egovlaw.diagram.routing import crosses
from egovlaw.diagram.words import KIND_WORDS, limit_words, wrap
from egovlaw.kinds import STEP_KINDS

SVG = "{http://www.w3.org/2000/svg}"
MODEL = f"{{{BPMN}}}"

Drawn = tuple[Regulation, Channel, Diagram]


@pytest.fixture(scope="module")
def drawn(catalogue: Catalogue) -> list[Drawn]:
    return [
        (regulation, channel, lay_out(regulation, channel))
        for regulation in catalogue.regulations
        for channel in regulation.channels.values()
        if channel.has_flow
    ]


def overlap(one: Box, other: Box) -> bool:
    return one.x < other.right and other.x < one.right and one.y < other.bottom and other.y < one.bottom


def inside(inner: Box, outer: Box) -> bool:
    across = outer.x <= inner.x and inner.right <= outer.right
    return across and outer.y <= inner.y and inner.bottom <= outer.bottom


def on_border(point: tuple[float, float], box: Box) -> bool:
    x, y = point
    upright = x in (box.x, box.right) and box.y <= y <= box.bottom
    return upright or (y in (box.y, box.bottom) and box.x <= x <= box.right)


def nodes_of(diagram: Diagram, *shapes: str) -> list[Node]:
    return [node for node in diagram.nodes if node.shape in shapes]


def test_thirty_five_channels_are_described_and_drawn(drawn: list[Drawn]) -> None:
    assert len(drawn) == 35
    assert sum(len(nodes_of(diagram, "task")) for _, _, diagram in drawn) == 386, "385 items of the acts, one restored"


def test_no_two_nodes_overlap(drawn: list[Drawn]) -> None:
    for regulation, channel, diagram in drawn:
        for one, other in combinations(diagram.nodes, 2):
            assert not overlap(one.box, other.box), (regulation.code, channel.code, one.id, other.id)


def test_no_two_pools_overlap_and_every_node_lies_in_its_own(drawn: list[Drawn]) -> None:
    for regulation, channel, diagram in drawn:
        whole = Box(0, 0, diagram.width, diagram.height)
        assert all(inside(pool.box, whole) for pool in diagram.pools)
        assert not any(overlap(a.box, b.box) for a, b in combinations(diagram.pools, 2))
        for node in diagram.nodes:
            pool = diagram.by_id[node.pool]
            assert isinstance(pool, Pool)
            assert not pool.closed
            assert inside(node.box, pool.box), (regulation.code, channel.code, node.id)


def test_every_edge_ends_on_the_borders_of_what_it_joins(drawn: list[Drawn]) -> None:
    for regulation, channel, diagram in drawn:
        for edge in diagram.edges:
            source, target = diagram.by_id[edge.source], diagram.by_id[edge.target]
            assert on_border(edge.points[0], source.box), (regulation.code, channel.code, edge.id)
            assert on_border(edge.points[-1], target.box), (regulation.code, channel.code, edge.id)


def test_edges_are_orthogonal_and_pass_through_no_node(drawn: list[Drawn]) -> None:
    for regulation, channel, diagram in drawn:
        for edge in diagram.edges:
            for a, b in pairwise(edge.points):
                assert a[0] == b[0] or a[1] == b[1], edge.id
                hit = [node.id for node in diagram.nodes if crosses(a, b, node.box)]
                assert not hit, (regulation.code, channel.code, edge.id, hit)


def test_no_two_edges_lie_on_one_another(drawn: list[Drawn]) -> None:
    """They may cross; a reader must be able to follow each."""
    for _, _, diagram in drawn:
        lines = [(edge.id, *sorted((a, b))) for edge in diagram.edges for a, b in pairwise(edge.points)]
        for (one, a, b), (other, c, d) in combinations(lines, 2):
            if a[0] == b[0] == c[0] == d[0]:
                assert b[1] <= c[1] or d[1] <= a[1], (one, other)
            if a[1] == b[1] == c[1] == d[1]:
                assert b[0] <= c[0] or d[0] <= a[0], (one, other)


def test_every_item_occurs_once_with_its_clause_and_its_words(drawn: list[Drawn]) -> None:
    for _, channel, diagram in drawn:
        tasks = nodes_of(diagram, "task")
        assert [node.item for node in tasks] == list(channel.flow)
        for node in tasks:
            assert node.item is not None
            assert node.item.clause in node.lines[0]
            assert " ".join(node.lines[1:]) == KIND_WORDS[node.item.kind.name]


def test_items_go_from_left_to_right_in_the_order_of_the_flow(drawn: list[Drawn]) -> None:
    for _, channel, diagram in drawn:
        place = {node.label: node.box.x for node in nodes_of(diagram, "task")}
        for item in channel.flow:
            assert all(place[item.label] < place[label] for label in item.successors)


def test_every_condition_has_one_gateway_with_both_answers(drawn: list[Drawn]) -> None:
    for _, channel, diagram in drawn:
        conditions = [item for item in channel.flow if isinstance(item.next, Branch)]
        assert [node.label for node in nodes_of(diagram, "gateway")] == [item.label for item in conditions]
        for item in conditions:
            assert isinstance(item.next, Branch)
            answers = {edge.name: edge.target for edge in diagram.edges if edge.source == f"gate_{item.label}"}
            assert answers == {"да": f"item_{item.next.ok}", "нет": f"item_{item.next.violation}"}


def test_every_limit_is_a_timer_on_its_item_with_its_time_and_clause(drawn: list[Drawn]) -> None:
    for _, channel, diagram in drawn:
        timers = [timer for node in diagram.nodes for timer in node.timers]
        assert Counter(timer.limit for timer in timers) == Counter(channel.limits)
        for node in diagram.nodes:
            for timer in node.timers:
                assert timer.limit.label == node.label
                assert timer.box.centre[0] == node.box.x, "half of it stands outside"
                assert node.box.y < timer.box.y and timer.box.bottom <= node.box.bottom
                assert limit_words(timer.limit) in " ".join(timer.lines)


def test_timers_of_one_item_stand_apart_and_away_from_its_edges(drawn: list[Drawn]) -> None:
    for _, _, diagram in drawn:
        for node in diagram.nodes:
            assert not any(overlap(a.box, b.box) for a, b in combinations(node.timers, 2))
            ends = [point for edge in diagram.edges for point in edge.points if node.id in (edge.source, edge.target)]
            for timer in node.timers:
                assert not any(on_border(end, timer.box) for end in ends)


def test_every_refusal_reaches_a_refusal_end_and_every_result_a_result_end(drawn: list[Drawn]) -> None:
    for _, channel, diagram in drawn:
        onward: dict[str, list[str]] = {}
        for edge in diagram.edges:
            onward.setdefault(edge.source, []).append(edge.target)
        for item in channel.flow:
            if item.outcome == "continue":
                continue
            reached = [f"item_{item.label}"]
            for place in reached:
                reached += [target for target in onward.get(place, ()) if target not in reached]
            shapes = {node.shape for node in diagram.nodes if node.id in reached}
            assert f"{item.outcome}_end" in shapes


def test_what_the_corporation_hands_over_may_be_a_refusal(catalogue: Catalogue) -> None:
    """D17: process 7 leads to process 8, so the case ends there in one of two ways."""
    regulation = catalogue.by_code["wko-oralman-status"]
    diagram = lay_out(regulation, regulation.channels["state_corporation"])
    ends = {edge.target for edge in diagram.edges if edge.source == "item_P8" and edge.kind == "flow"}
    assert ends == {"result_end_P8", "refusal_end_P8"}


def test_the_refusal_among_two_ends_is_conditional_and_the_result_the_default(catalogue: Catalogue) -> None:
    regulation = catalogue.by_code["wko-oralman-status"]
    root = ElementTree.fromstring(to_bpmn(lay_out(regulation, regulation.channels["state_corporation"])))
    task = next(each for each in root.iter(f"{MODEL}task") if each.get("id") == "item_P8")
    conditions = {
        flow.get("id"): flow.findtext(f"{MODEL}conditionExpression")
        for flow in root.iter(f"{MODEL}sequenceFlow")
        if flow.get("sourceRef") == "item_P8"
    }
    assert conditions == {"flow_item_P8_result_end_P8": None, "flow_item_P8_refusal_end_P8": "отказ"}
    assert task.get("default") == "flow_item_P8_result_end_P8"


def test_a_pool_that_hands_the_case_on_ends_there(portal: Channel, housing: Regulation) -> None:
    """BPMN 2.0: what goes on in another pool is another process."""
    diagram = lay_out(housing, portal)
    assert [edge.target for edge in diagram.edges if edge.source == "item_P5" and edge.kind == "flow"] == [
        "sent_end_P5"
    ]


def test_no_task_is_left_without_a_way_on(drawn: list[Drawn]) -> None:
    for _, _, diagram in drawn:
        left = {edge.source for edge in diagram.edges if edge.kind == "flow"}
        entered = {edge.target for edge in diagram.edges if edge.kind == "flow"}
        assert {node.id for node in nodes_of(diagram, "task", "gateway")} <= left & entered


def test_pools_stand_in_the_order_in_which_the_act_names_the_systems(portal: Channel, housing: Regulation) -> None:
    pools = lay_out(housing, portal).pools
    assert [(pool.name, pool.closed) for pool in pools] == [("ПЭП", False), ("ШЭП", True), ("АРМ РШЭП", False)]


def test_what_passes_through_a_gateway_is_drawn_through_it(portal: Channel, housing: Regulation) -> None:
    """Clause 6 8): through ШЭП to АРМ РШЭП; 6 12): АРМ РШЭП forms the result that is got on ПЭП."""
    messages = [(edge.source, edge.target) for edge in lay_out(housing, portal).edges if edge.kind == "message"]
    assert messages == [("item_P5", "pool_2"), ("pool_2", "message_start_P6"), ("item_P8", "pool_1")]


def test_a_register_is_asked_and_answers_through_the_gateway(centre: Channel, housing: Regulation) -> None:
    diagram = lay_out(housing, centre)
    names = {pool.id: pool.name for pool in diagram.pools}
    asked = [
        (names.get(edge.source, edge.source), names.get(edge.target, edge.target))
        for edge in diagram.edges
        if edge.kind == "message" and edge.id.startswith("message_P3_")
    ]
    assert asked == [
        ("item_P3", "ШЭП"), ("ШЭП", "ГБД ФЛ"), ("ГБД ФЛ", "ШЭП"), ("ШЭП", "ЕНИС"), ("ЕНИС", "ШЭП"), ("ШЭП", "item_P3"),
    ]  # fmt: skip


def test_who_asks_the_registers_is_who_asks_and_who_judges_the_answer(centre: Channel) -> None:
    acting = acting_systems(centre)
    assert {acting[label] for label in ("P2", "P3", "C1", "P4")} == {"АРМ ИС ЦОН"}


def test_an_item_of_no_system_belongs_to_the_person_by_the_act_s_own_word(catalogue: Catalogue) -> None:
    tayynsha = catalogue.by_code["tayynsha-social-assistance"].channels["provider"]
    wko = catalogue.by_code["wko-wheelchairs"].channels["state_corporation"]
    assert (acting_systems(tayynsha)["pre1"], acting_systems(wko)["pre1"]) == ("Потребитель", "Услугополучатель")


def test_a_channel_that_is_only_named_has_no_diagram(catalogue: Catalogue) -> None:
    regulation = catalogue.by_code["zhambyl-social-assistance-certificate"]
    with pytest.raises(ValueError, match="no flow"):
        lay_out(regulation, regulation.channels["centre"])


def test_a_flow_that_goes_back_is_drawn_all_the_same(housing: Regulation, portal: Channel) -> None:
    """No act has it today: back to the login after a wrong password."""
    flow = tuple(replace(item, next="P1", outcome="continue") if item.label == "P2" else item for item in portal.flow)
    diagram = lay_out(housing, replace(portal, flow=flow))
    back = next(edge for edge in diagram.edges if (edge.source, edge.target) == ("item_P2", "item_P1"))
    assert on_border(back.points[-1], diagram.by_id["item_P1"].box)
    assert not any(overlap(a.box, b.box) for a, b in combinations(diagram.nodes, 2))


def test_the_same_channel_gives_the_same_bytes(drawn: list[Drawn]) -> None:
    for regulation, channel, diagram in drawn:
        again = lay_out(regulation, channel)
        assert (to_svg(again), to_bpmn(again)) == (to_svg(diagram), to_bpmn(diagram))


def test_a_picture_names_regulation_and_channel_for_who_cannot_see_it(portal: Channel, housing: Regulation) -> None:
    root = ElementTree.fromstring(to_svg(lay_out(housing, portal)))
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and description is not None
    assert title.text == f"{housing.title_ru} — веб-портал «электронного правительства»"
    assert (description.text or "").startswith(housing.title_kk)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"


def test_every_picture_is_well_formed_and_fetches_nothing(drawn: list[Drawn]) -> None:
    for _, channel, diagram in drawn:
        text = to_svg(diagram)
        root = ElementTree.fromstring(text)
        assert root.get("viewBox") == f"0 0 {diagram.width:g} {diagram.height:g}"
        assert text.count("://") == 1, "the name of the format, and no other address"
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "title", "desc", "defs", "marker", "path", "rect", "circle", "g", "text"}
        identities = [element.get("id") for element in root.iter() if element.get("id")]
        assert len(identities) == len(set(identities))
        said = {element.text for element in root.iter(f"{SVG}title")}
        assert all(any(item.text_ru in (text or "") for text in said) for item in channel.flow), "the whole text"


def test_text_stays_inside_its_box(drawn: list[Drawn]) -> None:
    """By a letter wider than the fonts that are asked for have them on average."""
    for _, _, diagram in drawn:
        for node in nodes_of(diagram, "task"):
            assert all(len(line) * 12 * 0.6 <= node.box.w - 10 for line in node.lines)
            assert len(node.lines) <= 4, "head and three lines stand above the timers"
            for timer in node.timers:
                assert all(timer.box.right + len(line) * 10 * 0.6 <= node.box.right for line in timer.lines)


def test_text_of_an_act_is_text_wherever_it_stands(portal: Channel, housing: Regulation) -> None:
    hostile = "</text><script>alert(1)</script>&\"' ]]> <!--"
    flow = tuple(replace(item, text_ru=hostile, clause=hostile, systems=(hostile,)) for item in portal.flow)
    diagram = lay_out(replace(housing, title_ru=hostile), replace(portal, flow=flow))
    picture, model = ElementTree.fromstring(to_svg(diagram)), ElementTree.fromstring(to_bpmn(diagram))
    for root in (picture, model):
        assert not [element for element in root.iter() if "script" in element.tag]
    assert (picture.findtext(f"{SVG}title") or "").startswith(hostile)
    documented = [element.text for element in model.iter(f"{MODEL}documentation")]
    assert documented.count(hostile) == len(portal.flow)


def test_a_model_has_a_participant_per_system_and_a_process_per_acting_one(drawn: list[Drawn]) -> None:
    for _, _, diagram in drawn:
        root = ElementTree.fromstring(to_bpmn(diagram))
        participants = [(each.get("name"), each.get("processRef") is None) for each in root.iter(f"{MODEL}participant")]
        assert participants == [(pool.name, pool.closed) for pool in diagram.pools]
        processes = {each.get("id") for each in root.iter(f"{MODEL}process")}
        assert processes == {f"process_{pool.id}" for pool in diagram.pools if not pool.closed}


def test_sequence_flows_stay_in_a_process_and_messages_leave_it(drawn: list[Drawn]) -> None:
    """BPMN 2.0, 9.3 and 10: nothing else may cross a pool's border, and a gateway sends no message."""
    for _, _, diagram in drawn:
        pool_of = {node.id: node.pool for node in diagram.nodes} | {pool.id: pool.id for pool in diagram.pools}
        for edge in diagram.edges:
            same = pool_of[edge.source] == pool_of[edge.target]
            assert same is (edge.kind == "flow"), edge.id
            if edge.kind == "message":
                assert not edge.source.startswith("gate_") and not edge.target.startswith("gate_")


def test_a_limit_is_a_timer_that_does_not_interrupt(portal: Channel, housing: Regulation) -> None:
    root = ElementTree.fromstring(to_bpmn(lay_out(housing, portal)))
    found = {
        event.get("attachedToRef"): (event.get("cancelActivity"), event.findtext(f".//{MODEL}timeDuration"))
        for event in root.iter(f"{MODEL}boundaryEvent")
    }
    assert len(found) == 8
    assert found["item_P1"] == ("false", "PT60S")
    assert found["item_P8"] == ("false", "PT900S")


def test_refusals_end_with_an_error_and_results_without(portal: Channel, housing: Regulation) -> None:
    root = ElementTree.fromstring(to_bpmn(lay_out(housing, portal)))
    ends = {
        end.get("id"): end.find(f"{MODEL}errorEventDefinition") is not None for end in root.iter(f"{MODEL}endEvent")
    }
    assert {end for end, failed in ends.items() if failed} == {"refusal_end_P2", "refusal_end_P4", "refusal_end_P7"}
    assert {end for end, failed in ends.items() if not failed} == {"sent_end_P5", "result_end_P8"}


def test_a_model_shows_every_element_where_the_picture_has_it(drawn: list[Drawn]) -> None:
    for _, _, diagram in drawn:
        root = ElementTree.fromstring(to_bpmn(diagram))
        identities = [element.get("id") for element in root.iter() if element.get("id")]
        assert len(identities) == len(set(identities))
        shown = Counter(each.get("bpmnElement") for each in root.iter() if each.tag.endswith(("BPMNShape", "BPMNEdge")))
        timers = [timer.id for node in diagram.nodes for timer in node.timers]
        assert shown == Counter([*diagram.by_id, *timers, *(edge.id for edge in diagram.edges)])


def test_every_step_kind_has_words() -> None:
    assert set(KIND_WORDS) == set(STEP_KINDS)
    for words in KIND_WORDS.values():
        assert len(wrap(words, 148, 12)) <= 3


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (30, 60, "30 с – 1 мин"),
        (None, 90, "до 1,5 мин"),
        (10, 15, "10 с – 15 с"),
        (None, 900, "до 15 мин"),
        (None, 75, "до 1 мин 15 с"),
    ],
)
def test_a_limit_is_told_in_the_units_of_the_acts(low: int | None, high: int, words: str) -> None:
    step = Event("step", "P1")
    assert limit_words(Limit("P1", "6 2)", low, high, step, step, "portal-pep", "fact", None)) == words


def test_a_limit_of_a_question_tells_the_register() -> None:
    asked = Event("message", "query.attorney")
    limit = Limit("P3", "8 3)", None, 90, asked, Event("message", "answer.attorney"), "gateway-shep", "request", 3)
    assert limit_words(limit) == "ЕНИС: до 1,5 мин"
