"""Nothing that people write into a key runs in the console, and nothing that is slipped in."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.console import Console
from tests.browser.site import Site
from tests.browser.watch import Watch
from tests.patience import PATIENCE

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "'\"><svg onload=alert(1)>",
    "{{ 7 * 7 }} ${7 * 7} javascript:alert(1)",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_write_is_text_everywhere(console: Console, site: Site, text: str) -> None:
    """On each page that shows it, which none of them would be if it ran."""
    person = site.person("Fay")
    key, _ = site.key(person.id, text, description=text)
    environment = site.environment(f"hostile-{HOSTILE.index(text)}", name=text, description=text)
    account = site.post("/accounts", name=text, kind="user", description=text)["id"]
    site.post(f"/projects/{environment}/projectmembers", accountId=account, role="member")
    console.log_out()
    visitor = Console(console.page, person)
    visitor.log_in()
    visitor.page.on("dialog", lambda dialog: pytest.fail(f"it ran: {dialog.message}"))
    for path in (
        "/keys",
        f"/keys/{key}",
        f"/keys/{key}/edit",
        f"/keys/{key}/rotate",
        f"/keys/{key}/advice",
        f"/keys/{key}/remove",
        "/keys?search=" + text[:5],
        "/environments",
        f"/environments/{environment}",
        "/accounts",
        f"/accounts/{account}",
        "/audit",
        f"/v2-beta/apikeys/{key}",
    ):
        visitor.page.goto(path)
        assert text in visitor.page.locator("html").evaluate(
            "html => html.innerText + [...html.querySelectorAll('input, textarea')]"
            ".map((field) => field.value).join()"
        ).replace('\\"', '"')
    visitor.page.goto(f"/keys/{key}")
    expect(visitor.heading).to_contain_text(text)


INJECTIONS = {
    "script-src-elem": "document.body.append(make('script', {textContent: 'window.ran = true'}))",
    "script-src-attr": "document.body.insertAdjacentHTML('beforeend',"
    " '<img src=data: onerror=\"window.ran = true\">')",
    "script-src": "setTimeout('window.ran = true')",
    "style-src-elem": "document.head.append(make('style', {textContent: 'body { color: red }'}))",
    "style-src-attr": "document.body.setAttribute('style', 'color: red')",
    "img-src": "document.body.append(make('img', {src: 'http://127.0.0.2/x.png'}))",
    "connect-src": "fetch('http://127.0.0.2/').catch(() => {})",
    "frame-src": "document.body.append(make('iframe', {src: 'http://127.0.0.2/'}))",
    "font-src": "new FontFace('x', 'url(http://127.0.0.2/x.woff)').load().catch(() => {})",
    "object-src": "document.body.append(make('object', {data: 'http://127.0.0.2/'}))",
    "form-action": "post('http://127.0.0.2/')",
    "base-uri": "document.head.append(make('base', {href: 'http://127.0.0.2/'}))",
}
"""What the policy forbids, by the directive of which a browser says that it was violated."""


@pytest.mark.parametrize("directive", INJECTIONS)
def test_what_is_slipped_into_a_page_does_nothing(
    new_context: NewContext, watch: Watch, directive: str
) -> None:
    """Even if the escaping of a page failed, the policy would hold."""
    page = new_context().new_page()
    page.goto("/login")
    violated = page.evaluate(
        """([injection, patience]) => new Promise((resolve) => {
          setTimeout(resolve, patience * 1000);
          document.addEventListener("securitypolicyviolation",
            (event) => resolve(event.effectiveDirective));
          const script = (text) => Function("make", "post", text);
          const make = (name, values) => Object.assign(document.createElement(name), values);
          const post = (action) => {
            const form = make("form", {action, method: "post"});
            document.body.append(form);
            form.submit();
          };
          script(injection)(make, post);
        })""",
        [INJECTIONS[directive], PATIENCE],
    )
    assert violated == directive
    assert page.evaluate("window.ran") is None
    assert watch.faults != []
    watch.faults.clear()
