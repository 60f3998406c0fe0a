"""A private Dovecot: LMTP and IMAP on free ports, Maildirs in its folder, Pigeonhole when asked."""

from __future__ import annotations

import grp
import os
from collections.abc import Sequence
from pathlib import Path

from tests.peers.process import LOOPBACK, Peer, account, answers, free_ports, program

PACKAGE = "dovecot-core dovecot-lmtpd dovecot-imapd dovecot-sieve"
PASSWORD = "loopback"  # of every user

CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
instance_name = {name}
log_path = {folder}/dovecot.log
protocols = lmtp imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Lu
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
first_valid_uid = 1
hostname = dovecot.example.org
postmaster_address = postmaster@example.org
mail_location = maildir:{folder}/mail/%d/%n
mail_fsync = {mail_fsync}
recipient_delimiter = +
submission_host = {relay}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
  override_fields = uid={uid} gid={gid} home={folder}/home/%d/%n
}}
service lmtp {{
  process_limit = {processes}
  process_min_avail = {processes}
  service_count = 0
  client_limit = 1
  user = {lmtp_user}
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
protocol lmtp {{
  mail_plugins = {plugins}
}}
plugin {{
  sieve = {folder}/active.sieve
  sieve_user_log = {folder}/sieve.log
  sieve_extensions = +vacation-seconds
  sieve_vacation_min_period = 0
  sieve_vacation_send_from_recipient = yes
}}
{more}
"""


class Dovecot(Peer):
    """users: addresses with a mailbox, all with PASSWORD.

    sieve: the script that runs for every user; None loads no Sieve at all.
    discard: keep nothing: the script ends with `discard` (also without `sieve`).
    relay: "host:port" that takes what the script sends.
    processes: LMTP processes, each with one connection at a time.
    mail_fsync: Dovecot's setting: optimized (its default), always or never.
    more: further lines of dovecot.conf.
    """

    name = "dovecot"

    def __init__(
        self,
        users: Sequence[str],
        sieve: str | None = None,
        discard: bool = False,
        relay: str = f"{LOOPBACK}:25",
        processes: int = 10,
        mail_fsync: str = "optimized",
        more: str = "",
    ) -> None:
        self._dovecot = program("dovecot", PACKAGE)
        super().__init__()
        self.lmtp_port, self.imap_port = free_ports(2)
        self.users = tuple(users)
        mail = account("mail", "nobody")
        rootless = os.getuid() != 0
        for part in ("run", "state"):
            (self.folder / part).mkdir()
        for path in [self.folder / "mail", *map(self.home, users)]:
            path.mkdir(parents=True, exist_ok=True)
            os.chown(path, mail.pw_uid, mail.pw_gid)
        internal = account("dovecot")
        login = account("dovenull")
        with_sieve = sieve is not None or discard
        if with_sieve:
            program("sievec", PACKAGE)
            self.script(sieve or "", discard)
        (self.folder / "users").write_text(
            "".join(f"{user}:{PASSWORD}:{mail.pw_uid}:{mail.pw_gid}::\n" for user in users)
        )
        (self.folder / "dovecot.conf").write_text(
            CONFIG.format(
                folder=self.folder,
                name=self.folder.name,
                internal=internal.pw_name,
                internal_group=grp.getgrgid(internal.pw_gid).gr_name,
                login=login.pw_name,
                mail_fsync=mail_fsync,
                relay=relay,
                uid=mail.pw_uid,
                gid=mail.pw_gid,
                processes=processes,
                lmtp_user=mail.pw_name if rootless else "root",
                lmtp_port=self.lmtp_port,
                imap_port=self.imap_port,
                plugins="sieve" if with_sieve else "",
                more=more,
            )
        )

    def script(self, sieve: str, discard: bool = False) -> None:
        """Put a Sieve script in force for every user, from the next message on."""
        source = self.folder / "active.sieve"
        source.write_text(sieve + ("\ndiscard;\n" if discard else ""))
        source.chmod(0o644)
        # Compiled here: the mail user may not write beside the script, and would compile it
        # for each message.
        self.tool(program("sievec", PACKAGE), "-x", "+vacation-seconds", str(source))
        source.with_suffix(".svbin").chmod(0o644)

    def command(self) -> Sequence[str]:
        return [self._dovecot, "-F", "-c", str(self.folder / "dovecot.conf")]

    def ready(self) -> bool:
        return answers(self.lmtp_port) and answers(self.imap_port)

    @property
    def log(self) -> str:
        parts = [self.folder / "dovecot.log", self.folder / "sieve.log"]
        return super().log + "".join(p.read_text(errors="replace") for p in parts if p.exists())

    def home(self, user: str) -> Path:
        """The user's home folder, where Pigeonhole remembers whom it answered."""
        local, _, domain = user.partition("@")
        return self.folder / "home" / domain / local

    def maildir(self, user: str) -> Path:
        local, _, domain = user.partition("@")
        return self.folder / "mail" / domain / local

    def messages(self, user: str) -> list[bytes]:
        """The messages in the user's inbox, oldest first."""
        folder = self.maildir(user)
        files = [path for part in ("new", "cur") for path in (folder / part).glob("*")]
        return [path.read_bytes() for path in sorted(files, key=lambda path: path.name)]
