"""Forwards connections: each argument LISTEN=TARGET, where either is HOST:PORT or a path.

Prints `ready` once it listens, and runs until it is killed.
"""

import asyncio
import sys


async def pump(reader, writer):
    try:
        while octets := await reader.read(65536):
            writer.write(octets)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def connect(target):
    if target.startswith("/"):
        return asyncio.open_unix_connection(target)
    host, port = target.rsplit(":", 1)
    return asyncio.open_connection(host, int(port))


async def forward(listen, target):
    async def caller(reader, writer):
        try:
            there_reader, there_writer = await connect(target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    if listen.startswith("/"):
        return await asyncio.start_unix_server(caller, listen)
    host, port = listen.rsplit(":", 1)
    return await asyncio.start_server(caller, host, int(port))


async def main():
    servers = [await forward(*pair.split("=", 1)) for pair in sys.argv[1:]]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
