"""The operator's command: migrate, token create, list, revoke, and its response to wrong calls."""

import hashlib
import os
import re
import subprocess

import pytest
from api import MINIMAL, Api, expect_error
from deadline import DEADLINE
from service import BUILD, TOP, Site, environment
from test_task_command import HOSTILE


MIGRATIONS = os.path.join(TOP, "sql", "migrations")


@pytest.fixture(scope="module")
def site(hostile):
    return hostile.site


def run(program, *arguments):
    return subprocess.run([os.path.join(BUILD, program), *arguments], env=environment(), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=DEADLINE)


def schema(site):
    return site.sql(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'waybill' ORDER BY 1, 2")


def test_migrate_again_changes_nothing(site):
    before = schema(site), site.sql("SELECT count(*) FROM waybill.container")
    assert site.migrate().strip() == "", "no migration was applied, so no line is printed"
    assert (schema(site), site.sql("SELECT count(*) FROM waybill.container")) == before


def test_migrations_at_once(postgres, scratch):
    """Two hosts are updated at the same time."""
    site = Site(postgres, os.path.join(scratch, "migrated"), migrations=None)
    try:
        command = [os.path.join(BUILD, "waybill"), "--config", site.config, "migrate", "--sql-dir",
                   MIGRATIONS]
        running = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    text=True)
                   for _ in range(4)]
        done = [(process.communicate(timeout=DEADLINE), process.returncode) for process in running]
        assert [status for _, status in done] == [0] * 4, f"{done}"
        lines = sorted(line for (out, _), _ in done for line in out.splitlines())
        assert len(lines) == len(os.listdir(MIGRATIONS)) == len(set(lines)), f"{done}"
        assert schema(site)
    finally:
        site.close()


def test_a_migration_that_fails_leaves_nothing(site, tmp_path):
    """It runs in one transaction, and later migrations are not tried."""
    for name in sorted(os.listdir(MIGRATIONS)):
        with open(os.path.join(MIGRATIONS, name), encoding="utf-8") as migration:
            (tmp_path / name).write_text(migration.read())
    (tmp_path / "9998_fails.sql").write_text("CREATE TABLE waybill.half (a int);\nSELECT 1 / 0;\n")
    (tmp_path / "9999_after.sql").write_text("CREATE TABLE waybill.after (a int);\n")
    done = site.waybill("migrate", "--sql-dir", str(tmp_path))
    assert done.returncode == 1 and "9998" in done.stderr, f"{done}"
    assert site.sql("SELECT to_regclass('waybill.half'), to_regclass('waybill.after')") == [(None, None)]


@pytest.mark.parametrize("script, reason", [
    ("COPY waybill.credential TO STDOUT;", "COPY"),
    ("COPY waybill.credential FROM STDIN;", "COPY"),
    ("CREATE TABLE waybill.half (a int); COPY waybill.half FROM STDIN; SELECT 1;", "COPY"),
    ("CREATE TABLE waybill.half (a int); ROLLBACK;", "transaction"),
])
def test_what_a_migration_cannot_do(site, tmp_path, script, reason):
    """A migration cannot copy to or from the client, which has no file, and cannot end its transaction."""
    (tmp_path / "9998_odd.sql").write_text(script)
    done = site.waybill("migrate", "--sql-dir", str(tmp_path))
    assert done.returncode == 1 and not done.stdout, f"{done}"
    assert "9998_odd.sql: " in done.stderr and reason in done.stderr, f"{done}"
    assert site.sql("SELECT to_regclass('waybill.half')") == [(None,)]
    assert site.sql("SELECT count(*) FROM waybill.schema_migration WHERE name LIKE '9998%'") == [(0,)]


def created(site, *options):
    done = site.waybill("token", "create", "--project", "demo", *options)
    assert done.returncode == 0, f"{done}"
    assert re.fullmatch(r"\S{20,}\n", done.stdout), f"not only a token: {done}"
    return done.stdout.strip()


def stored(site, token):
    rows = site.sql(
        "SELECT credential_id, project_id, enterprise_projects, name, expire_time - now() FROM waybill.credential"
        " WHERE token_sha256 = %s",
        hashlib.sha256(token.encode()).digest())
    assert len(rows) == 1, f"{rows}"
    return rows[0]


def caller(hostile, token):
    return Api(hostile.site, hostile.client, "demo", token)


def test_a_token_is_kept_by_its_hash_alone(site):
    token = created(site)
    _, project, scope, _, expires = stored(site, token)
    assert (project, scope, expires) == ("demo", None, None)
    for (row,) in site.sql("SELECT t::text FROM waybill.credential t"):
        assert token not in row, f"the token in {row}"


def test_tokens_differ(site):
    assert len({created(site) for _ in range(20)}) == 20


@pytest.mark.parametrize("options, scope", [
    ([], None), (["--enterprise-project", "all"], None), (["--enterprise-project", "a"], ["a"]),
    (["--enterprise-project", "a,b,0"], ["a", "b", "0"]), (["--enterprise-project", "長,😀"], ["長", "😀"]),
])
def test_scope(site, options, scope):
    found = stored(site, created(site, *options))[2]
    assert (found and sorted(found)) == (scope and sorted(scope))


def test_name(site):
    assert stored(site, created(site, "--name", "nightly export"))[3] == "nightly export"


@pytest.mark.parametrize("text, seconds", [("30d", 30 * 86400), ("1d", 86400), ("12h", 12 * 3600)])
def test_expires(site, hostile, text, seconds):
    token = created(site, "--expires", text)
    assert abs(stored(site, token)[4].total_seconds() - seconds) < 60
    assert caller(hostile, token).create(MINIMAL).status == 200


def test_list_and_revoke(site, hostile):
    token = created(site, "--name", "to be revoked", "--enterprise-project", "0,ep-a")
    other = created(site)
    identity = str(stored(site, token)[0])
    listed = site.waybill("token", "list")
    lines = [line for line in listed.stdout.splitlines()
             if re.search(rf"\b{identity}\b", line) and "to be revoked" in line]
    assert listed.returncode == 0 and len(lines) == 1 and "demo" in lines[0] and "ep-a" in lines[0], f"{listed}"
    for secret in (token, hashlib.sha256(token.encode()).hexdigest()):
        assert secret not in listed.stdout, "a secret in the list"
    assert caller(hostile, token).create(MINIMAL).status == 200

    done = site.waybill("token", "revoke", identity)
    assert done.returncode == 0, f"{done}"
    expect_error(caller(hostile, token).create(MINIMAL), 401, "APIGW.0301")
    assert caller(hostile, other).create(MINIMAL).status == 200


def test_list_of_a_project(site):
    site.token("listed")
    for project in ("listed", "nobody's"):
        done = site.waybill("token", "list", "--project", project)
        assert done.returncode == 0 and "demo" not in done.stdout, f"{done}"
        assert ("listed" in done.stdout) == (project == "listed"), f"{done}"


def test_hostile_texts_in_the_list(site):
    """The terminal gets no control character, and a text adds neither a line nor a column."""
    made = site.waybill("token", "create", "--project", HOSTILE, "--name", HOSTILE, "--enterprise-project", HOSTILE)
    assert made.returncode == 0, f"{made}"
    listed = site.waybill("token", "list", "--project", HOSTILE).stdout
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", listed), f"{listed!r}"
    rows = [line.split("\t") for line in listed.split("\n")[:-1]]
    assert {len(row) for row in rows} == {9}, f"{listed!r}"
    row, = [row for row in rows[1:] if row[8]]
    assert row[2] == row[8] != HOSTILE and row[2].startswith("a\\") and row[2].endswith("😀 l"), f"{row}"


@pytest.mark.parametrize("arguments", [["999999999"]])
def test_revoke_of_no_token(site, arguments):
    done = site.waybill("token", "revoke", *arguments)
    assert done.returncode == 1 and 'no token "999999999", or it is already revoked' in done.stderr, f"{done}"


@pytest.mark.parametrize("arguments", [
    [], ["nothing"], ["--nothing"], ["migrate", "x"], ["migrate", "--nothing"], ["migrate", "--sql-dir"], ["token"],
    ["token", "nothing"], ["token", "create"], ["token", "create", "--project"], ["token", "create", "--project", ""],
    ["token", "create", "--project", "p" * 257], ["token", "create", "--project", "p", "x"],
    ["token", "create", "--project", "p", "--nothing"], ["token", "create", "--project", "p", "--expires", "soon"],
    ["token", "create", "--project", "p", "--expires", "0d"], ["token", "create", "--project", "p", "--expires", "-1d"],
    ["token", "create", "--project", "p", "--expires", ""],
    ["token", "create", "--project", "p", "--expires", "99999999999999999999d"],
    ["token", "create", "--project", "p", "--enterprise-project", ""],
    ["token", "create", "--project", "p", "--enterprise-project", "a,,b"],
    ["token", "create", "--project", "p", "--enterprise-project", "x" * 257], ["token", "list", "x"],
    ["token", "revoke"], ["token", "revoke", "x"], ["token", "revoke", "-1"], ["token", "revoke", "1", "2"],
    ["token", "revoke", "1x"],
], ids=lambda arguments: " ".join(arguments)[:60] or "none")
def test_wrong_calls(site, arguments):
    before = site.sql("SELECT count(*) FROM waybill.credential")
    done = site.waybill(*arguments)
    assert done.returncode == 2 and done.stderr and not done.stdout, f"{done}"
    assert site.sql("SELECT count(*) FROM waybill.credential") == before


@pytest.mark.parametrize("program", ["waybill", "waybill.fcgi"])
def test_help_and_version(program):
    for option in ("--help", "--version"):
        done = run(program, option)
        assert done.returncode == 0 and "waybill" in done.stdout.lower() and not done.stderr, f"{done}"


@pytest.mark.parametrize("arguments", [["--nothing"], ["x"], ["--listen"], ["--config"]])
def test_wrong_calls_of_the_service(arguments):
    done = run("waybill.fcgi", *arguments)
    assert done.returncode == 2 and done.stderr and not done.stdout, f"{done}"


def test_an_unreachable_database(tmp_path):
    config = tmp_path / "waybill.conf"
    config.write_text(f"[database]\nconninfo = host={tmp_path} dbname=x\n")
    for arguments in (["migrate", "--sql-dir", MIGRATIONS], ["token", "list"], ["token", "create", "--project", "p"]):
        done = run("waybill", "--config", str(config), *arguments)
        assert done.returncode == 1 and done.stderr and not done.stdout, f"{done}"
