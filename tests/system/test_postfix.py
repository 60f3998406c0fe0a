"""A real Postfix hands mail to the service over LMTP and takes its replies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.peers.postfix import Postfix
from tests.peers.process import account, free_ports, wait_for
from tests.peers.service import Service
from tests.peers.sink import Sink
from tests.peers.wire import send
from tests.system.house import ALICE, BOB, TEXT, message, settle

DATA = Path(__file__).parent.parent / "data" / "real"
TAP = "autoreply.invalid"


@dataclass(frozen=True)
class Hoster:
    """A mail server with Alice's mailbox, ours behind it, and the world outside as a sink."""

    postfix: Postfix
    service: Service
    world: Sink

    def mailbox(self) -> list[Path]:
        return sorted((self.postfix.folder / "mail" / "alice" / "new").glob("*"))


@pytest.fixture(scope="module")
def house() -> Iterator[Hoster]:
    mail = account("mail", "nobody")
    with ExitStack() as stack:
        world = stack.enter_context(Sink())
        (port,) = free_ports(1)
        service = Service(relay=f"smtp://127.0.0.1:{port}")
        main = {
            "virtual_mailbox_domains": "example.fr",
            "virtual_mailbox_base": "{folder}/mail",
            "virtual_mailbox_maps": f"inline:{{ {ALICE}=alice/ }}",
            "virtual_uid_maps": f"static:{mail.pw_uid}",
            "virtual_gid_maps": f"static:{mail.pw_gid}",
            "virtual_minimum_uid": "1",
            "recipient_bcc_maps": f"inline:{{ {ALICE}=alice=example.fr@{TAP} }}",
            "transport_maps": f"inline:{{ {TAP}=lmtp:inet:127.0.0.1:{service.lmtp_port} }}",
            "relayhost": f"[127.0.0.1]:{world.port}",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
            "queue_run_delay": "1s",
        }
        master = [f"{port} inet n - n - - smtpd"]
        postfix = stack.enter_context(Postfix(main, master))
        folder = postfix.folder / "mail"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        postfix.folder.chmod(0o755)
        stack.enter_context(service)
        settle(service)
        yield Hoster(postfix, service, world)


@pytest.fixture
def hoster(house: Hoster) -> Hoster:
    """The same for all tests, with an empty mailbox; each test has a person of its own write."""
    for path in house.mailbox():
        path.unlink()
    house.world.clear()
    return house


def test_alice_gets_the_message_and_bob_one_answer(hoster: Hoster) -> None:
    for number in (1, 2):
        (status,) = send(hoster.postfix.port, BOB, [ALICE], message(number), lmtp=False)
        assert status.code == 250
    (reply,) = hoster.world.wait(1)
    assert (reply.sender, reply.recipients) == ("", (BOB,))
    parsed = message_from_bytes(reply.data, policy=policy.default)
    assert (parsed["From"], parsed["To"]) == (
        f"Alice Petit <{ALICE}>",
        f"Bob Martin <{BOB}>",
    )
    assert parsed["Subject"] == "Auto: Question 1"
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert TEXT in parsed.get_content()
    wait_for(lambda: len(hoster.mailbox()) == 2, "both messages in the mailbox", 15)
    wait_for(lambda: not hoster.postfix.queue(), "an empty queue", 15)
    assert len(hoster.world.received) == 1


def test_a_bounce_from_outside_is_never_answered(hoster: Hoster) -> None:
    bounce = (DATA / "postfix-bounce-unknown-user.eml").read_bytes()
    send(hoster.postfix.port, "", [ALICE], bounce, lmtp=False)
    wait_for(lambda: len(hoster.mailbox()) == 1, "the bounce in Alice's mailbox", 15)
    wait_for(lambda: '"null-sender"' in hoster.service.log, "the decision", 15)
    assert hoster.world.received == []


def test_while_the_service_is_down_mail_flows_and_the_answer_comes_later(hoster: Hoster) -> None:
    carol = "carol@example.org"
    hoster.service.kill()
    send(hoster.postfix.port, carol, [ALICE], message(3, sender=carol), lmtp=False)
    wait_for(lambda: len(hoster.mailbox()) == 1, "the message in the mailbox", 15)
    assert [entry["queue_name"] for entry in hoster.postfix.queue()]
    hoster.service.restart()
    (reply,) = hoster.world.wait(1, timeout=30)
    assert reply.recipients == (carol,)


def test_while_the_relay_is_away_the_reply_waits(hoster: Hoster) -> None:
    dave = "dave@example.org"
    hoster.world.stop()
    send(hoster.postfix.port, dave, [ALICE], message(4, sender=dave), lmtp=False)
    wait_for(lambda: len(hoster.mailbox()) == 1, "the message in the mailbox", 15)
    hoster.world.start()
    (reply,) = hoster.world.wait(1, timeout=30)
    assert reply.recipients == (dave,)
