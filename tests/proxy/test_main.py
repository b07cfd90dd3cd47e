"""The commands serve, init and check-config: what they do, and one clear message if they fail."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.programs import WARDGATE, await_text, free_port, running, wardgate


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a store that `wardgate init` has made, and the key in `key.json`."""
    path = tmp_path_factory.mktemp("made", numbered=False)
    path.chmod(0o700)
    (path / "wardgate.yaml").write_text(
        "listen: 127.0.0.1:0\nupstream: http://127.0.0.1:1\nstore: sqlite:///var/wardgate.db\n"
        "bcrypt_rounds: 4\n"
    )
    assert init(path, "--save-key", "key.json").returncode == 0
    return path


@pytest.fixture
def ready(folder: Path, made: Path) -> Path:
    """A working directory with a configuration and a store with an admin."""
    shutil.copytree(made / "var", folder / "var")
    shutil.copy(made / "key.json", folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with the smallest configuration, on free ports."""
    tmp_path.chmod(0o700)
    config = (
        f"listen: 127.0.0.1:{free_port()}\n"
        f"upstream: http://127.0.0.1:{free_port()}\n"
        "store: sqlite:///var/wardgate.db\n"
        "bcrypt_rounds: 4\n"
        f"admin:\n  listen: 127.0.0.1:{free_port()}\n"
    )
    (tmp_path / "wardgate.yaml").write_text(config)
    return tmp_path


def port(folder: Path, line: int) -> int:
    """The port at the end of a line of the configuration."""
    return int((folder / "wardgate.yaml").read_text().splitlines()[line].rpartition(":")[2])


def gateway_port(folder: Path) -> int:
    """Where the configuration has the gateway listen."""
    return port(folder, 0)


def init(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `wardgate init`."""
    return wardgate("init", "--config", "wardgate.yaml", *options, cwd=folder)


def serve(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `wardgate serve`, which must fail."""
    return wardgate("serve", "--config", "wardgate.yaml", cwd=folder)


def test_version_prints_the_version_of_the_distribution(tmp_path: Path) -> None:
    """And nothing else."""
    assert wardgate("--version", cwd=tmp_path).stdout == f"wardgate {version('wardgate')}\n"


def test_check_config_accepts_a_valid_configuration(folder: Path) -> None:
    """Exit status 0."""
    done = wardgate("check-config", "wardgate.yaml", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("wardgate.yaml: ok")


def test_check_config_says_that_the_store_is_still_to_be_made(folder: Path) -> None:
    """With the command that makes it, until it has been run."""
    hint = "run `wardgate init --config wardgate.yaml`"
    assert hint in wardgate("check-config", "wardgate.yaml", cwd=folder).stdout
    assert init(folder).returncode == 0
    assert hint not in wardgate("check-config", "wardgate.yaml", cwd=folder).stdout


def test_traces_need_packages_that_may_be_missing(ready: Path) -> None:
    """`check-config` and `serve` say which, and how to get them."""
    config = ready / "wardgate.yaml"
    config.write_text(config.read_text() + "tracing: {endpoint: http://127.0.0.1:9/v1/traces}\n")
    without = "import sys; sys.modules['opentelemetry'] = None; from proxy.__main__ import main; "
    for arguments in ("check-config wardgate.yaml", "serve --config wardgate.yaml"):
        command = [sys.executable, "-c", f"{without}main({arguments.split()!r})"]
        done = subprocess.run(command, cwd=ready, capture_output=True, text=True, check=False)
        assert done.returncode in {1, 2}
        assert "pip install 'wardgate[tracing]'" in done.stderr
        assert "Traceback" not in done.stderr


def test_check_config_finds_what_serve_would_fail_of(ready: Path) -> None:
    """An address that is taken, a log without a folder and a store that is one, all at once."""
    config = ready / "wardgate.yaml"
    config.write_text(
        config.read_text().replace("var/wardgate.db", "var") + "access_log: none/access.log\n"
    )
    with socket.create_server(("127.0.0.1", port(ready, 5))):
        done = wardgate("check-config", "wardgate.yaml", cwd=ready)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.findall(r"(?m)^wardgate(?:: wardgate)?\.yaml:(\d): (\S+): ", done.stderr) == [
        ("3", "store"),
        ("6", "admin.listen"),
        ("7", "access_log"),
    ]
    assert "is a folder" in serve(ready).stderr


def test_all_problems_in_a_configuration_are_reported_at_once(folder: Path) -> None:
    """Each with its line and setting; exit status 2, whether it is checked or used."""
    (folder / "wardgate.yaml").write_text(
        "listen: nowhere\nupstrem: http://h\nlimits:\n  fields: x\n"
    )
    for command in (["check-config"], ["init", "--config"]):
        done = wardgate(*command, "wardgate.yaml", cwd=folder)
        assert done.returncode == 2
        for place in (
            "wardgate.yaml:1: listen",
            "wardgate.yaml:2: upstrem",
            "wardgate.yaml:4: limits.fields",
        ):
            assert place in done.stderr
    assert not (folder / "var").exists()


def test_a_missing_configuration_is_named_in_one_line(tmp_path: Path) -> None:
    """Exit status 2, whether it is checked or used."""
    for command in (["check-config"], ["serve", "--config"]):
        done = wardgate(*command, "none.yaml", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "wardgate: none.yaml: cannot read: No such file or directory\n"


def test_init_creates_the_first_admin_and_its_key_once(folder: Path) -> None:
    """A second time is refused, or does nothing with --if-needed."""
    done = init(folder, "--output", "json")
    assert done.returncode == 0
    key = json.loads(done.stdout)
    assert key["type"] == "apiKey"
    assert key["accountId"] == "1a1"
    assert key["publicValue"]
    assert key["secretValue"].startswith("wgs_")
    again = init(folder)
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    assert again.stdout == ""
    needless = init(folder, "--if-needed")
    assert needless.returncode == 0
    assert "wgs_" not in needless.stdout + needless.stderr


def test_init_shows_the_key_and_says_to_save_it(folder: Path) -> None:
    """Both parts have the names that clients use."""
    done = init(folder)
    assert "Access key (user name):" in done.stdout
    assert "Secret key (password):" in done.stdout
    assert "only time" in done.stdout


def test_init_logs_the_number_and_hash_of_its_audit_entries(folder: Path) -> None:
    """As the admin server does, so that a rewritten audit log can be found with the log."""
    for done, actions in (
        (init(folder), ["1:account.create", "2:key.create"]),
        (init(folder, "--recover"), ["3:key.recover"]),
    ):
        logged = re.findall(
            r"^wardgate: audit (\d+):[0-9a-f]{64} (\S+) ", done.stderr, re.MULTILINE
        )
        assert [":".join(each) for each in logged] == actions


def test_init_saves_the_key_to_a_file_that_only_its_owner_can_read(folder: Path) -> None:
    """The key appears nowhere else, and an existing file is not overwritten."""
    (folder / "there").write_text("mine")
    refused = init(folder, "--save-key", "there")
    assert refused.returncode == 1
    assert not (folder / "var").exists()
    done = init(folder, "--save-key", "key.json")
    assert done.returncode == 0
    saved = folder / "key.json"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert json.loads(saved.read_text())["secretValue"].startswith("wgs_")
    assert "wgs_" not in done.stdout + done.stderr
    assert init(folder, "--if-needed", "--save-key", "key.json").returncode == 0


PRESET_KEY = ("--access-key-file", "access", "--secret-key-file", "secret")


def test_init_uses_a_preset_key_from_files(folder: Path) -> None:
    """An unfit one is refused in one line that does not repeat it; both files or none are named."""
    (folder / "access").write_text("first.admin\n")
    (folder / "secret").write_text("too-short\n")
    refused = init(folder, *PRESET_KEY)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "secret key: 20 to 72" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "too-short" not in refused.stderr
    without_admin = serve(folder)  # there is a store now, but no admin in it
    assert without_admin.returncode == 1
    assert "has no admin account yet: run `wardgate init" in without_admin.stderr
    (folder / "secret").write_text("long-enough-for-a-secret\n")
    assert init(folder, *PRESET_KEY[:2]).returncode == 2
    done = init(folder, *PRESET_KEY, "--output", "json")
    key = json.loads(done.stdout)
    assert (key["publicValue"], key["secretValue"]) == ("first.admin", "long-enough-for-a-secret")


def test_recover_without_a_store_is_refused(folder: Path) -> None:
    """And no store is made."""
    done = init(folder, "--recover")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert not (folder / "var").exists()


def test_recover_creates_an_admin_key_and_an_audit_entry(ready: Path) -> None:
    """For the same account, while the server is stopped."""
    first = json.loads((ready / "key.json").read_text())
    second = json.loads(init(ready, "--recover", "--output", "json").stdout)
    assert second["accountId"] == first["accountId"]
    assert second["publicValue"] != first["publicValue"]
    assert second["secretValue"].startswith("wgs_")
    with sqlite3.connect(ready / "var" / "wardgate.db") as db:
        actions = [row[0] for row in db.execute("SELECT act FROM audit ORDER BY sequence")]
    db.close()
    assert actions[-1] == "key.recover"


def test_serve_without_a_store_names_the_command_that_makes_one(folder: Path) -> None:
    """And makes none by itself."""
    done = serve(folder)
    assert done.returncode == 1
    assert "wardgate init" in done.stderr
    assert not (folder / "var").exists()


def test_a_store_in_use_is_refused_and_its_process_named(ready: Path) -> None:
    """To a second server and to init alike."""
    with running([*WARDGATE, "serve", "-c", "wardgate.yaml"], gateway_port(ready), ready) as first:
        for done in (serve(ready), init(ready), init(ready, "--recover")):
            assert done.returncode == 1
            assert f"in use by process {first.pid} (wardgate serve)" in done.stderr
            assert done.stderr.count("\n") == 1


def test_init_if_needed_succeeds_while_the_store_is_served(ready: Path) -> None:
    """As `docker compose up` runs it beside a running server."""
    with running([*WARDGATE, "serve", "-c", "wardgate.yaml"], gateway_port(ready), ready):
        done = init(ready, "--if-needed")
        assert (done.returncode, "nothing to do" in done.stderr) == (0, True)


def test_an_error_of_the_system_about_the_store_is_shown_in_one_line(ready: Path) -> None:
    """With the system's reason."""
    config = ready / "wardgate.yaml"
    text = re.sub("sqlite:///.*", f"sqlite:///{'x' * 300}", config.read_text())
    config.write_text(text)
    for done in (serve(ready), init(ready)):
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert os.strerror(errno.ENAMETOOLONG) in done.stderr


def test_an_incomplete_admin_request_does_not_delay_the_shutdown(ready: Path) -> None:
    """It has as long as the requests at the gateway, drain_timeout."""
    config = ready / "wardgate.yaml"
    config.write_text(config.read_text() + "limits: {drain_timeout: 0.5}\n")
    command = [*WARDGATE, "serve", "-c", "wardgate.yaml"]
    with (
        running(command, port(ready, 5), ready) as process,
        socket.create_connection(("127.0.0.1", port(ready, 5))) as client,
    ):
        client.sendall(b"POST /v2-beta/apikeys HTTP/1.1\r\nHost: localhost\r\n")
        client.sendall(b"Content-Length: 100\r\n\r\n{")
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("line", [0, 5])
def test_an_address_that_is_taken_is_named_in_one_line(ready: Path, line: int) -> None:
    """Whether the gateway or the admin server is to listen there."""
    with socket.create_server(("127.0.0.1", port(ready, line))):
        done = serve(ready)
    assert done.returncode == 1
    messages = [text for text in done.stderr.splitlines() if "listen" in text]
    assert messages == [
        f"wardgate: cannot listen on 127.0.0.1:{port(ready, line)}: {os.strerror(errno.EADDRINUSE)}"
    ]


def test_an_empty_store_is_refused_and_left_unchanged(ready: Path) -> None:
    """It may have been a store once, or be a file of another program."""
    store = ready / "var" / "wardgate.db"
    store.write_bytes(b"")
    done = serve(ready)
    assert (done.returncode, "empty" in done.stderr) == (1, True)
    assert store.read_bytes() == b""


@pytest.mark.parametrize("pragma", ["user_version = 999", "application_id = 1"])
def test_a_store_of_another_program_or_version_is_refused_and_left_unchanged(
    ready: Path, pragma: str
) -> None:
    """In one line."""
    path = ready / "var" / "wardgate.db"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA {pragma}")
    db.close()
    before = path.read_bytes()
    done = serve(ready)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["noise", "cut", "page"])
def test_a_damaged_store_is_refused_and_left_unchanged(ready: Path, damage: str) -> None:
    """In one line that names the file, whatever part is damaged."""
    path = ready / "var" / "wardgate.db"
    sound = path.read_bytes()
    damaged = {
        "noise": b"\xa5" * len(sound),
        "cut": sound[:6000],
        "page": sound[:4096] + b"\xa5" * 8192 + sound[12288:],
    }[damage]
    path.write_bytes(damaged)
    done = serve(ready)
    assert done.returncode == 1
    assert done.stderr.startswith(f"wardgate: store {path} ")
    assert done.stderr.count("\n") == 1
    assert path.read_bytes() == damaged


def test_an_upstream_that_is_down_is_reported_at_the_start(ready: Path) -> None:
    """The gateway starts nevertheless, and SIGTERM ends it with status 0."""
    with running(
        [*WARDGATE, "serve", "-c", "wardgate.yaml"], gateway_port(ready), ready
    ) as process:
        url = f"http://127.0.0.1:{port(ready, 1)}"
        await_text(ready / "err", f"upstream default ({url}) does not answer: ", process)
        process.terminate()
        assert process.wait(PATIENCE) == 0
    (line,) = [text for text in (ready / "err").read_text().splitlines() if url in text]
    assert line.endswith("; requests get 502 until it does")
