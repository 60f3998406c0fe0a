"""A private Postfix: configuration, queue and data in one folder, smtpd on a free port."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tests.peers.process import (
    Peer,
    PeerError,
    account,
    answers,
    free_ports,
    program,
)

PACKAGE = "postfix"

# As Debian's master.cf, without chroot, and with one smtpd on our port.
MASTER = """\
{port}    inet  n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
local     unix  - n n - - local
virtual   unix  - n n - - virtual
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix(Peer):
    """main: settings of main.cf over ours; `{folder}` in a value is the peer's folder.

    master: further lines of master.cf. maps: file name -> text, written into the folder; one
    whose name has no dot is also compiled with postmap (use `hash:{folder}/NAME`).
    The host is called mail.example.com and delivers locally to nobody unless `main` says so.
    """

    name = "postfix"

    def __init__(
        self,
        main: Mapping[str, str] | None = None,
        master: Sequence[str] = (),
        maps: Mapping[str, str] | None = None,
    ) -> None:
        if os.getuid() != 0:
            raise PeerError("Postfix starts only as root: run these tests as root (CI does)")
        self._postfix = program("postfix", PACKAGE)
        self._mail_owner = account("postfix")
        super().__init__()
        (self.port,) = free_ports(1)
        try:
            self._write(main or {}, master, maps or {})
        except BaseException:
            self.clean()
            raise

    def _write(
        self, main: Mapping[str, str], master: Sequence[str], maps: Mapping[str, str]
    ) -> None:
        for part in ("etc", "queue", "data"):
            (self.folder / part).mkdir()
        os.chown(self.folder / "data", self._mail_owner.pw_uid, self._mail_owner.pw_gid)
        settings = {
            "compatibility_level": "3.7",
            "queue_directory": "{folder}/queue",
            "data_directory": "{folder}/data",
            "maillog_file": "{folder}/mail.log",
            "maillog_file_prefixes": str(self.folder.parent),
            "myhostname": "mail.example.com",
            "mydestination": "",
            "local_recipient_maps": "",
            "local_transport": "error:5.1.1 no local mailboxes here",
            "alias_maps": "",
            "alias_database": "",
            "inet_interfaces": "loopback-only",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtp_host_lookup": "native",
            "disable_dns_lookups": "yes",
            "smtputf8_autodetect_classes": "all",
            "import_environment": "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C",
        } | dict(main)
        text = "".join(
            f"{name} = {value.replace('{folder}', str(self.folder))}\n"
            for name, value in settings.items()
        )
        (self.folder / "etc" / "main.cf").write_text(text)
        lines = "".join(f"{line.replace('{folder}', str(self.folder))}\n" for line in master)
        (self.folder / "etc" / "master.cf").write_text(MASTER.format(port=self.port) + lines)
        for name, content in maps.items():
            self.map(name, content)

    def map(self, name: str, content: str) -> None:
        """Write a lookup table into the folder, and compile it when its name has no dot."""
        path = self.folder / name
        path.write_text(content.replace("{folder}", str(self.folder)))
        if "." not in name:
            self.tool(program("postmap", PACKAGE), "-c", str(self.folder / "etc"), f"hash:{path}")

    def command(self) -> Sequence[str]:
        return [self._postfix, "-c", str(self.folder / "etc"), "start-fg"]

    def ready(self) -> bool:
        return answers(self.port)

    @property
    def log(self) -> str:
        written = self.folder / "mail.log"
        maillog = written.read_text(errors="replace") if written.exists() else ""
        return super().log + maillog

    def queue(self) -> list[dict[str, Any]]:
        """The queue as `postqueue -j` tells it: queue_name, queue_id, sender, recipients, ..."""
        listing = self.tool(program("postqueue", PACKAGE), "-c", str(self.folder / "etc"), "-j")
        return [json.loads(line) for line in listing.splitlines()]

    def flush(self) -> None:
        """Try to deliver everything that waits, now."""
        self.tool(program("postqueue", PACKAGE), "-c", str(self.folder / "etc"), "-f")

    def reload(self) -> None:
        """Read the configuration anew, as `postfix reload` does."""
        self.tool(self._postfix, "-c", str(self.folder / "etc"), "reload")
