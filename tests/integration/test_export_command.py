"""waybill export: the API's validation and files from a shell."""

import contextlib
import glob
import itertools
import os
import signal
import stat
import subprocess

import inventory
import oracle
import pytest
from deadline import DEADLINE, wait_until
from faults import ALL, add_gate, closed_gate, fleet, slow_down  # noqa: F401
from service import BUILD, environment
from terminal import with_terminal

OLD = b"the old file"
OPTIONS = {
    "london": {"time_zone": "Europe/London", "bom": True},
    "plain": {"formula_guard": False},
}


def heed_signals():
    """The tests may run with signals ignored, as by nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def begin(site, *arguments, config=None, project=inventory.PROJECT, **streams):
    """Starts an export in the directory of the site."""
    return subprocess.Popen(
        [os.path.join(BUILD, "waybill"), "--config", config or site.config, "export", "--project", project, *arguments],
        env=environment(), cwd=site.directory, preexec_fn=heed_signals,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams})


def run(site, *arguments, **how):
    """Returns the exit status, the output and the messages of an export."""
    process = begin(site, *arguments, **how)
    try:
        output, messages = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
    return process.returncode, output, (messages or b"").decode()


def exported(site, *arguments, **how):
    """Returns the output of an export that must succeed without a message."""
    status, output, messages = run(site, *arguments, **how)
    assert status == 0 and not messages, f"{arguments}: {status} {messages}"
    return output


def refused(site, *arguments, status=1, **how):
    """Returns the message of an export that must fail and print nothing else."""
    got, output, messages = run(site, *arguments, **how)
    message, _, usage = messages.partition("\n")
    assert got == status and not output and message.startswith("waybill: "), f"{arguments}: {got} {messages}"
    assert (usage != "") == (status == 2), messages
    return message


@pytest.fixture
def out(hostile, tmp_path):
    """A path for a file, in a directory of its own."""
    return str(tmp_path / "out.csv")


def content(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("body, arguments", [
    ({"export_headers": ALL}, []),
    ({"export_headers": [["status", "State"], ["container_id", "an = sign"], ["risky", "risky"]]},
     ["--column", "status=State", "--column", "container_id=an = sign", "--column", "risky"]),
    ({"export_headers": [["cpu_limit", "=1"], ["pod_name", "容器"]]},
     ["--column", "cpu_limit==1", "--column", "pod_name=容器"]),
    ({"cluster_container": True, "export_headers": ALL}, ["--filter", "cluster_container=true"]),
    ({"risky": False, "export_headers": ALL}, ["--filter", "risky=false"]),
    ({"status": "Running", "cluster_type": "cce", "export_headers": ALL},
     ["--filter", "status=Running", "--filter", "cluster_type=cce"]),
    ({"container_name": "*nginx*", "export_headers": ALL}, ["--filter", "container_name=*nginx*"]),
    ({"image_name": "ng_nx", "export_headers": ALL}, ["--filter", "image_name=ng_nx"]),
    ({"pod_name": "*", "export_headers": ALL}, ["--filter=pod_name=*"]),
    ({"cluster_name": "a,b", "export_headers": ALL}, ["--filter", "cluster_name=a,b"]),
    ({"cpu_limit": "0.5", "memory_limit": "", "export_headers": ALL},
     ["--filter", "cpu_limit=0.5", "--filter", "memory_limit="]),
    ({"memory_limit": "=1", "export_headers": ALL}, ["--filter", "memory_limit==1"]),
    ({"create_time": {"start_time": 0, "end_time": 1775204100123}, "export_headers": ALL},
     ["--filter", "create_time=1970-01-01T00:00:00Z..2026-04-03T08:15:00.123Z"]),
    ({"create_time": {"start_time": 1775204100123}, "export_headers": ALL},
     ["--filter", "create_time=1775204100123.."]),
    ({"create_time": {"end_time": 951782400000}, "export_headers": ALL}, ["--filter", "create_time=..2000-02-29"]),
    ({"create_time": {}, "export_headers": ALL}, ["--filter", "create_time=.."]),
    ({"container_name": "no such container", "export_headers": ALL}, ["--filter", "container_name=no such container"]),
], ids=str)
def test_the_bytes_of_the_api(hostile, api, out, body, arguments):
    expected, _ = api.export(body)
    assert exported(hostile.site, *arguments) == expected
    assert exported(hostile.site, *arguments, "-o", "-") == expected
    assert exported(hostile.site, *arguments, "-o", out) == b""
    assert content(out) == expected


@pytest.mark.parametrize("value, scope", [
    (None, ("0",)), ("0", ("0",)), ("ep-a", ("ep-a",)), ("ep-a,Ep-A", ("ep-a", "Ep-A")), ("0,ep-b", ("0", "ep-b")),
    ("all", None), ("nobody's", ()),
], ids=str)
def test_enterprise_projects(hostile, value, scope):
    rows = oracle.select(inventory.fetch(hostile.site.superuser), {}, enterprise_projects=scope)
    arguments = [] if value is None else ["--enterprise-project", value]
    assert exported(hostile.site, *arguments) == oracle.csv(rows, ALL)


def test_a_project_is_a_wall(hostile):
    rows = inventory.fetch(hostile.site.superuser)
    for project in (inventory.NEIGHBOUR, "Demo", "%", "nobody's"):
        expected = oracle.csv(oracle.select(rows, {}, project, None), ALL)
        assert exported(hostile.site, "--enterprise-project", "all", project=project) == expected


@pytest.mark.parametrize("name", OPTIONS)
def test_the_options_of_the_configuration(hostile, name):
    options = {f"csv.{option}": value for option, value in OPTIONS[name].items()}
    config = hostile.site.write_config({key: {True: "on", False: "off"}.get(value, value)
                                        for key, value in options.items()}, f"export-{name}.conf")
    rows = oracle.select(inventory.fetch(hostile.site.superuser), {})
    assert exported(hostile.site, config=config) == oracle.csv(rows, ALL, **OPTIONS[name])


@pytest.mark.parametrize("size", [1, 2, 100])
def test_size(hostile, size):
    rows = oracle.select(inventory.fetch(hostile.site.superuser), {})
    status, output, messages = run(hostile.site, "--size", str(size))
    assert status == 0 and output == oracle.csv(rows[:size], ALL)
    assert messages == (f"waybill: warning: more than {size} rows match; only the first {size} were exported,"
                        " use --size all to export all\n")


def test_size_of_exactly_all(hostile):
    rows = oracle.select(inventory.fetch(hostile.site.superuser), {})
    for size in (str(len(rows)), "100000", "all"):
        assert exported(hostile.site, "--size", size) == oracle.csv(rows, ALL)


def test_more_rows_than_a_task_exports(big):
    _, output, messages = run(big.site, "--column", "container_id", project="big")
    assert output.count(b"\r\n") == 100001 and "more than 100000 rows match" in messages
    assert exported(big.site, "--column", "container_id", "--size", "all", project="big").count(b"\r\n") == 110001


@pytest.mark.parametrize("arguments", [
    ["--column", "x"], ["--column", "risky="], ["--column", "risky", "--column", "risky=R"],
    ["--column", "risky=a\tb"], ["--filter", "risky"], ["--filter", "x=1"], ["--filter", "risky=yes"],
    ["--filter", "status=running"], ["--filter", "container_name="], ["--filter", "container_name=" + "x" * 256],
    ["--filter", "risky=true", "--filter", "risky=true"], ["--filter", "create_time=P7D"],
    ["--filter", "create_time=2..1"], ["--filter", "create_time=now.."], ["--size", "0"], ["--size", "100001"],
    ["--enterprise-project", ""], ["x"], ["-x"],
], ids=lambda arguments: " ".join(arguments)[:40])
def test_wrong_calls(hostile, out, arguments):
    """Nothing is written, and an existing file stays."""
    assert refused(hostile.site, *arguments, "-o", out, status=2).startswith("waybill: export: ")
    assert not os.path.exists(out)
    with open(out, "wb") as file:
        file.write(OLD)
    refused(hostile.site, *arguments, "-o", out, status=2)
    assert content(out) == OLD and os.listdir(os.path.dirname(out)) == ["out.csv"]


def test_an_existing_file_is_replaced(hostile, out):
    with open(out, "wb") as file:
        file.write(OLD * 100000)
    os.chmod(out, 0o604)
    before = os.stat(out)
    with open(out, "rb") as reader:
        exported(hostile.site, "-o", out)
        assert reader.read() == OLD * 100000, "who has opened the old file reads it to its end"
    after = os.stat(out)
    assert stat.S_IMODE(after.st_mode) == 0o604 and after.st_ino != before.st_ino
    assert content(out) == exported(hostile.site)
    assert os.listdir(os.path.dirname(out)) == ["out.csv"]


def test_special_files(hostile, tmp_path):
    assert exported(hostile.site, "-o", "/dev/null") == b""
    expected = exported(hostile.site)
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    process = begin(hostile.site, "-o", fifo)
    assert content(fifo) == expected and process.wait(timeout=DEADLINE) == 0
    process.communicate()
    assert stat.S_ISFIFO(os.stat(fifo).st_mode)
    assert exported(hostile.site, "-o", "/dev/stdout") == expected


def test_a_full_disk(hostile):
    message = refused(hostile.site, "-o", "/dev/full")
    assert message == "waybill: /dev/full: write: No space left on device"
    with open("/dev/full", "wb") as full:
        status, _, messages = run(hostile.site, stdout=full)
    assert status == 1 and messages == "waybill: standard output: write: No space left on device\n"


def test_a_reader_that_ends_early(hostile):
    """SIGPIPE does not end the command: it reports the error."""
    reading, writing = os.pipe()
    os.close(reading)
    status, _, messages = run(hostile.site, stdout=writing)
    os.close(writing)
    assert status == 1 and messages == "waybill: standard output: write: Broken pipe\n"


def test_a_missing_directory(hostile, tmp_path):
    message = refused(hostile.site, "-o", str(tmp_path / "no" / "out.csv"))
    assert message == f"waybill: {tmp_path}/no/out.csv: open: No such file or directory"


def test_the_number_of_rows_on_a_terminal(hostile):
    rows = oracle.select(inventory.fetch(hostile.site.superuser), {})
    (status, _, _), printed = with_terminal(lambda stderr: run(hostile.site, "-o", "/dev/null", stderr=stderr))
    assert status == 0 and printed == f"{len(rows)} rows\r\n"


def test_no_database(hostile, out):
    config = hostile.site.write_config({"database.conninfo": f"host={hostile.site.directory} dbname=x"}, "away.conf")
    with open(out, "wb") as file:
        file.write(OLD)
    assert "the database cannot be reached" in run(hostile.site, "-o", out, config=config)[2]
    assert content(out) == OLD and os.listdir(os.path.dirname(out)) == ["out.csv"]
    os.unlink(out)
    assert run(hostile.site, "-o", out, config=config)[0] == 1
    assert not os.listdir(os.path.dirname(out))


@pytest.fixture
def site_view(hostile):
    """The name of a view in a schema of its own, which has some rows of the inventory and one more column."""
    hostile.site.sql("""CREATE SCHEMA site;
        CREATE VIEW site."my$view" AS SELECT c.*, 'a text' AS more FROM waybill.container AS c
            WHERE container_name = 'nginx';
        GRANT USAGE ON SCHEMA site TO waybill_service;
        GRANT SELECT ON site."my$view" TO waybill_service""")
    yield "site.my$view"
    hostile.site.sql("DROP SCHEMA site CASCADE")


def test_the_connection_and_the_relation_of_the_inventory(hostile, site_view, out):
    """[inventory] conninfo and relation apply; the database of the tasks is not needed."""
    site = hostile.site
    config = site.write_config({
        "database.conninfo": f"host={site.directory} dbname=x",
        "inventory.conninfo": site.postgres.conninfo(site.database, "waybill_service"),
        "inventory.relation": site_view}, "view.conf")
    rows = oracle.select(inventory.fetch(site.superuser), {"container_name": "nginx"}, enterprise_projects=None)
    assert rows
    assert exported(site, "--enterprise-project", "all", config=config) == oracle.csv(rows, ALL)

    config = site.write_config({"inventory.relation": "site.no_such_view"}, "no-view.conf")
    assert "no_such_view" in refused(site, "-o", out, config=config)
    assert not os.listdir(os.path.dirname(out))


@pytest.fixture(params=[False, True], ids=["new", "replaced"])
def place(request, tmp_path):
    """A path, which may have an old file, and a function that checks that nothing has changed."""
    path = tmp_path / "out.csv"
    if request.param:
        path.write_bytes(OLD)

    def check():
        names = [name for name in os.listdir(tmp_path) if has_unnamed_files(tmp_path) or not name.endswith(".part")]
        assert names == (["out.csv"] if request.param else [])
        assert not request.param or path.read_bytes() == OLD
    return str(path), check


def has_unnamed_files(directory):
    """Returns whether the file system has them. Otherwise, an unfinished file has a temporary name."""
    try:
        os.close(os.open(directory, os.O_WRONLY | os.O_TMPFILE, 0o600))
    except OSError:
        return False
    return True


ROWS = 3000  # more than one buffer
numbers = itertools.count()


@contextlib.contextmanager
def half_done(fleet, path):  # noqa: F811
    """Yields an export whose last rows wait, its site, and a function that lets it continue."""
    site = fleet(f"export_command_{next(numbers)}", {"inventory.relation": "faults.container"}, p1=ROWS).site
    add_gate(site, ROWS - 1)
    with closed_gate(site) as open_gate:
        process = begin(site, "-o", path, project="p1")
        try:
            wait_until(lambda: written(process, os.path.dirname(path)) > 0, "a part of the file is written")
            yield process, site, open_gate
        finally:
            process.kill()
            process.communicate()


def written(process, directory):
    """Returns how many bytes of a file in the directory the process has written. It may close others meanwhile."""
    assert process.poll() is None, process.communicate()
    size = 0
    for path in glob.glob(f"/proc/{process.pid}/fd/*"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(path).startswith(directory + "/"):
                size += os.stat(path).st_size
    return size


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_in_the_middle(fleet, place, number):  # noqa: F811
    path, check = place
    with half_done(fleet, path) as (process, _, _):
        check()
        process.send_signal(number)
        assert process.wait(timeout=DEADLINE) == -number
        check()


def test_a_connection_that_is_lost_in_the_middle(fleet, place):  # noqa: F811
    path, check = place
    with half_done(fleet, path) as (process, site, _):
        site.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waybill export'")
        _, messages = process.communicate(timeout=DEADLINE)
        assert process.returncode == 1 and b"the database cannot be reached" in messages, messages
        check()


def test_a_pause_in_the_middle(fleet, place):  # noqa: F811
    path, check = place
    with half_done(fleet, path) as (process, site, open_gate):
        check()
        open_gate()
        assert process.communicate(timeout=DEADLINE) == (b"", b"") and process.returncode == 0
        assert content(path) == oracle.csv(oracle.select(inventory.fetch(site.superuser), {}, "p1"), ALL)
        assert os.listdir(os.path.dirname(path)) == ["out.csv"]


def test_an_error_in_the_middle(fleet, place):  # noqa: F811
    path, check = place
    site = fleet(f"export_command_{next(numbers)}", {"inventory.relation": "faults.container"}, p1=ROWS).site
    slow_down(site, f"restart_count = {ROWS - 1}", "1 / (restart_count - restart_count) = 1")
    assert "division by zero" in refused(site, "-o", path, project="p1")
    check()
