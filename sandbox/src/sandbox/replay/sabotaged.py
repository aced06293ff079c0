"""The portal's side with one rule broken on purpose, for `egov demo --sabotage`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import sabotage as broken
from sandbox.composition import PROVIDER
from sandbox.replay.acting import AtPortal, Play
from sandbox.sabotage import FORGE, LATE_ANSWER, SKIP_STEP
from sandbox.world import World

if TYPE_CHECKING:
    from sandbox.replay.scenario import Act

CHECK = "check_certificate"


class Sabotaged(AtPortal):
    """What the citizen does is as ever; a system between him and the provider is not."""

    def __init__(self, play: Play, how: str) -> None:
        super().__init__(play)
        self.how = how

    async def send(self, act: Act) -> None:
        play, case = self.play, self.play.case
        document = await self.who.prepare(case)
        if self.how == SKIP_STEP:
            skipped = next(item.label for item in play.channel.flow if item.kind.name == CHECK)
            await broken.skip_step(play.world, self.who, document, skipped, act.step)
            play.over = True
            return
        if self.how == LATE_ANSWER:
            await self._late(document)
        else:
            await self.who.submit(case, document)
        await self.until("registered")
        if self.how == FORGE:
            await broken.forge(play.world, broken.place_of(document), play.scenario.then.lines[-1].step)

    async def _late(self, document: bytes) -> None:
        """The provider's workstation sleeps over the act's limit."""
        world = self.play.world
        assert isinstance(world, World), "the intake of a process of its own cannot be held"
        await world.intake(PROVIDER).hold()
        await self.who.submit(self.play.case, document)
        lines = self.play.scenario.then.lines
        limit = next(line.limit_s for line in lines if line.service == PROVIDER and line.limit_s)
        await broken.answer_late(world, self.play.case, limit)
        await world.intake(PROVIDER).release()
