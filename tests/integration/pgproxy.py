"""A proxy for PostgreSQL that parses the frames of its protocol, so that it can lose, delay or hold one statement.

    proxy = Proxy(postgres, directory)                   # before the site of that directory: Site(..., proxy.options)
    rule = proxy.on("SET state = 'success'", SILENCE)    # for the next statement that contains this text
    ...
    rule.executed.wait()
"""

import collections
import contextlib
import os
import socket
import struct
import threading

from deadline import DEADLINE

SILENCE = "silence"  # the server gets the statement; its response is dropped, and the connection stays open
RESET = "reset"      # the same, and the connection is cut once the server has responded
CUT = "cut"          # the connection is cut before the server gets the statement
HOLD = "hold"        # the server gets the statement when the rule is released, even if the client has gone by then
LATE = "late"        # the server gets the statement; its response is passed on when the rule is released


class Event(threading.Event):
    """An event whose wait fails the test at a timeout."""

    def wait(self, timeout=DEADLINE):
        assert super().wait(timeout), f"waited {timeout} seconds in vain"

    def wait_in_thread(self):
        """Waits in a thread of the proxy, which may still wait after a failed test."""
        super().wait(DEADLINE)


class Rule:
    """What happens to statements that contain a text: to the next one, or with `always` to each. `after` is a text
    that the previous statement on the same connection must contain."""

    def __init__(self, text, action, always, after):
        self.text = text.encode()
        self.action = action
        self.always = always
        self.after = after.encode()
        self.off = False
        self.seen = Event()      # a statement came
        self.executed = Event()  # the server has executed one
        self.released = Event()  # a held statement may continue

    def fits(self, frame, before):
        return (not self.off and self.text in frame and self.after in before
                and (self.always or not self.seen.is_set()))

    def release(self):
        self.released.set()


class Connection:
    """A connection of the client, and the matching one to the server."""

    def __init__(self, proxy, client):
        self.proxy = proxy
        self.client = client
        self.server = socket.socket(socket.AF_UNIX)
        self.server.connect(os.path.join(proxy.postgres.directory, ".s.PGSQL.5432"))
        self.rule = None
        self.prepared = {}  # the Parse frames of prepared statements, by name
        self.is_cut = False  # set under the lock of the proxy
        self.executed = Event()  # the server has executed the statement of the rule
        for work in (self.listen_to_client, self.listen_to_server):
            threading.Thread(target=self.run, args=[work], daemon=True).start()

    def run(self, work):
        with contextlib.suppress(OSError, EOFError):
            work()
        if work == self.listen_to_client and self.rule is not None and self.rule.action == HOLD:
            self.executed.wait_in_thread()  # the client has gone, and the server still executes the statement
        self.cut()

    def cut(self):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def listen_to_client(self):
        before = b""
        with self.client.makefile("rb") as stream:
            startup = read_frame(stream, has_kind=False)
            application = startup.split(b"application_name\0")[1].split(b"\0")[0].decode()
            self.server.sendall(startup)
            while True:
                frame = read_frame(stream)
                if frame[:1] in (b"Q", b"S"):
                    self.proxy.count_round_trip(application)  # the client waits for the response to a Query or a Sync
                statement = self.statement_of(frame)
                if statement is not None:
                    rule = self.proxy.rule_for(self, statement, before)
                    before = statement
                    if rule is not None and not self.meet(rule):
                        return
                self.server.sendall(frame)

    def statement_of(self, frame):
        """Returns what contains the text of the statement that the frame is about to execute, or None. A prepared
        statement is executed by a Bind with its name."""
        if frame[:1] == b"Q":
            return frame
        if frame[:1] == b"P":
            name = frame[5:frame.index(b"\0", 5)]
            if not name:
                return frame
            self.prepared[name] = frame
        if frame[:1] == b"B":
            _, name, _ = frame[5:].split(b"\0", 2)
            return self.prepared.get(name)
        return None

    def meet(self, rule):
        """Returns False if the statement must not reach the server."""
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
                if rule is not None and rule.action == LATE:
                    rule.executed.set()  # the server sends the whole response at once
                    rule.released.wait_in_thread()
                if rule is None or rule.action in (HOLD, LATE):
                    with contextlib.suppress(OSError):
                        self.client.sendall(frame)


def read_frame(stream, has_kind=True):
    """Returns a protocol message: its kind, its length (which includes itself), and the rest."""
    head = read(stream, 5 if has_kind else 4)
    length, = struct.unpack("!I", head[-4:])
    return head + read(stream, length - 4)


def read(stream, size):
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


class Proxy:
    """The proxy through which one site reaches PostgreSQL, for everything but the rows of exports."""

    def __init__(self, postgres, directory):
        self.postgres = postgres
        self.directory = directory + ".proxy"
        self.lock = threading.Lock()
        self.rules = []
        self.round_trips = collections.Counter()  # by the application_name of the connections
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
        """Disables the rule for later statements. Its effect on a connection remains."""
        rule.off = True

    def count_round_trip(self, application):
        with self.lock:
            self.round_trips[application] += 1

    def rule_for(self, connection, frame, before):
        """Returns the rule that a statement meets. One that was sent on a connection that is cut is lost."""
        with self.lock:
            if connection.is_cut:
                raise EOFError
            for rule in self.rules:
                if rule.fits(frame, before):
                    rule.seen.set()
                    return rule
        return None

    @contextlib.contextmanager
    def outage(self):
        """Cuts all connections and refuses new ones."""
        self.cut_all(away=True)
        try:
            yield
        finally:
            self.cut_all(away=False)

    def lead_to(self, postgres):
        """Cuts all connections and directs new ones to this server."""
        self.cut_all(away=False, postgres=postgres)

    def cut_all(self, away, postgres=None):
        """Cuts the connections until now, and none that a client opens in their place meanwhile."""
        with self.lock:
            self.away = away
            self.postgres = postgres or self.postgres
            connections = list(self.connections)
            for connection in connections:
                connection.is_cut = True
        for connection in connections:
            connection.cut()

    def close(self):
        self.cut_all(away=True)
        for rule in self.rules:
            rule.off = True
            rule.release()
        for connection in self.connections:
            connection.executed.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
