"""LMTP (RFC 2033) and SMTP (RFC 5321) as a server says them, without I/O: the verbs, their order,
their replies."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from repondeur.flow.incoming import INTERNAL, Status, Verdict

REPLY_LIMIT = 480  # octets of text in a reply line; RFC 5321 §4.5.3.1.5 allows 512 with its code

# "<" path ">" with an optional source route, which is dropped (RFC 5321 §4.1.2, appendix C), or,
# as many clients write it and MTAs take it, the address alone. Local parts may be longer than 64
# octets: the tap's carry a whole address.
_PATH = re.compile(
    r"""\s*(?:<(?:@[^:<>\s]*:)?((?:"(?:[^"\\]|\\.)*"|[^<>"\s])*)>|([^<>"\s]+))(?:\s+(\S.*))?\s*$"""
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

TOO_LARGE = Status(552, "5.3.4", "Message is larger than this server takes")
TAKEN = Verdict()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may ask of us. Sizes in octets, times in seconds."""

    max_size: int = 100 << 20  # above the 25 to 50 MiB that hosters let through
    max_connections: int = 500  # Postfix opens 20 per destination; room for a fleet in front
    max_recipients: int = 1000  # RFC 5321 §4.5.3.1.8 asks for 100; Postfix sends up to 50
    max_errors: int = 20  # as Postfix's smtpd_hard_error_limit
    # Commands without a message; Postfix counts 100 of NOOP and RSET. And recipients refused for
    # good, which are no errors of the trusted mail servers that pass spam on to us.
    max_chatter: int = 1000
    max_line: int = 2048  # a command: a tap address is up to 64 + 255 octets, UTF-8 included
    command_timeout: float = 300.0  # RFC 5321 §4.5.3.2.7
    data_timeout: float = 180.0  # between two blocks; RFC 5321 §4.5.3.2.5
    message_timeout: float = 3600.0  # a whole message: the end of a peer that trickles


class Wish(enum.Enum):
    """What a command needs that the dialogue itself cannot do."""

    VERIFY = enum.auto()  # `candidate` is a recipient to be asked about, then `recipient()`
    DATA = enum.auto()  # 354 is said; the message follows, then `answer()`
    TLS = enum.auto()  # 220 is said; the handshake follows, then `secured()`
    QUIT = enum.auto()


class Dialogue:
    """One session's state. `out` gathers the replies; whoever sends them empties it. `chatter`:
    commands since the last message, but for those that make one, and refused recipients.

    verifies: recipients are asked about one by one. offers_tls: STARTTLS can be done.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        lmtp: bool,
        hostname: str,
        verifies: bool,
        offers_tls: bool,
    ) -> None:
        self.out = bytearray()
        self.errors = 0
        self.chatter = 0
        self.candidate = ""
        self._limits = limits
        self._lmtp = lmtp
        self._hostname = hostname
        self._verifies = verifies
        self._offers_tls = offers_tls
        self._greeted = False
        self.forget()

    def forget(self) -> None:
        """End the transaction, whatever its state."""
        self.sender: str | None = None
        self.recipients: list[str] = []
        self._alone = False  # the recipient we have wants no other beside it
        self.eight_bit = False
        self.smtputf8 = False

    def greet(self) -> None:
        self.reply(f"220 {self._hostname} {'LMTP' if self._lmtp else 'ESMTP'} Repondeur")

    def reply(self, line: str) -> None:
        if line[0] == "5":
            self.errors += 1
        self.out += line.encode("ascii", "backslashreplace") + b"\r\n"

    def status(self, status: Status) -> None:
        """A reply whose text comes from elsewhere."""
        text = _CONTROL.sub(" ", str(status))
        self.out += text.encode("ascii", "backslashreplace")[:REPLY_LIMIT] + b"\r\n"

    def command(self, line: bytes | None) -> Wish | None:
        """Obey one line, without its line end; None is a line that was too long."""
        if line is None:
            self.reply("500 5.5.2 Line too long")
            return None
        verb, _, rest = line.partition(b" ")
        try:
            arg = rest.strip().decode()
        except UnicodeDecodeError:
            self.reply("501 5.5.4 Arguments must be UTF-8")
            return None
        if _CONTROL.search(arg):
            self.reply("501 5.5.4 Control characters are not allowed")
            return None
        return self._obey(verb.upper(), arg)

    def recipient(self, address: str, verdict: Verdict = TAKEN) -> None:
        """Take an address in, or refuse it."""
        alone = self._alone or (verdict.alone and bool(self.recipients))
        if verdict.refusal is not None:
            self.chatter += verdict.refusal.code >= 500
            self.status(verdict.refusal)
        elif alone or len(self.recipients) >= self._limits.max_recipients:
            # A queueing client sends the next ones in further transactions. RFC 5321 §4.5.3.1.8
            # asks for 100: see docs/rfc.md.
            self.reply("452 4.5.3 Too many recipients")
        else:
            self.recipients.append(address)
            self._alone = verdict.alone
            self.reply("250 2.1.5 Ok")

    def answer(self, statuses: Sequence[Status]) -> None:
        """After the final dot: one line per accepted recipient in LMTP (RFC 2033 §4.2), one line
        in SMTP. Ends the transaction."""
        for status in statuses if self._lmtp else [_of_all(statuses)]:
            self.status(status)
        self.chatter = 0
        self.forget()

    def secured(self) -> None:
        """The handshake is done: the peer greets anew (RFC 3207 §4.2)."""
        self._offers_tls = False
        self._greeted = False
        self.forget()

    def _obey(self, verb: bytes, arg: str) -> Wish | None:
        lmtp = self._lmtp
        if verb not in (b"MAIL", b"RCPT", b"DATA"):
            self.chatter += 1
        match verb:
            case b"MAIL":
                self._mail(arg)
            case b"RCPT":
                return self._rcpt(arg)
            case b"DATA":
                return self._data(arg)
            case b"RSET":
                self.forget()
                self.reply("250 2.0.0 Ok")
            case b"NOOP":
                self.reply("250 2.0.0 Ok")
            case b"QUIT":
                self.reply("221 2.0.0 Bye")
                return Wish.QUIT
            case b"LHLO" if lmtp:
                self._hello(arg, extended=True)
            case b"EHLO" | b"HELO" if not lmtp:
                self._hello(arg, extended=verb == b"EHLO")
            case b"EHLO" | b"HELO":
                self.reply("500 5.5.1 This is LMTP: send LHLO")  # RFC 2033 §4.1
            case b"LHLO":
                self.reply("500 5.5.1 This is SMTP: send EHLO")
            case b"STARTTLS":
                return self._start_tls(arg)
            case b"VRFY" if not arg:
                self.reply("501 5.5.4 Syntax: VRFY address")
            case b"VRFY":
                self.reply("252 2.5.0 Cannot VRFY, will take the message and try")
            case b"EXPN" | b"AUTH" | b"BDAT" | b"ETRN" | b"TURN" | b"SEND" | b"SOML" | b"SAML":
                self.reply("502 5.5.1 Not offered")
            case b"HELP":
                hello = "LHLO" if lmtp else "EHLO HELO"
                self.reply(f"214 2.0.0 {hello} MAIL RCPT DATA RSET NOOP VRFY HELP QUIT")
            case _:
                self.reply("500 5.5.2 Command not recognized")
        return None

    def _hello(self, name: str, *, extended: bool) -> None:
        if not name:
            self.reply("501 5.5.4 Give your host name")
            return
        self.forget()
        self._greeted = True
        lines = [self._hostname]
        if extended:
            lines += ["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8"]
            lines.append(f"SIZE {self._limits.max_size}")
            if self._offers_tls:
                lines.append("STARTTLS")
        for text in lines[:-1]:
            self.reply(f"250-{text}")
        self.reply(f"250 {lines[-1]}")

    def _start_tls(self, arg: str) -> Wish | None:
        if not self._offers_tls:
            self.reply("503 5.5.1 STARTTLS is not available")
        elif arg:
            self.reply("501 5.5.4 Syntax: STARTTLS")
        else:
            self.reply("220 2.0.0 Ready to start TLS")
            return Wish.TLS
        return None

    def _mail(self, arg: str) -> None:
        path = _PATH.match(arg, 5) if arg[:5].upper() == "FROM:" else None
        if not self._greeted:
            self.reply(f"503 5.5.1 Send {'LHLO' if self._lmtp else 'EHLO'} first")
        elif self.sender is not None:
            self.reply("503 5.5.1 Sender already given")
        elif path is None:
            self.reply("501 5.1.7 Syntax: MAIL FROM:<address>")
        elif (refusal := self._parameters(path[3])) is not None:
            self.reply(refusal)
        elif not arg.isascii() and not self.smtputf8:
            self.reply("550 5.6.7 Address needs SMTPUTF8")  # RFC 6531 §3.5
        else:
            self.sender = path[1] or path[2] or ""
            self.reply("250 2.1.0 Ok")
            return
        if self.sender is None:
            self.forget()

    def _parameters(self, given: str | None) -> str | None:
        """Take the parameters of MAIL; the reply when one cannot be obeyed."""
        for parameter in (given or "").split():
            name, _, value = parameter.upper().partition("=")
            if name == "SIZE":
                if not (value.isascii() and value.isdigit() and len(value) <= 20):  # RFC 1870 §5
                    return "501 5.5.4 SIZE takes a number of octets"
                if int(value) > self._limits.max_size:
                    return str(TOO_LARGE)
            elif name == "BODY" and value in ("7BIT", "8BITMIME"):
                self.eight_bit = value == "8BITMIME"
            elif name == "BODY":
                return "501 5.5.4 BODY is 7BIT or 8BITMIME"
            elif name == "SMTPUTF8" and not value:
                self.smtputf8 = True
            else:
                return "555 5.5.4 Parameter not supported"
        return None

    def _rcpt(self, arg: str) -> Wish | None:
        path = _PATH.match(arg, 3) if arg[:3].upper() == "TO:" else None
        address = (path[1] or path[2]) if path else None
        if self.sender is None:
            self.reply("503 5.5.1 Send MAIL first")
        elif path is None or not address:
            self.reply("501 5.1.3 Syntax: RCPT TO:<address>")
        elif path[3]:
            self.reply("555 5.5.4 Parameter not supported")
        elif not address.isascii() and not self.smtputf8:
            self.reply("553 5.6.7 Address needs SMTPUTF8")  # RFC 6531 §3.5
        elif self._verifies:
            self.candidate = address
            return Wish.VERIFY
        else:
            self.recipient(address)
        return None

    def _data(self, arg: str) -> Wish | None:
        if self.sender is None:
            self.reply("503 5.5.1 Send MAIL first")
        elif not self.recipients:
            self.reply("503 5.5.1 No valid recipients")  # RFC 2033 §4.2
        elif arg:
            self.reply("501 5.5.4 Syntax: DATA")
        else:
            self.reply("354 End data with <CR><LF>.<CR><LF>")
            return Wish.DATA
        return None


def _of_all(statuses: Sequence[Status]) -> Status:
    """SMTP's one reply for several recipients. A temporary failure of one makes the client come
    again for all; a recipient refused for good among accepted ones is left out."""
    for family in (4, 2, 5):
        for status in statuses:
            if status.code // 100 == family:
                return status
    return INTERNAL
