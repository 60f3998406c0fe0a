"""What would become of a message: the decision with its trace and its reply; nothing is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from repondeur.mail.identity import identity
from repondeur.mail.read import read
from repondeur.mail.reply import compose
from repondeur.rules.address import mailboxes
from repondeur.rules.decide import decide, recall, trace
from repondeur.rules.model import Decision, Envelope, Head, Policy, Responder, Step
from repondeur.rules.reasons import SOURCES
from repondeur.store.lookup import Destination
from repondeur.store.memory import remembered


@dataclass(frozen=True, slots=True)
class Explained:
    """envelope: as it was decided on. responder: None where the address has none.

    reply: the octets that would be sent, None for silence. t: the instant of the decision.
    """

    envelope: Envelope
    responder: Responder | None
    decision: Decision
    reply: bytes | None
    t: datetime

    @property
    def steps(self) -> tuple[Step, ...]:
        """The rules that were asked, in order, up to the one that spoke."""
        return trace(self.decision)

    def record(self) -> dict[str, Any]:
        """JSON, for the command and the API; the date in the responder's zone."""
        decision, responder = self.decision, self.responder
        reply = self.reply
        return {
            "decision": "reply" if decision.reply else "silence",
            "reason": decision.reason.value,
            "source": SOURCES.get(decision.reason, ""),
            "field": decision.field,
            "found": readable(decision.found),
            "signals": [
                {"name": one.name, "weight": one.weight, "found": readable(one.found)}
                for one in decision.signals
            ],
            "sum": decision.sum,
            "trace": [
                {
                    "reason": step.reason.value,
                    "source": step.source,
                    "spoke": step.spoke,
                    "field": step.field,
                    "found": readable(step.found),
                }
                for step in self.steps
            ],
            "reply": reply.decode("utf-8", "replace").replace("\r\n", "\n") if reply else None,
            "responder": responder.address if responder else None,
            "to": self.envelope.recipient,
            "sender": readable(self.envelope.sender),
            "at": self.t.astimezone(ZoneInfo(responder.zone if responder else "UTC")).isoformat(),
        }


def explain(
    data: bytes,
    recipient: str,
    place: Destination,
    policy: Policy,
    key: bytes,
    t: datetime,
    sender: str | None = None,
) -> Explained:
    """What would become of the message `data` to `recipient` at `t`.

    place: what the directory says of the recipient. key: store.memory.pepper() of the secret.
    sender: MAIL FROM; None takes what the message tells of it.
    """
    head = read(data)
    envelope = Envelope(_sender(head) if sender is None else sender.strip("<> "), recipient)
    responder, reply = place.responder, None
    decision = decide(envelope, head, responder, policy, t)
    if responder is not None and decision.reply:
        memory = remembered(responder, decision.correspondent, key, t)
        decision = recall(decision, responder, memory, policy, t)
    if responder is not None and decision.reply:
        made = compose(envelope, head, responder, place.address, t, identity(head, data))
        reply = made.data
    return Explained(envelope, responder, decision, reply, t)


def readable(text: str) -> str:
    """Text that any terminal, browser and JSON reader takes; what is no UTF-8 is replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _sender(head: Head) -> str:
    """The envelope sender as far as the message tells: Return-Path, else the first From."""
    path = head.first("return-path")
    if path is not None:  # RFC 5321 §4.4: the last server puts MAIL FROM there
        found = mailboxes(path)
        return found[0][1] if found else ""
    authors = mailboxes(head.first("from") or "")
    return authors[0][1] if authors else ""
