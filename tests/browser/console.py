"""The console as people see it: all that tests know of the pages' structure and words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Person
from tests.support.credentials import Credentials

SECRET = re.compile(r"wgs_[A-Za-z0-9]{40}")


@dataclass(frozen=True)
class Console:
    """A tab with the console, and the person before it."""

    page: Page
    person: Person

    # --- login ---

    def log_in(self, path: str = "/") -> None:
        """Open a page, and log in where it asks for that."""
        self.page.goto(path)
        self.fill_login(self.person.credentials)
        expect(self.sections).to_be_visible()

    def fill_login(self, credentials: Credentials) -> None:
        """Fill the login form in, and send it."""
        self.field("Access key").fill(credentials.access_key)
        self.field("Secret key").fill(credentials.secret)
        self.button("Log in").click()

    def log_out(self) -> None:
        """Log out by the menu of the account."""
        self.page.get_by_role("banner").get_by_text(self.person.name, exact=True).click()
        self.button("Log out").click()
        expect(self.button("Log in")).to_be_visible()

    # --- what is everywhere ---

    @property
    def main(self) -> Locator:
        """The page without its header."""
        return self.page.get_by_role("main")

    @property
    def heading(self) -> Locator:
        """The page's own heading."""
        return self.page.get_by_role("heading", level=1)

    @property
    def sections(self) -> Locator:
        """The links to the parts of the console."""
        return self.page.get_by_role("navigation", name="Sections")

    def button(self, name: str) -> Locator:
        """A button of the page."""
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, label: str) -> Locator:
        """A field of a form, whose label begins so."""
        return self.page.get_by_label(re.compile(rf"^{label}\b"))

    def choose_environment(self, name: str) -> None:
        """Choose an environment in the header."""
        menu = self.page.get_by_role("banner").locator("details.choose")
        menu.locator("summary").click()
        menu.get_by_role("button", name=name, exact=True).click()
        expect(menu.locator("summary")).to_contain_text(name)

    # --- tables of keys ---

    def table(self, owner: str = "Account") -> Locator:
        """The keys of the account, or of the Environment."""
        return self.page.get_by_role("region", name=f"{owner} API keys")

    def open_keys(self, owner: str = "Account") -> Locator:
        """Open the page of keys, with the table in sight."""
        self.page.goto("/keys")
        if owner == "Environment":
            self.page.get_by_text("Advanced options").click()
        expect(self.table(owner)).to_be_visible()
        return self.table(owner)

    def names(self, owner: str = "Account") -> Locator:
        """The links to the keys of a table, in its order."""
        return self.table(owner).locator("td.name").get_by_role("link")

    def row(self, name: str) -> Locator:
        """The row of a key."""
        link = self.page.get_by_role("link", name=name, exact=True)
        return self.page.get_by_role("row").filter(has=link)

    def search(self, owner: str) -> Locator:
        """The field by which a table is searched."""
        return self.table(owner).get_by_role("searchbox")

    def menu_button(self, name: str) -> Locator:
        """The button that opens the menu of a row."""
        return self.row(name).get_by_label(f"Actions on {name}", exact=True)

    def open_menu(self, name: str) -> Locator:
        """Open the menu of a row. Returns what it offers."""
        self.menu_button(name).click()
        panel = self.row(name).locator(".panel")
        return panel.get_by_role("button").or_(panel.get_by_role("link"))

    def act(self, name: str, action: str) -> None:
        """Choose an action in the menu of a row."""
        self.open_menu(name).filter(has_text=action).click()

    # --- making a key ---

    def open_form(self, owner: str = "Account") -> None:
        """Open the form for a new key."""
        self.open_keys(owner)
        above = self.page.get_by_role("link", name=f"Add {owner.lower()} API key")
        above.or_(self.table(owner).get_by_role("link", name="Add API key")).click()
        expect(self.field("Name")).to_be_visible()

    def create_key(self, name: str, owner: str = "Account", **fields: str) -> Credentials:
        """Make a key, and leave its secret on the screen. `fields` are by label."""
        self.open_form(owner)
        self.field("Name").fill(name)
        for label, text in fields.items():
            self.field(label).fill(text)
        self.button("Create key").click()
        return self.shown_credentials()

    def shown_credentials(self) -> Credentials:
        """The credentials on the page that shows a secret."""
        expect(self.main).to_contain_text("This is the only time you can see it")
        text = self.main.inner_text()
        secret, access_key = SECRET.search(text), re.search(r"\b[0-9A-F]{20}\b", text)
        assert secret is not None
        assert access_key is not None
        return Credentials(access_key[0], secret[0])

    def copy(self, what: str) -> None:
        """Copy something by its button."""
        self.button(f"Copy {what}").click()

    def copy_secret(self, what: str = "the secret key") -> None:
        """Copy something that has the secret in it, by its button, until that is done."""
        self.copy(what)
        expect(self.page.locator("[data-copied]")).to_be_attached()

    def finish(self) -> None:
        """Leave the page that shows a secret, as one does who has copied it."""
        self.copy_secret()
        self.page.get_by_role("link", name="Done").click()
        expect(self.page.get_by_text(SECRET)).to_have_count(0)

    # --- the API browser ---

    def operate(self, operation: str, /, **fields: str) -> None:
        """Fill in the form of an operation, and send it. `fields` are by label."""
        summary = self.page.locator("summary").filter(has_text=re.compile(rf"\b{operation}\s*$"))
        form = self.main.locator("details").filter(has=summary)
        form.locator("summary").click()
        for label, text in fields.items():
            form.get_by_label(re.compile(rf"^{label}\b")).fill(text)
        form.get_by_role("button", name=operation, exact=True).click()
