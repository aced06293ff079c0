from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from egovkit.settings import Port, ServiceSettings, read_secret


class Settings(ServiceSettings):
    code: ClassVar[str] = "portal-pep"
    model_config = SettingsConfigDict(env_prefix="PORTAL_PEP_", extra="ignore", frozen=True)

    port: Port = 8040


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EGOV_HOME", raising=False)


def test_without_any_setting_everything_lies_under_the_default_home() -> None:
    settings = Settings()
    assert settings.home == Path(".egov")
    assert settings.keystore == Path(".egov/keys/portal-pep.p12")
    assert settings.trust_root == Path(".egov/trust/root.cer")
    assert settings.database_url == "sqlite+aiosqlite:///.egov/portal-pep.sqlite3"
    assert (settings.amqp_url, settings.port, settings.keystore_password_file) == (
        None,
        8040,
        Path(".egov/secrets/portal-pep.keystore"),
    )


def test_home_comes_from_egov_home_and_the_services_own_variable_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGOV_HOME", str(tmp_path))
    assert Settings().keystore == tmp_path / "keys" / "portal-pep.p12"
    monkeypatch.setenv("PORTAL_PEP_HOME", str(tmp_path / "own"))
    assert Settings().home == tmp_path / "own"


def test_the_environment_speaks_with_the_services_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_PEP_PORT", "9040")
    monkeypatch.setenv("PORTAL_PEP_DB_URL", "postgresql://u@h/d")
    monkeypatch.setenv("PORTAL_PEP_KEYSTORE", "/run/secrets/key.p12")
    monkeypatch.setenv("PROVIDER_ARM_PORT", "1")
    settings = Settings()
    assert (settings.port, settings.database_url) == (9040, "postgresql://u@h/d")
    assert settings.keystore == Path("/run/secrets/key.p12")


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files set variables to nothing when they are not given."""
    monkeypatch.setenv("PORTAL_PEP_DB_URL", "")
    monkeypatch.setenv("PORTAL_PEP_KEYSTORE", "")
    assert Settings().db_url is None
    assert Settings().keystore == Path(".egov/keys/portal-pep.p12")


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "many"), ("PORT", "70000"), ("LOG_LEVEL", "loud"), ("INSTANCE", "a/b")]
)
def test_a_wrong_value_is_refused_and_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PORTAL_PEP_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_replicas_write_chains_of_their_own() -> None:
    assert [Settings(instance=name).writer for name in ("1", "pod-7")] == ["portal-pep/1", "portal-pep/pod-7"]


def test_secrets_come_from_files_without_the_editors_newline(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(" құпия \r\n", encoding="utf-8")
    assert read_secret(secret) == " құпия "
    assert Settings(keystore_password_file=secret).keystore_password_file == secret


def test_settings_do_not_change_after_the_start() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


def test_a_password_comes_from_its_file_into_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "db").write_text("p@ss/wörd\n", encoding="utf-8")
    (tmp_path / "amqp").write_text("s:cret", encoding="utf-8")
    monkeypatch.setenv("PORTAL_PEP_DB_URL", "postgresql://portal-pep@db:5432/egov?ssl=verify-full")
    monkeypatch.setenv("PORTAL_PEP_DB_PASSWORD_FILE", str(tmp_path / "db"))
    monkeypatch.setenv("PORTAL_PEP_AMQP_URL", "amqps://portal-pep@mq:5671/egov?cafile=/ca.crt")
    monkeypatch.setenv("PORTAL_PEP_AMQP_PASSWORD_FILE", str(tmp_path / "amqp"))
    settings = Settings()
    assert settings.database_url == "postgresql://portal-pep:p%40ss%2Fw%C3%B6rd@db:5432/egov?ssl=verify-full"
    assert settings.broker_url == "amqps://portal-pep:s%3Acret@mq:5671/egov?cafile=/ca.crt"
    assert "wörd" not in repr(settings) and "s%3Acret" not in repr(settings) and "s:cret" not in repr(settings)


def test_without_a_password_file_a_url_is_taken_as_it_is() -> None:
    settings = Settings(db_url="postgresql://u:p@h/d", amqp_url="amqp://u:p@h/v")
    assert (settings.database_url, settings.broker_url) == ("postgresql://u:p@h/d", "amqp://u:p@h/v")
    assert Settings().broker_url is None


@pytest.mark.parametrize("url", ["postgresql://h/d", "postgresql://u:p@h/d", "sqlite:///d"])
def test_a_url_that_leaves_open_whose_password_is_meant_is_refused(tmp_path: Path, url: str) -> None:
    (tmp_path / "db").write_text("secret")
    with pytest.raises(ValueError, match="names a user and no password") as refused:
        _ = Settings(db_url=url, db_password_file=tmp_path / "db").database_url
    assert "secret" not in str(refused.value)
