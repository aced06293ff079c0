"""The yardstick of `egov bench gateway`: aio-pika alone, moving messages from one quorum queue to another.

A script and no part of any package: the packages know the broker's client through egovkit.bus only, and that is
what is being measured. Batches of a hundred, confirms awaited together, one multiple acknowledgement.

    plain_pipe.py AMQP_URL SOURCE TARGET COUNT      ends when it has moved COUNT messages; prints "moving" first
"""

from __future__ import annotations

import asyncio
import sys

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

BATCH = 100
PREFETCH = 200


async def main(url: str, source: str, target: str, count: int) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.set_qos(prefetch_count=PREFETCH)
        exchange = await channel.get_exchange(target)
        queue = await channel.get_queue(source)
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await queue.consume(arrived.put)
        print("moving", flush=True)
        moved = 0
        while moved < count:
            batch = [await arrived.get()]
            while len(batch) < BATCH and not arrived.empty():
                batch.append(arrived.get_nowait())
            await asyncio.gather(*(exchange.publish(copy(one), "", mandatory=True) for one in batch))
            await batch[-1].ack(multiple=True)
            moved += len(batch)


def copy(message: AbstractIncomingMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        headers=message.headers,
        message_id=message.message_id,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
