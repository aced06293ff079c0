"""What tests need of Debian: RabbitMQ and PostgreSQL for private nodes, poppler's pdfsig: present, installed now, or a
word how.

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
HOW_TO = "apt-get install rabbitmq-server postgresql poppler-utils  (as root; the servers need not run)"


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


def ensure() -> bool:
    """True when both are there at the end, or when EGOV_TEST_*_URL name servers of the caller's own."""
    if os.environ.get("EGOV_TEST_AMQP_URL") and os.environ.get("EGOV_TEST_DB_URL"):
        return True
    names = missing()
    if not names:
        return True
    if os.environ.get("EGOV_ALLOW_SKIP") == "1":
        print(f"tests that need {', '.join(names)} will be skipped (EGOV_ALLOW_SKIP=1)")
        return True
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"the connected tests need {', '.join(names)}:\n    {HOW_TO}", file=sys.stderr)
        print("or name servers of yours: EGOV_TEST_AMQP_URL, EGOV_TEST_DB_URL", file=sys.stderr)
        return False
    return install(names)


def install(names: list[str]) -> bool:
    print(f"installing {', '.join(names)} for the connected tests (nothing will be started)", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with servers_held_back():
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *names]):
            if subprocess.run(command, env=environment, check=False).returncode != 0:
                print(f"{' '.join(command)} failed; {HOW_TO}", file=sys.stderr)
                return False
    return not missing()


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
    sys.exit(0 if ensure() else 1)
