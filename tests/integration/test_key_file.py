"""`waybill key init` and `waybill key rotate`: the file with the keys that encrypt secrets and sign links."""

import os
import re
import stat

import pytest
from service import Site


@pytest.fixture(scope="module")
def site(scratch, postgres):
    site = Site(postgres, os.path.join(scratch, "keyfile"))
    yield site
    site.close()


@pytest.fixture
def path(site):
    path = os.path.join(site.directory, "access.key")
    site.config = site.write_config({"access.key_file": path})
    yield path
    if os.path.lexists(path):
        os.unlink(path)
    site.sql("DELETE FROM waybill.credential")


def keys(path):
    """Returns the lines of a key file that have a key, each as (ID, time, key)."""
    with open(path, encoding="ascii") as file:
        return [tuple(line.split()) for line in file if not line.startswith("#")]


def good(done):
    assert done.returncode == 0 and done.stdout == "" and done.stderr == "", f"{done}"


def bad(done, message):
    assert done.returncode == 1 and done.stdout == "" and message in done.stderr, f"{done}"


def test_init_creates_the_file_once(site, path):
    os.chmod(site.config, 0o600)
    good(site.waybill("key", "init"))
    (identifier, made, key), = keys(path)
    assert re.fullmatch("[0-9a-f]{16}", identifier) and made.isdigit() and len(key) == 44
    status, config = os.stat(path), os.stat(site.config)
    assert stat.S_IMODE(status.st_mode) == 0o640 and (status.st_uid, status.st_gid) == (config.st_uid, config.st_gid)
    bad(site.waybill("key", "init"), f"{path} exists already; `waybill key rotate` changes its key")
    assert keys(path) == [(identifier, made, key)]
    assert sorted(os.listdir(site.directory)) == ["access.key", "files", "waybill.conf"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_init_gives_the_file_to_who_can_read_the_configuration(site, path):
    os.chown(site.config, 0, 12345)
    good(site.waybill("key", "init"))
    assert (os.stat(path).st_uid, os.stat(path).st_gid) == (0, 12345)
    good(site.waybill("key", "rotate"))
    assert (os.stat(path).st_uid, os.stat(path).st_gid) == (0, 12345)


def test_rotate_keeps_the_previous_key(site, path):
    good(site.waybill("key", "init"))
    first, = keys(path)
    good(site.waybill("key", "rotate"))
    second, previous = keys(path)
    assert previous == first and second[0] != first[0] and second[2] != first[2]
    good(site.waybill("key", "rotate"))
    third, previous = keys(path)
    assert previous == second and third[2] not in (first[2], second[2])


def test_rotate_without_a_file(site, path):
    bad(site.waybill("key", "rotate"), f"{path}: No such file or directory")
    assert not os.path.exists(path)


def test_rotate_of_another_file(site, path):
    with open(path, "w", encoding="ascii") as file:
        file.write("not a key\n")
    bad(site.waybill("key", "rotate"), "key_file cannot be used: the file has not the form")
    with open(path, encoding="ascii") as file:
        assert file.read() == "not a key\n"


def test_a_secret_that_cannot_be_decrypted_stops_the_rotation(site, path):
    """Otherwise a second rotation would drop the key that it needs."""
    good(site.waybill("key", "init"))
    before = keys(path)
    site.sql("INSERT INTO waybill.credential (project_id, access_key, sealed_secret)"
             " VALUES ('p', 'WBAKTEST', '0123456789abcdef:AAAA')")
    bad(site.waybill("key", "rotate"),
        f"a stored secret cannot be decrypted: {path} does not have the key that encrypted the secret of"
        " WBAKTEST")
    assert keys(path) == before
    assert site.sql("SELECT sealed_secret FROM waybill.credential") == [("0123456789abcdef:AAAA",)]


@pytest.mark.parametrize("arguments", [["key"], ["key", "init", "x"], ["key", "rotate", "x"], ["key", "remove"]])
def test_wrong_calls(site, path, arguments):
    done = site.waybill(*arguments)
    assert done.returncode == 2 and done.stderr.startswith("waybill: key"), f"{done}"
    assert not os.path.exists(path)
