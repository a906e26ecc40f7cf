"""The web server's side of FastCGI, down to single records, so that a test can send anything."""

import socket
import struct

from deadline import DEADLINE

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
DATA, GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 8, 9, 10, 11
RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
KEEP_CONNECTION = 1

HEADER = struct.Struct(">BBHHBx")
LARGEST = 65535


def record(kind, content=b"", request_id=1, version=1, padding=0):
    return HEADER.pack(version, kind, request_id, len(content), padding) + content + bytes(padding)


def records(kind, content, piece=LARGEST):
    """Returns a stream: its records, and the empty record that ends it."""
    pieces = [content[start:start + piece] for start in range(0, len(content), piece)]
    return b"".join(record(kind, part) for part in pieces) + record(kind)


def begin(role=RESPONDER, flags=0, request_id=1):
    return record(BEGIN_REQUEST, struct.pack(">HB5x", role, flags), request_id)


def pairs(params):
    """Encodes names and values."""
    def length(text):
        return struct.pack(">B", len(text)) if len(text) < 128 else struct.pack(">I", len(text) | 1 << 31)

    encoded = b""
    for name, value in params.items():
        name, value = (text if isinstance(text, bytes) else text.encode() for text in (name, value))
        encoded += length(name) + length(value) + name + value
    return encoded


class Closed(Exception):
    """The other side closed the connection before the request ended."""


class Connection:
    def __init__(self, path, timeout=DEADLINE):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *data):
        """Sends all the data, or what the other side takes before it closes."""
        try:
            self.socket.sendall(b"".join(data))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def receive(self, size):
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Closed
            data += piece
        return data

    def record(self):
        """Returns the next record: kind, request id, content."""
        version, kind, request_id, length, padding = HEADER.unpack(self.receive(HEADER.size))
        assert version == 1, f"a record of version {version}"
        return kind, request_id, self.receive(length + padding)[:length]

    def answer(self):
        """Returns the output of the request: standard output, standard error, protocol status."""
        written = {STDOUT: b"", STDERR: b""}
        while True:
            kind, _, content = self.record()
            if kind == END_REQUEST:
                return written[STDOUT], written[STDERR], struct.unpack(">IB3x", content)[1]
            written[kind] += content


def request(path, params, body=b"", piece=LARGEST):
    """Sends one whole request on a connection of its own."""
    with Connection(path) as connection:
        connection.send(begin(), records(PARAMS, pairs(params), piece), records(STDIN, body, piece))
        return connection.answer()
