"""The yardstick of `egov bench query`: aio-pika alone, one message to a quorum queue and its echo to another.

One at a time, over two connections, confirms awaited, every delivery acknowledged: what a question costs at least.

    plain_round_trip.py AMQP_URL THERE BACK COUNT BYTES      prints one line of JSON: the seconds of every round trip
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

WARM_UP = 20


async def main(url: str, there: str, back: str, count: int, size: int) -> None:
    asking, answering = await aio_pika.connect(url), await aio_pika.connect(url)
    async with asking, answering:
        await echo(await answering.channel(publisher_confirms=True), there, back)
        channel = await asking.channel(publisher_confirms=True)
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await (await channel.get_queue(back)).consume(arrived.put)
        exchange = await channel.get_exchange(there)
        seconds = []
        for _ in range(WARM_UP + count):
            began = time.perf_counter()
            await exchange.publish(message(b"x" * size), "", mandatory=True)
            await (await arrived.get()).ack()
            seconds.append(time.perf_counter() - began)
        print(json.dumps(seconds[WARM_UP:]))


async def echo(channel: AbstractChannel, there: str, back: str) -> None:
    exchange = await channel.get_exchange(back)

    async def answer(received: AbstractIncomingMessage) -> None:
        await exchange.publish(message(received.body), "", mandatory=True)
        await received.ack()

    await (await channel.get_queue(there)).consume(answer)


def message(body: bytes) -> aio_pika.Message:
    return aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
