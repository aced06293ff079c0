"""RabbitMQ and PostgreSQL for the tests that start private nodes, poppler's pdfsig, Chromium for those of the signing
agent: present, installed now, or a word how.

The tests never use a server that is already running: they need only the programs. So the packages are
installed without starting anything: a policy-rc.d that answers 101 ("not allowed") stands in while apt works.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
NOT_ALLOWED = "#!/bin/sh\nexit 101\n"
HOW_TO = (
    "apt-get install rabbitmq-server postgresql poppler-utils chromium-headless-shell libnss3-tools"
    "  (as root; nothing need run)"
)


def missing() -> list[str]:
    """Names of the Debian packages whose programs are not on this machine."""
    names = []
    if not any(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server")):
        names.append("rabbitmq-server")
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        names.append("postgresql")
    if shutil.which("pdfsig") is None:
        names.append("poppler-utils")
    return names


def missing_browser() -> list[str]:
    names = []
    if not any(shutil.which(name) for name in ("chromium-headless-shell", "chromium")):
        names.append("chromium-headless-shell")
    if shutil.which("certutil") is None:
        names.append("libnss3-tools")  # by which a browser is told whom to trust
    return names


def ensure(*, browser: bool = False) -> bool:
    """True when all are there at the end; servers of the caller's own, named by EGOV_TEST_*_URL, need no packages."""
    given = os.environ.get("EGOV_TEST_AMQP_URL") and os.environ.get("EGOV_TEST_DB_URL")
    names = [*([] if given else missing()), *(missing_browser() if browser else [])]
    if not names:
        return True
    if os.environ.get("EGOV_ALLOW_SKIP") == "1":
        print(f"tests that need {', '.join(names)} will be skipped (EGOV_ALLOW_SKIP=1)")
        return True
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"the tests need {', '.join(names)}:\n    {HOW_TO}", file=sys.stderr)
        print("or name servers of yours: EGOV_TEST_AMQP_URL, EGOV_TEST_DB_URL", file=sys.stderr)
        return False
    return install(names)


def install(names: list[str]) -> bool:
    print(f"installing {', '.join(names)} for the tests (nothing will be started)", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with servers_held_back():
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *names]):
            if subprocess.run(command, env=environment, check=False).returncode != 0:
                print(f"{' '.join(command)} failed; {HOW_TO}", file=sys.stderr)
                return False
    return not {*missing(), *missing_browser()} & set(names)


@contextmanager
def servers_held_back(policy: Path = POLICY) -> Iterator[None]:
    """While inside, Debian's maintainer scripts may not start services; then the former policy comes back."""
    kept = policy.with_name(policy.name + ".egov-kept")
    if policy.exists():
        policy.replace(kept)
    policy.write_text(NOT_ALLOWED)
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
        if kept.exists():
            kept.replace(policy)


if __name__ == "__main__":
    sys.exit(0 if ensure(browser=True) else 1)
