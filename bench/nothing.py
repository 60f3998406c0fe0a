"""aiosmtpd's LMTP with a handler that does nothing, on uvloop: `python -m bench.nothing PORT`."""

from __future__ import annotations

import asyncio
import logging
import sys

import uvloop
from aiosmtpd.lmtp import LMTP


class Nothing:
    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802, ARG002 # aiosmtpd's names
        return "250 2.0.0 ok"


async def main(port: int) -> None:
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: LMTP(Nothing(), loop=loop), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
