"""The mail server that takes the replies, a program of its own: SMTP with PIPELINING, no disk.

`python -m bench.sink PORT`. On standard input, a line `forget` empties its memory, a line
`arrivals` prints as JSON: recipient -> the instant (CLOCK_MONOTONIC) of the final dot.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

EHLO = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN\r\n"
REPLIES = {
    b"EHLO": EHLO,
    b"HELO": b"250 sink.example\r\n",
    b"DATA": b"354 end with a dot\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}
OK = b"250 2.0.0 ok\r\n"
END = b"\r\n.\r\n"

arrivals: dict[str, float] = {}


class Session(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._buffer = b""
        self._data = False
        self._recipient = b""
        self._transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        out = b""
        while True:
            end = self._buffer.find(END if self._data else b"\n")
            if end < 0:
                break
            if self._data:
                self._buffer = self._buffer[end + len(END) :]
                self._data = False
                arrivals[self._recipient.decode()] = time.monotonic()
                out += OK
                continue
            line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
            verb = line[:4].upper()
            out += REPLIES.get(verb, OK)
            if verb == b"RCPT":
                self._recipient = line[line.find(b"<") + 1 : line.find(b">")]
            elif verb == b"DATA":
                self._data = True
        if out:
            self._transport.write(out)


def obey() -> None:
    line = sys.stdin.readline().strip()
    if line == "arrivals":
        print(json.dumps(arrivals), flush=True)
    elif line == "count":
        print(len(arrivals), flush=True)
    elif line == "forget":
        arrivals.clear()
    elif not line:
        asyncio.get_running_loop().stop()


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Session, "127.0.0.1", port, backlog=512)
    loop.add_reader(sys.stdin, obey)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
