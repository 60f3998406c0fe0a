"""Where a message ends, in pieces of any size, and which ends are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repondeur.flow.spool import BLOCK, MEMORY_LIMIT, Handle, Spool
from repondeur.flow.transaction import DataReader
from repondeur.mail.read import BODY_LIMIT, HEAD_LIMIT

HERE = Path("/nonexistent")  # messages below MEMORY_LIMIT touch no disk


def read(pieces: list[bytes], limit: int = 1 << 30) -> tuple[DataReader, bytes, bytes | None]:
    spool = Spool(HERE)
    reader = DataReader(limit, spool)
    rest = None
    for at, piece in enumerate(pieces):
        rest = reader.feed(piece)
        if rest is not None:
            rest += b"".join(pieces[at + 1 :])
            break
    return reader, b"".join(spool.blocks()), rest


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b".\r\n", b""),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
        (b"a\nb\r\n.\r\n", b"a\nb\r\n"),
        (b"a\n.b\r\n.\r\n", b"a\n.b\r\n"),
        (b"a\rb\r\n.\r\n", b"a\rb\r\n"),
        (b"\r\n\r\n\r\n.\r\n", b"\r\n\r\n\r\n"),
        (b"\x00\xff\r\n.\r\n", b"\x00\xff\r\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_end_and_unstuffing(wire: bytes, message: bytes, size: int) -> None:
    wire += b"MAIL"
    reader, got, rest = read([wire[at : at + size] for at in range(0, len(wire), size)])
    assert (got, rest, reader.bare, reader.size) == (message, b"MAIL", False, len(message))


@pytest.mark.parametrize(
    "dot",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\rx",
        b"\r.\n",
        b"\n.\r",
        b"\r\n\n.\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lone_dot_between_bare_line_ends_is_refused(dot: bytes, size: int) -> None:
    wire = b"a" + dot + b"MAIL FROM:<x@example>\r\n"
    reader, _, rest = read([wire[at : at + size] for at in range(0, len(wire), size)])
    assert reader.bare
    assert rest is not None


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n."])), st.data())
def test_pieces_do_not_matter(parts: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(parts) + b"\r\n.\r\nQUIT\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    whole, split = read([wire]), read(pieces)
    assert (whole[0].bare, split[0].bare) in [(True, True), (False, False)]
    if not whole[0].bare:
        assert whole[1:] == split[1:]
        assert whole[0].head == split[0].head


def test_large_message_is_swallowed_not_kept() -> None:
    reader, got, rest = read([b"a" * 100] * 10 + [b"\r\n.\r\n"], limit=500)
    assert reader.too_large
    assert len(got) <= 500
    assert rest == b""


def test_head_is_bounded() -> None:
    reader, _, _ = read([b"A: b\r\n\r\n" + b"x" * (2 * BODY_LIMIT) + b"\r\n.\r\n"])
    assert len(reader.head) == len(b"A: b\r\n\r\n") + BODY_LIMIT
    reader, _, _ = read([b"A: " + b"x" * (2 * HEAD_LIMIT) + b"\r\n\r\nbody\r\n.\r\n"])
    assert len(reader.head) == HEAD_LIMIT


def test_spool_beyond_memory_goes_to_an_unnamed_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    block = bytes(range(256)) * 1000
    for _ in range(10):
        spool.write(block)
    assert spool.size > MEMORY_LIMIT
    assert not list(tmp_path.iterdir())
    assert b"".join(spool.blocks()) == block * 10
    spool.close()
    with pytest.raises(OSError, match="gone"):
        next(spool.blocks())


@pytest.mark.parametrize("size", [0, BLOCK, BLOCK + 1, MEMORY_LIMIT, MEMORY_LIMIT + 1])
def test_another_process_finds_the_message(tmp_path: Path, size: int) -> None:
    message = bytes(range(251)) * (size // 251) + bytes(size % 251)
    spool = Spool(tmp_path)
    spool.write(message)
    found = spool.elsewhere()
    assert isinstance(found, Handle) is (size > BLOCK)
    if isinstance(found, Handle):
        assert b"".join(found.blocks()) == message
        found.close()
    else:
        assert found == message
    assert b"".join(spool.blocks()) == message
    spool.close()
    if size:
        with pytest.raises(OSError, match="gone"):
            spool.elsewhere()


def test_a_handle_outlives_its_spool(tmp_path: Path) -> None:
    """The number of a closed file soon is another message's, which would go to a wrong mailbox."""
    first, second = Spool(tmp_path), Spool(tmp_path)
    first.write(b"a" * (MEMORY_LIMIT + 1))
    handle = first.elsewhere()
    assert isinstance(handle, Handle)
    first.close()
    second.write(b"b" * (MEMORY_LIMIT + 1))
    assert b"".join(handle.blocks()) == b"a" * (MEMORY_LIMIT + 1)
    handle.close()
    with pytest.raises(FileNotFoundError):
        next(handle.blocks())
    second.close()


def test_full_disk_is_told_at_the_end() -> None:
    reader = DataReader(1 << 30, Spool(HERE))
    assert reader.feed(b"a" * (MEMORY_LIMIT + 10)) is None
    assert reader.feed(b"\r\n.\r\n") == b""
    assert isinstance(reader.error, OSError)
