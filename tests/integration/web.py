"""The web servers in front of Waybill, each with the configuration that Waybill delivers. Only values that every site
must set are changed. The servers run as the user of the tests, except Apache, which refuses to serve as root."""

import contextlib
import json
import os
import pwd
import random
import re
import shutil
import socket

import pytest
from clients import WebClient
from service import BUILD, SBIN, TOP, Direct, Process

APACHE_USER = "www-data"
# The modules that Debian enables when Apache is installed; a site cannot rely on others.
APACHE_MODULES = ("access_compat", "alias", "auth_basic", "authn_core", "authn_file", "authz_core", "authz_host",
                  "authz_user", "autoindex", "deflate", "dir", "env", "filter", "mime", "mpm_event", "negotiation",
                  "reqtimeout", "setenvif", "status")


def free_port():
    """Returns a free port of 127.0.0.1. It is random, because other processes search at the same time, and below the
    range of ports that the system assigns to connections."""
    while True:
        port = random.SystemRandom().randrange(10000, 32768)
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def replace_once(text, old, new):
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    return text.replace(old, new)


def without_comment(text, first, last):
    """Uncomments the lines from the one that begins with `first` to the one that begins with `last`."""
    pattern = re.compile(rf"^\t*#{re.escape(first)}.*?^\t*#{re.escape(last)}[^\n]*$", re.M | re.S)
    assert len(pattern.findall(text)) == 1, f"no lines {first!r} to {last!r}"
    return pattern.sub(lambda found: re.sub("^(\t*)#", r"\1", found[0], flags=re.M), text)


def share_files(site):
    """Lets Apache's user read the files of others and make its own, and read the keys."""
    if os.geteuid() == 0:
        group = pwd.getpwnam(APACHE_USER).pw_gid
        os.chown(site.files, -1, group)
        os.chmod(site.files, 0o2770)
        if os.path.exists(site.key_file):
            os.chown(site.key_file, -1, group)


class Web(Process):
    """A web server, and the waybill.fcgi that it starts or that runs beside it. `program` replaces waybill.fcgi,
    `operators` replaces the addresses that may see the service's health, `pem` is a file with a key and a certificate,
    which enables TLS. `callers` is the number of connections that the server must handle at the same time; None: its
    default."""

    offload = "x-sendfile"
    user = None  # if another than the tests'
    external = False  # waybill.fcgi is started separately
    good_ends = (0,)
    longest_header = 65536 - 1024  # that reaches waybill.fcgi
    options = {}  # which the file in conf requires a site to set

    def __init__(self, way, site, options=None, program=None, operators=None, pem=None, name=None,
                 callers=None):
        self.way = way
        self.site = site
        self.directory = os.path.join(site.directory, name or way)
        self.share = os.path.join(self.directory, "share")
        self.program = os.path.join(self.directory, "waybill.fcgi")
        self.port = free_port()
        self.operators = operators
        self.pem = pem
        self.callers = callers
        # The server's user may not have access to the directory of the tests.
        shutil.copytree(os.path.join(TOP, "conf"), os.path.join(self.share, "conf"))
        shutil.copy(program or os.path.join(BUILD, "waybill.fcgi"), self.program)
        options = {"files.offload": self.offload, **self.options, **(options or {})}
        self.config = site.write_config(options, (name or way) + ".conf")
        self.let_in()
        self.beside = self.start_beside() if self.external else None
        self.client = WebClient(self.port, self.longest_header, tls=pem is not None)
        self.service_log = self.beside.log if self.external else self.log_of_service()
        super().__init__(way, self.directory, self.command(), user=self.user, death="TERM")
        self.wait_for(lambda: self.client.request("GET", "/healthz"))

    def let_in(self):
        """Gives a server that runs as another user what it needs, and shares the files with it."""
        if self.user is not None:
            user = pwd.getpwnam(self.user)
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            share_files(self.site)

    def start_beside(self):
        return Direct(self.site, "waybill", user=self.user, config=self.config, program=self.program,
                      directory=self.directory)

    @property
    def socket_path(self):
        return self.beside.socket_path

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def delivered(self, name):
        with open(os.path.join(self.share, "conf", name), encoding="utf-8") as file:
            return file.read()

    def rewrite(self, name, edit):
        """Edits a delivered file in the server's own copy, as a site may do."""
        text = edit(self.delivered(name))
        with open(os.path.join(self.share, "conf", name), "w", encoding="utf-8") as file:
            file.write(text)

    def log_of_service(self):
        return self.path("waybill.log")

    def stop(self, good=None):
        super().stop(good or self.good_ends)
        if self.beside is not None:
            self.beside.stop()
            return
        with open(self.service_log, encoding="utf-8", errors="replace") as log:
            events = re.findall(r"^\S+Z (?:info|warning) event=(.*?)(?: version=.*)?$", log.read(), re.M)
        started, stopped = events.count("started"), events.count("stopped")
        assert started == stopped, f"{started} times waybill.fcgi started, {stopped} times it ended well: {events}"


class Lighttpd(Web):
    good_ends = (0, 1)  # it sometimes is 1

    def command(self):
        os.makedirs(self.path("waybill.d"))
        values = {
            "port": self.port,
            "waybill_files": self.site.files,
            "waybill_share": self.share,
            "pid_file": self.path("pid"),
            "run_dir": self.directory,
            "log_dir": self.directory,
        }
        if self.external:
            values["waybill_socket"] = self.socket_path
        else:
            values.update(waybill_program=self.program, waybill_config=self.config)
        if self.operators is not None:
            values["operators"] = self.operators
        self.write("waybill.d/tests.conf",
                   "".join(f"var.{name} := {json.dumps(value)}\n" for name, value in values.items()))
        # The server keeps the user of the tests.
        self.rewrite("lighttpd-common.conf", lambda text: re.sub("^server.(user|group)name .*\n", "", text, flags=re.M))
        if self.pem is not None:
            self.rewrite("lighttpd-common.conf", self.with_tls)
        config = self.write("lighttpd.conf", self.delivered(self.way + ".conf"))
        return [shutil.which("lighttpd", path=SBIN), "-D", "-f", config]

    def with_tls(self, text):
        """Adds a second port for TLS."""
        tls_port, self.port = free_port(), self.port
        text = without_comment(text, "server.modules += ", "}")
        for name in ("fullchain", "privkey"):
            text = replace_once(text, f"/etc/ssl/waybill/{name}.pem", self.pem)
        text = replace_once(text, "0.0.0.0:443", f"127.0.0.1:{tls_port}")
        self.client.port = tls_port
        return text


class Apache(Web):
    user = APACHE_USER if os.geteuid() == 0 else None
    modules = ()

    def command(self):
        modules = (*APACHE_MODULES, "headers", "xsendfile", *self.modules)
        if self.pem is not None:
            modules += ("socache_shmcb", "ssl")
        values = {
            "APACHE_RUN_DIR": self.directory,
            "APACHE_LOG_DIR": self.directory,
            "waybill_listen": f"127.0.0.1:{self.port}",
            "waybill_files": self.site.files,
            "waybill_share": self.share,
        }
        if self.external:
            values["waybill_socket"] = self.socket_path
        else:
            values.update(waybill_program=self.program, waybill_config=self.config)
        if self.operators is not None:
            values["waybill_operators"] = self.operators
        if "cgid" in modules:
            os.mkdir(self.path("socks"))
            shutil.chown(self.path("socks"), self.user or os.geteuid())
        if self.pem is not None:
            self.rewrite("apache-common.conf", self.with_tls)
        config = self.write("apache2.conf", "\n".join([
            *(f'Define {name} "{value}"' for name, value in values.items()),
            "ServerName localhost",
            f'ServerRoot "{self.directory}"',
            "DefaultRuntimeDir ${APACHE_RUN_DIR}",
            "PidFile pid",
            "ErrorLog error.log",
            *(f"Include /etc/apache2/mods-available/{module}.load" for module in modules),
            *(f"IncludeOptional /etc/apache2/mods-available/{module}.con[f]" for module in modules),
            "AddOutputFilterByType DEFLATE text/csv application/json",
            "FcgidIPCDir ${APACHE_RUN_DIR}" if "fcgid" in modules else "",
            "FcgidProcessTableFile ${APACHE_RUN_DIR}/fcgid" if "fcgid" in modules else "",
            "<Directory />",
            "Require all denied",
            "</Directory>",
            f'Include "{self.share}/conf/{self.way}.conf"',
            *self.room_for_callers(),
            "",
        ]))
        return [shutil.which("apache2", path=SBIN), "-D", "FOREGROUND", "-f", config]

    def room_for_callers(self):
        """Uses few processes, which are started at once."""
        if self.callers is None:
            return ()
        threads = self.callers // 2
        return (f"ThreadLimit {threads}", f"ThreadsPerChild {threads}", "StartServers 2", "ServerLimit 2",
                f"MaxRequestWorkers {2 * threads}", f"MaxSpareThreads {2 * threads}")

    def with_tls(self, text):
        text = without_comment(text, "SSLEngine", "SSLCertificateKeyFile")
        for name in ("fullchain", "privkey"):
            text = replace_once(text, f"/etc/ssl/waybill/{name}.pem", self.pem)
        return text

    def log_of_service(self):
        return self.path("error.log")


class ApacheFcgid(Apache):
    modules = ("fcgid",)
    options = {"server.waiting_requests": 0}


class ApacheProxy(Apache):
    modules = ("proxy", "proxy_fcgi")
    external = True
    longest_header = 16 * 1024 - 64  # mod_proxy_fcgi leaves out a longer one


class ApacheCgi(Apache):
    modules = ("cgid",)


class LighttpdSocket(Lighttpd):
    external = True


class Nginx(Web):
    offload = "x-accel-redirect"
    external = True

    def command(self):
        text = self.delivered("nginx.conf")
        for old, new in (("unix:/run/waybill/waybill.socket;", f"unix:{self.socket_path};"),
                         ("listen 127.0.0.1:8080;", f"listen 127.0.0.1:{self.port}{' ssl' if self.pem else ''};"),
                         ("/var/lib/waybill/files/", self.site.files + "/"),
                         ("/usr/local/share/waybill/", self.share + "/"),
                         ("127.0.0.0/8", self.operators or "127.0.0.0/8")):
            text = replace_once(text, old, new)
        if self.pem is not None:
            text = without_comment(text, "ssl_protocols", "ssl_certificate_key")
            for name in ("fullchain", "privkey"):
                text = replace_once(text, f"/etc/ssl/waybill/{name}.pem", self.pem)
        self.write("waybill.conf", text)
        temporary = "".join(f"{kind}_temp_path {self.directory}/{kind};\n"
                            for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
        config = self.write("nginx.conf", f"""{'user root;' if os.geteuid() == 0 else ''}
            daemon off;
            pid pid;
            error_log error.log;
            events {{ worker_connections {2 * (self.callers or 384)}; }}
            http {{
                include /etc/nginx/mime.types;
                default_type application/octet-stream;
                access_log off;
                gzip on;
                gzip_types text/csv application/json;
                {temporary}
                include waybill.conf;
            }}
            """)
        return [shutil.which("nginx", path=SBIN), "-p", self.directory, "-e", "error.log", "-c", config]


WAYS = {
    "lighttpd": Lighttpd,
    "lighttpd-socket": LighttpdSocket,
    "lighttpd-cgi": Lighttpd,
    "apache-fcgid": ApacheFcgid,
    "apache-proxy": ApacheProxy,
    "apache-cgi": ApacheCgi,
    "nginx": Nginx,
}

# The ways as parameters of tests and fixtures.
EACH_WAY = [pytest.param(way, marks=pytest.mark.web(way)) for way in WAYS]


def start_web(way, site, **arguments):
    return WAYS[way](way, site, **arguments)
