"""What docs/operations.md tells people to run does what the page says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.programs import free_port, running, sample_api
from tests.support.postgres import programs, server

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
HOSTS = "/v1/projects/demo/hosts"


def section(title: str) -> list[str]:
    """The commands of a section, block by block."""
    (text,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(commands: str, folder: Path, database: str) -> None:
    """Run commands as a person would, with PostgreSQL's programs at hand."""
    environment = os.environ | {
        "DATABASE": database,
        "PATH": f"{programs()}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_restored_database_is_as_it_was_at_the_time_of_the_backup(tmp_path: Path) -> None:
    """A key that was deactivated since then works again, and one that was made since is gone."""
    backup, restore = section("Backup and restore")
    upstream = free_port()
    with server() as postgres, running(sample_api(upstream), upstream, tmp_path):
        url = postgres.new_url()
        here = Installation(tmp_path, upstream, store=url, cluster={"run_directory": "run"})
        with here.serving():
            number, key = here.new_key()
            run(backup, tmp_path, url)
            here.call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
            _, later = here.new_key("later")
            assert [here.ask(HOSTS, key), here.ask("/v1/projects/later/hosts", later)] == [401, 200]
        run(restore, tmp_path, url)
        with here.serving():
            assert [here.ask(HOSTS, key), here.ask("/v1/projects/later/hosts", later)] == [200, 401]
            assert here.new_key("again")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((\.\./[\w./-]+|[\w.-]+\.md)", PAGE))))
def test_what_the_page_links_to_is_there(path: str) -> None:
    """Files and pages."""
    assert (Path(__file__).parents[2] / "docs" / path).exists()
