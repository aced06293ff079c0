"""What every twin of a register reads from its environment."""

from __future__ import annotations

from pathlib import Path

from egovkit.settings import ServiceSettings, read_secret


class RegisterSettings(ServiceSettings):
    # Who may administer. A file, as docker and k8s mount secrets; without one the admin API answers 503.
    admin_token_file: Path | None = None

    def admin_token(self) -> str | None:
        return None if self.admin_token_file is None else read_secret(self.admin_token_file)
