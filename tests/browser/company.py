"""A store that looks like one in use: a company's people, environments and keys, and how they came.

Nothing here is real. What happened in the past happens in turn, so that a clock can be set between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.browser.site import Person, Site
from tests.support.credentials import Credentials

DAY: Final = 86_400

PARTNER: Final = {
    "rate": "5/s",
    "burst": 20,
    "quota": "50000/month",
    "networks": ["203.0.113.0/24", "2001:db8:7::/48"],
    "scopes": ["GET,POST /v1/projects/{environment}/parcels/**"],
    "enforce": False,
}
"""The limits of a partner's key."""
OFFICE, CLOUD, DEPOT = "203.0.113.24", "198.51.100.7", "192.0.2.61"
"""Where requests come from: addresses of documentation (RFC 5737)."""


class Company:
    """Tidewater Freight, whose API tracks parcels."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.people: dict[str, Person] = {}
        self.environments: dict[str, str] = {}
        """Slug → id."""
        self.keys: dict[str, tuple[str, Credentials]] = {}
        """Name → (id, credentials)."""

    @property
    def maren(self) -> Person:
        """The administrator."""
        return self.people["Maren Holt"]

    def key(
        self, owner: str, name: str, description: str = "", by: str = "Maren Holt", **values: Any
    ) -> None:
        """Somebody creates a key for an account or an environment."""
        values = {"accountId": owner, "name": name, "description": description} | values
        made = self.site.post("/apikeys", by=self.people[by].credentials, **values)
        self.keys[name] = made["id"], Credentials.of(made)

    def do(self, action: str, name: str, **values: Any) -> None:
        """Maren does something to a key."""
        path = f"/apikeys/{self.keys[name][0]}/?action={action}"
        self.site.post(path, by=self.maren.credentials, **values)

    def use(self, name: str, environment: str, client: str) -> None:
        """A key is used."""
        self.site.status(self.keys[name][1], environment, client)

    def found(self) -> None:
        """The people and their environments."""
        for name, kind in (
            ("Maren Holt", "admin"),
            ("Jonas Weber", "user"),
            ("Priya Nair", "user"),
            ("Auditors", "readAdmin"),
        ):
            self.people[name] = self.site.person(name, kind, name=f"{name.split()[0]}'s laptop")
        for name, slug, description in (
            ("Production", "prod", "What customers and depots use"),
            ("Staging", "staging", "A copy of last night's data"),
            ("Sandbox", "sandbox", "For partners who build against the API"),
        ):
            made = self.site.post(
                "/projects",
                by=self.maren.credentials,
                name=name,
                slug=slug,
                description=description,
            )
            self.environments[slug] = made["id"]
        for slug, name, role in (
            ("prod", "Jonas Weber", "member"),
            ("staging", "Jonas Weber", "owner"),
            ("sandbox", "Priya Nair", "owner"),
            ("prod", "Priya Nair", "readonly"),
        ):
            path = f"/projects/{self.environments[slug]}/projectmembers"
            account = self.people[name].id
            self.site.post(path, by=self.maren.credentials, accountId=account, role=role)

    def grow(self) -> None:
        """The first keys."""
        me, prod = self.maren.id, self.environments["prod"]
        self.key(me, "terraform", "Applies the infrastructure from CI", role="member")
        self.key(me, "nightly-export", "Replaced by reports")
        self.key(me, "contractor-audit", "Read access for the security audit", expires="30d")
        self.key(prod, "depot-scanners", "Handhelds in the three depots", role="restricted")
        self.key(prod, "billing-worker", "Writes invoices every night", role="restricted")
        self.key(prod, "status-page", role="readonly")
        for name in ("terraform", "nightly-export", "contractor-audit", "status-page"):
            self.use(name, "prod", CLOUD)

    def change(self) -> None:
        """A key is rotated, and another one is out of use."""
        self.key(self.maren.id, "deploy-pipeline", "GitHub Actions, all services", role="member")
        self.key(self.environments["sandbox"], "partner-northwind", expires="365d")
        self.do("rotate", "billing-worker")
        self.do("deactivate", "nightly-export")

    def prepare(self) -> None:
        """What has to be renewed soon."""
        self.key(self.maren.id, "grafana", role="readonly")
        self.key(self.maren.id, "load-test", "For the load test before the season", expires="30d")
        self.use("load-test", "staging", OFFICE)

    def tidy(self) -> None:
        """What was done yesterday."""
        sandbox = self.environments["sandbox"]
        self.key(sandbox, "partner-lumen", "Lumen Retail", by="Priya Nair", expires="90d")
        self.do("update", "grafana", description="Dashboards of the operations team")
        self.do("update", "terraform", role="restricted")
        self.do("update", "grafana", limits={"rate": "10/s", "quota": "2000/day"})
        self.do("update", "partner-northwind", limits=PARTNER)
        self.do("deactivate", "status-page")
        self.do("activate", "status-page")

    def work(self) -> None:
        """What happened this morning."""
        self.use("deploy-pipeline", "prod", CLOUD)
        self.use("terraform", "staging", CLOUD)
        self.use("depot-scanners", "prod", DEPOT)
        self.use("partner-northwind", "sandbox", OFFICE)

    PAST: Final[Mapping[float, Callable[[Company], None]]] = {
        230.1: found,
        150.3: grow,
        47.85: change,
        26.2: prepare,
        0.8: tidy,
        0.13: work,
    }
    """How many days ago → what happened."""


def furnished(site: Site) -> Company:
    """The company, all of whose past has just happened."""
    company = Company(site)
    for happen in Company.PAST.values():
        happen(company)
    return company
