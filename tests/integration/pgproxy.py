"""A proxy before PostgreSQL that reads the frames of its protocol, so that it can lose, delay or hold one statement.

    proxy = Proxy(postgres, directory)                   # before the site of that directory: Site(..., proxy.options)
    rule = proxy.on("SET state = 'success'", SILENCE)    # for the next statement that has this text
    ...
    rule.executed.wait()
"""

import contextlib
import os
import socket
import struct
import threading

from deadline import DEADLINE

SILENCE = "silence"  # the server gets the statement; what it says after that is dropped, and the connection stays open
RESET = "reset"      # the same, and once the server has answered the connection is cut
CUT = "cut"          # the connection is cut before the server gets the statement
HOLD = "hold"        # the server gets the statement when the rule is released, even if the client has left by then


class Event(threading.Event):
    """One that a test can count on."""

    def wait(self, timeout=DEADLINE):
        assert super().wait(timeout), f"waited {timeout} seconds in vain"

    def wait_in_thread(self):
        """Of the proxy's own, which a test that fails leaves waiting."""
        super().wait(DEADLINE)


class Rule:
    """What happens to the statements that have a text: to the next one, or with `always` to each. `after` is a text
    that the statement before it on its connection must have."""

    def __init__(self, text, action, always, after):
        self.text = text.encode()
        self.action = action
        self.always = always
        self.after = after.encode()
        self.off = False
        self.seen = Event()      # a statement came
        self.executed = Event()  # the server has executed one
        self.released = Event()  # what is held goes on

    def fits(self, frame, before):
        return (not self.off and self.text in frame and self.after in before
                and (self.always or not self.seen.is_set()))

    def release(self):
        self.released.set()


class Connection:
    """One of the client's, and its twin to the server."""

    def __init__(self, proxy, client):
        self.proxy = proxy
        self.client = client
        self.server = socket.socket(socket.AF_UNIX)
        self.server.connect(os.path.join(proxy.postgres.directory, ".s.PGSQL.5432"))
        self.rule = None
        self.executed = Event()  # the statement that the rule is about
        for work in (self.listen_to_client, self.listen_to_server):
            threading.Thread(target=self.run, args=[work], daemon=True).start()

    def run(self, work):
        with contextlib.suppress(OSError, EOFError):
            work()
        if self.rule is not None and self.rule.action == HOLD:
            self.executed.wait_in_thread()
        self.cut()

    def cut(self):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def listen_to_client(self):
        before = b""
        with self.client.makefile("rb") as stream:
            self.server.sendall(read_frame(stream, has_kind=False))  # the startup
            while True:
                frame = read_frame(stream)
                if frame[:1] in (b"Q", b"P"):  # Query, or Parse: both have the statement's text
                    rule = self.proxy.rule_for(frame, before)
                    before = frame
                    if rule is not None and not self.meet(rule):
                        return
                self.server.sendall(frame)

    def meet(self, rule):
        """False if the statement must not come to the server."""
        if rule.action == HOLD:
            rule.released.wait_in_thread()
        self.rule = rule
        return rule.action != CUT

    def listen_to_server(self):
        with self.server.makefile("rb") as stream:
            while True:
                frame = read_frame(stream)
                rule = self.rule
                if rule is not None and frame[:1] == b"Z":  # ready for the next statement: this one was executed
                    self.executed.set()
                    rule.executed.set()
                    if rule.action == RESET:
                        return
                if rule is None or rule.action == HOLD:
                    with contextlib.suppress(OSError):
                        self.client.sendall(frame)


def read_frame(stream, has_kind=True):
    """A message of the protocol: its kind, its length, which counts itself, and the rest."""
    head = read(stream, 5 if has_kind else 4)
    length, = struct.unpack("!I", head[-4:])
    return head + read(stream, length - 4)


def read(stream, size):
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


class Proxy:
    """The way of one site to PostgreSQL for everything but the rows of exports."""

    def __init__(self, postgres, directory):
        self.postgres = postgres
        self.directory = directory + ".proxy"
        self.lock = threading.Lock()
        self.rules = []
        self.connections = []
        self.away = False
        os.makedirs(self.directory)
        direct = postgres.conninfo(os.path.basename(directory), "waybill_service")
        self.options = {"database.conninfo": direct.replace(f"host={postgres.directory}", f"host={self.directory}"),
                        "inventory.conninfo": direct}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.directory, ".s.PGSQL.5432"))
        self.listener.listen(64)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            with self.lock, contextlib.suppress(OSError):
                if not self.away:
                    self.connections.append(Connection(self, client))
                    continue
            client.close()

    def on(self, text, action, always=False, after=""):
        rule = Rule(text, action, always, after)
        with self.lock:
            self.rules.append(rule)
        return rule

    def off(self, rule):
        """No more statements meet the rule. What it has done to a connection stays."""
        rule.off = True

    def rule_for(self, frame, before):
        with self.lock:
            for rule in self.rules:
                if rule.fits(frame, before):
                    rule.seen.set()
                    return rule
        return None

    @contextlib.contextmanager
    def outage(self):
        """The connections are cut, and new ones refused."""
        self.set_away(True)
        try:
            yield
        finally:
            self.set_away(False)

    def lead_to(self, postgres):
        """The connections are cut, and new ones go to this server."""
        self.postgres = postgres
        self.set_away(False)

    def set_away(self, away):
        with self.lock:
            self.away = away
            connections = self.connections
        for connection in connections:
            connection.cut()

    def close(self):
        self.set_away(True)
        for rule in self.rules:
            rule.off = True
            rule.release()
        for connection in self.connections:
            connection.executed.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
