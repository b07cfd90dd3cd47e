"""The page that shows a secret once: it is copied from there, and never shown again."""

from __future__ import annotations

import re
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Dialog, Error, expect

from tests.browser.conftest import NewContext
from tests.browser.console import SECRET, Console
from tests.browser.site import REMOTE, Site
from tests.programs import WARDGATE


def pasted(console: Console) -> str:
    """What a person gets who pastes what was copied."""
    console.page.goto("/keys/new")
    field = console.field("Description")
    field.focus()
    console.page.keyboard.press("Control+V")
    return field.input_value()


def test_a_secret_is_copied_by_its_button(console: Console) -> None:
    """The button says that it is done, and so does a text for who does not see it."""
    key = console.create_key("copied")
    console.copy_secret()
    expect(console.page.get_by_text("Copied the secret key")).to_have_attribute("role", "status")
    assert pasted(console) == key.secret


def test_a_secret_is_copied_over_plain_http_too(new_context: NewContext, site: Site) -> None:
    """A browser has no `navigator.clipboard` there, unless the server is this machine."""
    context = new_context(base_url=f"http://{REMOTE}:{site.here.api}")
    console = Console(context.new_page(), site.person("Cyd"))
    console.log_in()
    assert console.page.evaluate("navigator.clipboard === undefined")
    key = console.create_key("copied")
    console.copy_secret()
    assert pasted(console) == key.secret


def test_the_line_for_curl_works_as_it_was_copied(console: Console, site: Site) -> None:
    """It is pasted into a shell."""
    site.environment("curl")
    console.page.goto("/keys")
    console.choose_environment("Curl")
    console.create_key("pasted", "Environment")
    console.copy_secret("the line for curl")
    _, *arguments, url = shlex.split(pasted(console))
    assert site.here.curl(*arguments, "-w", " %{http_code}", f"{url}/hosts") == '{"data": []} 200'


def test_the_line_for_netrc_works_as_it_was_copied(console: Console, site: Site) -> None:
    """curl finds the credentials there."""
    site.environment("netrc")
    console.create_key("pasted")
    console.copy_secret("the line for ~/.netrc")
    netrc = site.here.folder / "netrc"
    netrc.write_text(pasted(console))
    url = f"http://127.0.0.1:{site.here.gateway}/v1/projects/netrc/hosts"
    assert site.here.curl("--netrc-file", str(netrc), url) == '{"data": []}'


def test_the_variables_work_as_they_were_copied(
    console: Console, site: Site, tmp_path: Path
) -> None:
    """`wardgate` in a shell acts with the new key."""
    key = console.create_key("pasted")
    console.copy_secret("the line for Shell variables")
    command = shlex.join([*WARDGATE, "keys", "list", "--url", site.url])
    listed = subprocess.run(
        ["/bin/sh", "-c", f"{pasted(console)}\n{command}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert key.access_key in listed.stdout


def test_a_secret_that_was_not_copied_is_not_lost_to_a_wrong_click(console: Console) -> None:
    """The browser asks before it leaves the page; once something was copied it does not."""
    asked = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    console.page.on("dialog", stay)
    key = console.create_key("kept")
    console.sections.get_by_role("link", name="Environments").click(no_wait_after=True)
    expect(console.main).to_contain_text(key.secret)
    assert asked == ["beforeunload"]
    console.copy_secret()
    console.sections.get_by_role("link", name="Environments").click()
    expect(console.heading).to_contain_text("Environments")
    assert asked == ["beforeunload"]


def test_a_secret_is_not_shown_by_a_reload(console: Console, site: Site) -> None:
    """Nor does that make a second key."""
    key = console.create_key("once")
    console.page.reload()
    expect(console.page.get_by_role("alert")).to_contain_text("was sent before")
    assert key.secret not in console.page.content()
    assert count(site, console, "once") == 1


def test_a_secret_is_not_shown_by_the_back_button(console: Console, site: Site) -> None:
    """The browser asks whether to send the form again, which is what a reload does."""
    key = console.create_key("once")
    console.finish()
    with suppress(Error):  # ERR_CACHE_MISS: that is the question
        console.page.go_back(wait_until="commit")
    console.page.wait_for_url(re.compile("^chrome-error:"), wait_until="commit")
    expect(console.page.locator("body")).to_contain_text("ERR_CACHE_MISS")
    expect(console.page.locator("body")).not_to_contain_text(key.secret)
    assert count(site, console, "once") == 1


def count(site: Site, console: Console, name: str) -> int:
    """How many keys of this name there are."""
    return len(site.here.call(f"/apikeys?accountId={console.person.id}&name={name}")["data"])


def test_a_secret_is_nowhere_but_on_the_page(console: Console) -> None:
    """Neither in its URL or title, nor in what the browser keeps."""
    key = console.create_key("once")
    kept = "JSON.stringify([location, document.title, history.state, localStorage, sessionStorage])"
    assert key.secret not in console.page.evaluate(kept)
    console.finish()
    assert SECRET.search(console.page.content()) is None
