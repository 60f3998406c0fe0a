"""Settings: where they come from, what is refused, what is hidden."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from repondeur.config import HIDDEN, ConfigError, Listen, load, with_data_dir, with_made_key

SECRET = "s" * 40


def test_defaults_are_the_design(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load({})
    assert config.lmtp_listen == Listen("127.0.0.1", 8024)
    assert config.smtp_listen == Listen("127.0.0.1", 8025)
    assert config.http_listen == Listen("127.0.0.1", 8080)
    assert config.database == f"sqlite:///{tmp_path}/repondeur-data/repondeur.db"
    assert str(config.relay) == "smtp://127.0.0.1:25"
    assert config.mode == "tap"
    assert config.max_message_size == 100 * 1024 * 1024
    assert set(config.origins.values()) == {"default"}


def test_environment_wins_over_file(tmp_path: Path) -> None:
    toml = tmp_path / "repondeur.toml"
    toml.write_text('mode = "tap"\ntap_domain = "tap.example"\njournal_days = 7\n')
    config = load({"REPONDEUR_TAP_DOMAIN": "other.example"}, toml)
    assert (config.tap_domain, config.journal_days) == ("other.example", 7)
    assert config.origins["tap_domain"] == "environment REPONDEUR_TAP_DOMAIN"
    assert config.origins["journal_days"] == f"file {toml}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LMTP_LISTEN", "[::1]:0"),
        ("LMTP_LISTEN", "mail.example:8024"),
        ("METRICS_LISTEN", "off"),
        ("RELAY", "smtp://user:p%40ss@relay.example:587?starttls=required"),
        ("RELAY", "smtp://user:hush@127.0.0.1?starttls=never"),
        ("RELAY", "maildir:replies"),
        ("NEXT_HOP", "lmtp://[::1]"),
        ("MAX_MESSAGE_SIZE", "50M"),
        ("TRUSTED_CLIENTS", "192.0.2.0/24 2001:db8::/32"),
        ("DATABASE_URL", "postgresql://u:p@h:5432/db"),
        ("RECIPIENT_DELIMITER", ""),
        ("PUBLIC_URL", "https://panel.example/x/"),
        ("DIRECTORY_URL", "ldap://ldap.example/ou=people,dc=example,dc=net??one?(mail=*)"),
        ("DIRECTORY_URL", "ldaps://ldap.example:1636/dc=example%2Cdc=net"),
        ("DIRECTORY_URL", "ldapi://%2Frun%2Fslapd%2Fldapi/dc=example"),
        ("DIRECTORY_URL", "postgresql://u:p@h/panel"),
        ("DIRECTORY_URL", "mysql://u:p@h:3306/panel"),
        ("DIRECTORY_MAILBOXES", "panel.repondeur_mailboxes"),
        ("DIRECTORY_ATTRIBUTES", "address=mail alias=mailLocalAddress, customer=o"),
    ],
)
def test_accepted(name: str, value: str) -> None:
    load({"REPONDEUR_" + name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LMTP_LISTEN", "::1:0"),
        ("LMTP_LISTEN", "127.0.0.1"),
        ("LMTP_LISTEN", "127.0.0.1:65536"),
        ("MODE", "both"),
        ("RELAY", "ftp://relay.example"),
        ("RELAY", "lmtp://relay.example:24"),
        ("RELAY", "smtp://relay.example?starttls=perhaps"),
        ("RELAY", "smtp://user@relay.example"),
        ("RELAY", "smtp://user:@relay.example"),
        ("RELAY", "smtp://user:hush@relay.example?starttls=never"),
        ("NEXT_HOP", "smtp://user:hush@mx.example?starttls=never"),
        ("NEXT_HOP", "lmtp://user:hush@mx.example"),
        ("NEXT_HOP", "lmtp://mx.example?starttls=required"),
        ("MAX_MESSAGE_SIZE", "50X"),
        ("TRUSTED_CLIENTS", "192.0.2.1/24"),
        ("DATABASE_URL", "mysql://h/db"),
        ("RECIPIENT_DELIMITER", "++"),
        ("PUBLIC_URL", "panel.example"),
        ("WORKERS", "0"),
        ("MIGRATE", "maybe"),
        ("SECRET_KEY", "short"),
        ("DIRECTORY_URL", "ldap://ldap.example"),
        ("DIRECTORY_URL", "ldap://ldap.example/dc=example?mail"),
        ("DIRECTORY_URL", "ldap://ldap.example/dc=example??all"),
        ("DIRECTORY_URL", "ldap://user@ldap.example/dc=example"),
        ("DIRECTORY_URL", "mysql://h"),
        ("DIRECTORY_URL", "oracle://h/db"),
        ("DIRECTORY_MAILBOXES", "a; DROP TABLE mailbox"),
        ("DIRECTORY_ATTRIBUTES", "name=cn"),
        ("DIRECTORY_ATTRIBUTES", "address=mail phone=tel"),
    ],
)
def test_refused_with_name_and_accepted(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"REPONDEUR_" + name: value})
    text = str(caught.value)
    assert text.startswith(f"REPONDEUR_{name} (from environment REPONDEUR_{name}): found ")
    assert "accepted: " in text


def test_unknown_names_suggest_the_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean REPONDEUR_MODE"):
        load({"REPONDEUR_MODES": "tap"})
    with pytest.raises(ConfigError, match="REPONDEUR_FOO; `repondeur config` lists"):
        load({"REPONDEUR_FOO": "1"})
    toml = tmp_path / "x.toml"
    toml.write_text('data_dri = "x"\n')
    with pytest.raises(ConfigError, match="did you mean data_dir"):
        load({}, toml)
    toml.write_text('REPONDEUR_MODE = "tap"\n')
    with pytest.raises(ConfigError, match=r"did you mean mode\?"):
        load({}, toml)


def test_inline_needs_a_next_hop() -> None:
    with pytest.raises(ConfigError, match="REPONDEUR_NEXT_HOP"):
        load({"REPONDEUR_MODE": "inline"})
    load({"REPONDEUR_MODE": "inline", "REPONDEUR_NEXT_HOP": "lmtp://127.0.0.1:24"})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hunter2@h/db", f"postgresql://u:{HIDDEN}@h/db"),
        ("postgresql://h/db?password=hunter2", f"postgresql://h/db?password={HIDDEN}"),
        (
            "postgresql://h/db?user=u&password=hunter2&sslmode=require",
            f"postgresql://h/db?user=u&password={HIDDEN}&sslmode=require",
        ),
        ("postgresql://u@h/db?passfile=/etc/x", "postgresql://u@h/db?passfile=/etc/x"),
    ],
)
def test_a_database_password_is_hidden(url: str, shown: str) -> None:
    assert load({"REPONDEUR_DATABASE_URL": url}).shown()["REPONDEUR_DATABASE_URL"] == shown


def test_secret_from_file_and_hidden(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET + "\n")
    config = load(
        {"REPONDEUR_SECRET_KEY_FILE": str(path), "REPONDEUR_RELAY": "smtp://u:hunter2@h:25"}
    )
    assert config.secret_key == SECRET
    assert config.origins["secret_key"] == f"file {path}"
    shown = config.shown()
    assert shown["REPONDEUR_SECRET_KEY"] == HIDDEN
    assert shown["REPONDEUR_RELAY"] == f"smtp://u:{HIDDEN}@h:25"
    assert "hunter2" not in str(shown)
    assert load({"REPONDEUR_DIRECTORY_PASSWORD_FILE": str(path)}).directory_password == SECRET
    shown = load({"REPONDEUR_DIRECTORY_PASSWORD": "pw"}).shown()
    assert shown["REPONDEUR_DIRECTORY_PASSWORD"] == HIDDEN
    with pytest.raises(ConfigError, match="both set"):
        load({"REPONDEUR_SECRET_KEY_FILE": str(path), "REPONDEUR_SECRET_KEY": SECRET})
    with pytest.raises(ConfigError, match="cannot be read"):
        load({"REPONDEUR_SECRET_KEY_FILE": str(tmp_path / "absent")})


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("RELAY", "smtp://u:hunter2@h:x", f"smtp://{HIDDEN}"),
        ("DATABASE_URL", "mysql://u:hunter2@h/db", f"mysql://{HIDDEN}"),
        ("DATABASE_URL", "hunter2", HIDDEN),
        ("NEXT_HOP", "maildir:", "maildir:"),
        ("SECRET_KEY", "key:hunter2", HIDDEN),
    ],
)
def test_of_a_bad_secret_only_the_scheme_is_shown(name: str, value: str, seen: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"REPONDEUR_" + name: value})
    assert f"found {seen}, accepted" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_file_of_a_secret_can_stand_in_toml(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    toml = tmp_path / "x.toml"
    toml.write_text(f'secret_key_file = "{tmp_path}/key"\n')
    assert load({}, toml).secret_key == SECRET
    assert load({"REPONDEUR_SECRET_KEY": "t" * 40}, toml).secret_key == "t" * 40
    toml.write_text(f'secret_key_file = "{tmp_path}/key"\nsecret_key = "{SECRET}"\n')
    with pytest.raises(ConfigError, match="secret_key and secret_key_file are both set"):
        load({}, toml)
    toml.write_text('mode_file = "x"\n')
    with pytest.raises(ConfigError, match=r"did you mean mode\?"):
        load({}, toml)
    with pytest.raises(ConfigError, match=r"did you mean REPONDEUR_RELAY_FILE\?"):
        load({"REPONDEUR_RELAI_FILE": "x"})


def test_a_home_that_nobody_has_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"REPONDEUR_DATA_DIR .*accepted: a folder"):
        load({"REPONDEUR_DATA_DIR": "~no-such-user/x"})
    with pytest.raises(ConfigError, match="REPONDEUR_RELAY"):
        load({"REPONDEUR_RELAY": "maildir:~no-such-user/x"})


def test_a_working_folder_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError, match="the folder that this runs in is gone"):
        load({})
    load({"REPONDEUR_DATA_DIR": str(tmp_path)})


def test_what_is_shown_can_be_given(tmp_path: Path) -> None:
    """`off` for what does not listen, and the key that the data folder has."""
    config = load({"REPONDEUR_DATA_DIR": str(tmp_path / "data")})
    assert config.shown()["REPONDEUR_METRICS_LISTEN"] == "off"
    assert with_made_key(config) == config
    assert not (tmp_path / "data").exists()
    with_data_dir(config)
    known = with_made_key(config)
    assert known.shown()["REPONDEUR_SECRET_KEY"] == HIDDEN
    assert known.origins["secret_key"] == f"file {tmp_path}/data/secret.key"


def test_secret_key_is_made_once(tmp_path: Path) -> None:
    config = load({"REPONDEUR_DATA_DIR": str(tmp_path / "data")})
    first = with_data_dir(config)
    assert len(first.secret_key) >= 32
    assert with_data_dir(config).secret_key == first.secret_key
    assert stat.S_IMODE((tmp_path / "data/secret.key").stat().st_mode) == 0o600
    assert first.origins["secret_key"].startswith("file ")
