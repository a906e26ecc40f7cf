#!/usr/bin/python3
"""Replaces waybill.fcgi in tests of web servers: answers each request with a JSON description of it. Like waybill.fcgi,
it serves FastCGI on descriptor 0 or on the path given by --listen, and otherwise is a CGI program."""

import json
import os
import signal
import socket
import stat
import struct
import sys

BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6


def answer(variables, body):
    text = json.dumps({"variables": variables, "body": len(body)}).encode()
    return b"Status: 200\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


def read_exactly(stream, size):
    data = stream.read(size)
    if len(data) != size:
        raise EOFError
    return data


def take_length(data, at):
    if data[at] < 128:
        return data[at], at + 1
    return struct.unpack_from(">I", data, at)[0] & 0x7FFFFFFF, at + 4


def unpack(data):
    """Decodes the pairs of PARAMS records."""
    variables, at = {}, 0
    while at < len(data):
        name_length, at = take_length(data, at)
        value_length, at = take_length(data, at)
        name, value = data[at:at + name_length], data[at + name_length:at + name_length + value_length]
        variables[name.decode("latin-1")] = value.decode("latin-1")
        at += name_length + value_length
    return variables


def serve(connection):
    parts = {PARAMS: bytearray(), STDIN: bytearray()}
    request = 0
    with connection, connection.makefile("rb") as stream:
        while True:
            _, kind, request, length, padding, _ = struct.unpack(">BBHHBB", read_exactly(stream, 8))
            content = read_exactly(stream, length)
            read_exactly(stream, padding)
            if kind in parts:
                parts[kind] += content
            if kind == STDIN and not content:
                break
        out = answer(unpack(bytes(parts[PARAMS])), parts[STDIN])
        for kind, content in [*((STDOUT, out[at:at + 60000]) for at in range(0, len(out), 60000)), (STDOUT, b""),
                              (END_REQUEST, bytes(8))]:
            connection.sendall(struct.pack(">BBHHBB", 1, kind, request, len(content), 0, 0) + content)


def main():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if "--listen" in sys.argv:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[sys.argv.index("--listen") + 1])
        listener.listen()
    elif stat.S_ISSOCK(os.fstat(0).st_mode) and "GATEWAY_INTERFACE" not in os.environ:
        listener = socket.socket(fileno=0)
    else:
        variables = dict(os.environ)
        chunked = "HTTP_TRANSFER_ENCODING" in variables
        body = sys.stdin.buffer.read(int(variables.get("CONTENT_LENGTH") or (-1 if chunked else 0)))
        sys.stdout.buffer.write(answer(variables, body))
        return
    while True:
        try:
            serve(listener.accept()[0])
        except (EOFError, OSError):
            pass


main()
