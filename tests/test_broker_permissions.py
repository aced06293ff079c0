"""The broker's own refusals, on a RabbitMQ that loaded the definitions compose and its `secrets` step give it.

Every system tries everything at every queue: what it may do is what contracts/topology.yaml says, and no more. A
system that turned bad can't get past ШЭП, read what is another's, or change what the broker is made of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiormq
import pytest
import pytest_asyncio
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused

from egovkit.bus.topology import QueueSpec, Topology
from egovkit.clock import SystemClock
from egovkit.contracts import contracts_dir
from egovkit.ids import SystemIds
from egovkit.testing.plugin import server_or_skip
from egovkit.testing.servers import PrivateRabbit
from sandbox.composition import Home
from sandbox.deployment import DEFINITIONS, make_all_secrets

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="module")]
TOPOLOGY = Topology.load(contracts_dir())
DEAD = QueueSpec(TOPOLOGY.dead_letters, TOPOLOGY.dead_letters_owner, ())
QUEUES = (*TOPOLOGY.queues, DEAD)
Attempt = Callable[[AbstractChannel, str], Awaitable[object]]
Systems = dict[str, AbstractConnection]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def systems(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Systems]:
    """A connection of every system, by its user and password, to a node that has the definitions and nothing else."""
    home = Home(tmp_path_factory.mktemp("broker"))
    clock = SystemClock()
    make_all_secrets(home, TOPOLOGY, clock, SystemIds(clock))
    node = server_or_skip(lambda: PrivateRabbit(settings={"load_definitions": str(home.secret(DEFINITIONS))}))
    try:
        node.start()
        urls = {name: node.url_of(name, home.broker_password(name).read_text()) for name in TOPOLOGY.systems}
        connections = {name: await aiormq.connect(url) for name, url in urls.items()}
        yield connections
        for connection in connections.values():
            await connection.close()
    finally:
        node.remove()


async def allowed(system: AbstractConnection, attempt: Attempt, queue: str) -> bool:
    """On a channel of its own: a refusal closes it. Any other failure is the test's."""
    channel = await system.channel(publisher_confirms=True)
    try:
        await attempt(channel, queue)
    except ChannelAccessRefused:
        return False
    await channel.close()
    return True


async def publish(channel: AbstractChannel, queue: str) -> None:
    await channel.basic_publish(b"{}", exchange=queue, routing_key=queue, mandatory=True)


async def publish_past_the_exchange(channel: AbstractChannel, queue: str) -> None:
    """The default exchange leads to every queue by its name."""
    await channel.basic_publish(b"{}", exchange="", routing_key=queue, mandatory=True)


async def get(channel: AbstractChannel, queue: str) -> None:
    message = await channel.basic_get(queue, no_ack=False)
    if message.delivery_tag:
        await channel.basic_nack(message.delivery_tag, requeue=True)


async def consume(channel: AbstractChannel, queue: str) -> None:
    async def leave(message: object) -> None:
        """Not acknowledged: it goes back with the channel."""

    await channel.basic_consume(queue, leave, no_ack=False)


async def purge(channel: AbstractChannel, queue: str) -> None:
    await channel.queue_purge(queue)


async def declare_again(channel: AbstractChannel, queue: str) -> None:
    await channel.queue_declare(queue, durable=True, arguments=TOPOLOGY.arguments(queue))


async def declare_another(channel: AbstractChannel, queue: str) -> None:
    await channel.queue_declare(f"{queue}.copy", durable=True)


async def declare_a_nameless_one(channel: AbstractChannel, queue: str) -> None:
    await channel.queue_declare("", exclusive=True)


async def declare_exchange(channel: AbstractChannel, queue: str) -> None:
    await channel.exchange_declare(f"{queue}.copy", exchange_type="fanout")


async def delete(channel: AbstractChannel, queue: str) -> None:
    await channel.queue_delete(queue)


async def delete_exchange(channel: AbstractChannel, queue: str) -> None:
    await channel.exchange_delete(queue)


NOBODYS: tuple[Attempt, ...] = (
    publish_past_the_exchange, declare_again, declare_another, declare_a_nameless_one, declare_exchange, delete,
    delete_exchange,
)  # fmt: skip
OWNERS: tuple[Attempt, ...] = (get, consume, purge)


def name_of(attempt: Attempt) -> str:
    return str(getattr(attempt, "__name__", attempt))


@pytest.mark.parametrize("attempt", NOBODYS, ids=name_of)
async def test_no_system_may(systems: Systems, attempt: Attempt) -> None:
    may = [(name, q.name) for name, system in systems.items() for q in QUEUES if await allowed(system, attempt, q.name)]
    assert may == []


async def unbind(channel: AbstractChannel, queue: str) -> None:
    """And bind again: who may do the one may do the other."""
    await channel.queue_unbind(queue, queue)
    await channel.queue_bind(queue, queue)


async def test_who_puts_dead_letters_back_may_unbind_its_own_queues_and_nobody_any_other(systems: Systems) -> None:
    """RabbitMQ asks for the right to read the exchange and to write the queue; only that system has both of a queue."""
    may = [(name, q.name) for name, system in systems.items() for q in QUEUES if await allowed(system, unbind, q.name)]
    keeper = TOPOLOGY.dead_letters_owner
    assert may == [(keeper, q.name) for q in QUEUES if q.owner == keeper]


@pytest.mark.parametrize("attempt", OWNERS, ids=name_of)
async def test_only_the_owner_may(systems: Systems, attempt: Attempt) -> None:
    """Emptying its own inbox is no more than reading it: RabbitMQ knows no difference."""
    for name, system in systems.items():
        may = {q.name for q in QUEUES if await allowed(system, attempt, q.name)}
        assert may == {q.name for q in QUEUES if q.owner == name}, name


async def test_only_writers_write_and_everybody_buries(systems: Systems) -> None:
    for name, system in systems.items():
        may = {q.name for q in QUEUES if await allowed(system, publish, q.name)}
        assert may == {*TOPOLOGY.written_by(name), DEAD.name}, name


async def test_a_binding_gives_no_system_what_it_could_not_forward_itself(systems: Systems) -> None:
    """RabbitMQ lets bind a queue one may write to an exchange one may read: from the own inbox to the own way out."""
    for name, system in systems.items():
        reads = {q.name for q in QUEUES if q.owner == name}
        writes = {*TOPOLOGY.written_by(name), DEAD.name}
        for source in QUEUES:
            for target in QUEUES:
                if source.name in reads and target.name in writes:
                    continue

                async def bind(channel: AbstractChannel, queue: str, source: str = source.name) -> None:
                    await channel.queue_bind(queue, source)

                assert not await allowed(system, bind, target.name), (name, source.name, target.name)


async def test_no_way_leads_past_the_gateways(systems: Systems) -> None:
    """What all of the above comes to, read off the rights the broker was seen to give."""
    gateways = {"gateway-shep", "regional-gateway-rshep"}
    for name in systems.keys() - gateways:
        ways = {q.name for q in QUEUES if await allowed(systems[name], publish, q.name)} - {DEAD.name}
        assert ways and {q.owner for q in QUEUES if q.name in ways} <= gateways, name
        assert not any("trunk" in way or way.startswith("inbox.") for way in ways), name


async def test_every_pair_was_tried(systems: Systems, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert set(systems) == set(TOPOLOGY.systems)
    pairs, attempts = len(systems) * len(QUEUES), len(NOBODYS) + len(OWNERS) + 2
    with capsys.disabled():
        print(f"\nbroker permissions: {pairs} pairs of system and queue, {pairs * attempts} attempts")
