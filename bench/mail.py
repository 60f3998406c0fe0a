"""The mail of the load: who writes to whom, and the messages, all made before the clock starts."""

from __future__ import annotations

from dataclasses import dataclass

SIZE = 4096  # octets of each message (design §11)
DOMAINS = 20  # hosted, so that no statement gains from a single domain
PASSWORD = "loopback-only"
AWAY = "Je suis absent jusqu'à lundi et vous répondrai à mon retour."
SUBJECT = "Absence du bureau"

_LINE = b"Bonjour, voici la suite de notre conversation de la semaine passee.\r\n"


@dataclass(frozen=True)
class People:
    """The hosted addresses: `users` with a responder, and as many without."""

    users: int
    domains: int = DOMAINS

    def responding(self, nth: int) -> str:
        nth %= self.users
        return f"away{nth}@d{nth % self.domains}.example"

    def silent(self, nth: int) -> str:
        nth %= self.users
        return f"here{nth}@d{nth % self.domains}.example"

    def all(self) -> list[str]:
        kinds = (self.responding, self.silent)
        return [address(nth) for address in kinds for nth in range(self.users)]

    def document(self) -> dict[str, list[dict[str, object]]]:
        """What `repondeur import` takes (design §7)."""
        return {
            "customers": [{"nic": "bench-rep", "email": "bench@example.net", "password": PASSWORD}],
            "domains": [
                {"name": f"d{nth}.example", "customer": "bench-rep"} for nth in range(self.domains)
            ],
            "mailboxes": [{"address": address, "aliases": []} for address in self.all()],
            "responders": [
                {
                    "address": self.responding(nth),
                    "kind": "attached",
                    "copy": True,
                    "subject": SUBJECT,
                    "message": AWAY,
                    "interval": "7d",
                }
                for nth in range(self.users)
            ],
        }


def vacation() -> str:
    """The same answer as a Sieve script (RFC 5230)."""
    return f'require ["vacation"];\nvacation :days 7 :subject "{SUBJECT}" "{AWAY}";\n'


@dataclass(frozen=True)
class Load:
    """`count` messages. tag: names the set of senders; the same tag is the same pairs. run: tells
    its messages from those of other runs. answered: to people with a responder. spread: how far
    apart the recipients of two messages that follow each other are."""

    tag: str
    run: str
    count: int
    users: int
    answered: bool
    domains: int = DOMAINS
    spread: int = 1

    def sender(self, nth: int) -> str:
        return f"anne.{self.tag}.{nth}@people.example.net"

    def message(self, nth: int) -> tuple[bytes, bytes]:
        """The pipelined envelope, and the message with its final dot."""
        people = People(self.users, self.domains)
        sender = self.sender(nth)
        address = people.responding if self.answered else people.silent
        recipient = address(nth * self.spread)
        envelope = f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n"
        head = (
            f"Return-Path: <{sender}>\r\n"
            "Received: from mx.example.net (mx.example.net [192.0.2.7])\r\n"
            "\tby mail.example.com (Postfix) with ESMTPS id 4XyZ1a2B3c\r\n"
            f"\tfor <{recipient}>; Mon, 05 Oct 2026 10:11:12 +0200 (CEST)\r\n"
            "Received: from [198.51.100.9] by mx.example.net with ESMTPSA;\r\n"
            "\tMon, 05 Oct 2026 10:11:10 +0200\r\n"
            f"From: Anne Martin <{sender}>\r\n"
            f"To: <{recipient}>\r\n"
            f"Subject: Notre rendez-vous {nth}\r\n"
            "Date: Mon, 05 Oct 2026 10:11:09 +0200\r\n"
            f"Message-ID: <{nth}.{self.run}.{self.tag}@people.example.net>\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n"
            "User-Agent: Mozilla Thunderbird\r\n\r\n"
        ).encode()
        body = (_LINE * (SIZE // len(_LINE)))[: SIZE - len(head) - 2] + b"\r\n"
        return envelope.encode(), head + body + b".\r\n"
