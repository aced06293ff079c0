"""What a node does about its own keys: notices a new one, counts the days of their certificates, and raises the alarm.

An alarm is a log line (`custody.certificate_ends`, once for each of 60, 30 and 7 days and when it has ended), the
gauges `egov_certificate_expires_seconds` and `egov_certificate_alarm_days`, and the `alarm` of the key in
/health/ready. It does not make a service unready: it works on until the very end. Time is the service's own clock.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from egovkit.clock import Clock, SystemClock
from egovkit.errors import EgovError
from egovkit.log import get_logger
from egovkit.problems import Problems
from egovkit.signatures.custody import KeyFacts, KeyFile, KeyState, facts_about
from egovkit.signatures.keys import Certificate

KEYS_EVERY = 2.0  # seconds; one look at a file's inode, size and time
NO_ALARM = -1

_log = get_logger("egovkit.key_watch")


def log_refusal(service: str, error: Exception, problems: Problems) -> None:
    """Why a key cannot be used, with the remedy of contracts/errors.yaml where it has one."""
    texts = problems.texts(error) if isinstance(error, EgovError) else {}
    told = {name: texts[f"{name}_en"] for name in ("detail", "remedy") if f"{name}_en" in texts}
    code = error.code if isinstance(error, EgovError) else type(error).__name__
    _log.error("custody.refused", service=service, code=code, error=str(error), **told)


class KeyMetrics:
    """The gauges of one service; made once, whatever starts again."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        names = ["service", "thumbprint", "state"]
        self._service = service
        self._left = Gauge(
            "egov_certificate_expires_seconds",
            "Seconds until an own certificate ends; below 0 it has ended",
            names,
            registry=registry,
        )
        self._alarm = Gauge(
            "egov_certificate_alarm_days",
            "Within so many days an own certificate ends: 60, 30, 7, or 0 when it has; -1: none of it",
            names,
            registry=registry,
        )
        self._refused = Gauge(
            "egov_key_file_refused",
            "1 while the key file cannot be used and the key before it signs on",
            ["service"],
            registry=registry,
        )
        self._refused.labels(service).set(0)

    def show(self, keys: tuple[KeyFacts, ...], clock: Clock, *, refused: bool) -> None:
        """What stands now; a key that is no longer held is gone."""
        self._left.clear()
        self._alarm.clear()
        for key in keys:
            labels = (self._service, key.thumbprint, key.state.value)
            self._left.labels(*labels).set((key.not_after - clock.now()).total_seconds())
            self._alarm.labels(*labels).set(NO_ALARM if key.alarm is None else key.alarm)
        self._refused.labels(self._service).set(int(refused))


class KeyWatch:
    """The watch over one node's key, from its start to its stop, and over the certificate that TLS clients are shown,
    which stays the one it was at the start."""

    def __init__(
        self,
        service: str,
        custody: KeyFile,
        clock: Clock,
        metrics: KeyMetrics,
        problems: Problems,
        *,
        serving: Certificate | None = None,
    ) -> None:
        self._service = service
        self._custody = custody
        self._clock = clock
        self._metrics = metrics
        self._problems = problems
        self._serving = serving
        self._refusal: str | None = None
        self._signing = custody.signing_key().thumbprint
        self._alarmed: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Every few seconds of the machine's time, in which people change files, until cancelled."""
        machine = SystemClock()
        while True:
            await self.look()
            await machine.sleep(KEYS_EVERY)

    async def look(self) -> None:
        """Take up a new file, then say what changed and what ends soon. A file that cannot be used is an error in the
        log, once, and no reason to stop: the key before it signs on."""
        try:
            if self._custody.is_replaced() and await asyncio.to_thread(self._custody.reload):
                _log.info("custody.new_key", service=self._service, held=len(self._custody.facts(self._clock.now())))
        except (EgovError, OSError) as error:
            told = str(error)
            if told != self._refusal:
                log_refusal(self._service, error, self._problems)
            self._refusal = told
        else:
            self._refusal = None
        signing = self._custody.signing_key().thumbprint
        if signing != self._signing:
            _log.info("custody.key_changed", service=self._service, thumbprint=signing, before=self._signing)
            self._signing = signing
        self._raise_alarms()

    def facts(self) -> tuple[KeyFacts, ...]:
        now = self._clock.now()
        keys = self._custody.facts(now)
        return keys if self._serving is None else (*keys, facts_about(self._serving, KeyState.SERVING, now))

    def shown(self) -> list[dict[str, Any]]:
        """The keys as /health/ready shows them."""
        return [
            {**asdict(key), "not_before": key.not_before.isoformat(), "not_after": key.not_after.isoformat()}
            for key in self.facts()
        ]

    async def refresh_metrics(self) -> None:
        self._metrics.show(self.facts(), self._clock, refused=self._refusal is not None)

    def _raise_alarms(self) -> None:
        for key in self.facts():
            if key.alarm is None or (key.thumbprint, key.alarm) in self._alarmed:
                continue
            self._alarmed.add((key.thumbprint, key.alarm))
            say = _log.warning if key.alarm > 0 else _log.error
            facts = {"thumbprint": key.thumbprint, "within_days": key.alarm, "ends": key.not_after.isoformat()}
            say("custody.certificate_ends", service=self._service, **facts)
