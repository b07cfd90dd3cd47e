"""JSON as HTML: what becomes a link, and that nothing in it becomes markup."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from admin.console.json_markup import json_markup

ORIGIN = "http://admin.example"
OWN = f"{ORIGIN}/v2-beta/apikeys/1c1"


def links(content: Any) -> list[str]:
    """Where the links in it lead."""
    found = re.findall(r'<a href="([^"]*)">', json_markup(content, ORIGIN))
    return [html.unescape(each) for each in found]


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"a": None, "b": [True, 1.5, "x"], "c": {"d": {"e": []}}},
        {"long": ["x" * 50, "y" * 50]},
        {"text": "<b>&amp;\"'\\\n\u2028\u202e\x7f\ud800ä\U0001f511"},
        json.loads("[" * 500 + "]" * 500),
    ],
)
def test_without_its_tags_it_is_the_same_json(content: Any) -> None:
    """However deep it is, and whatever its texts hold."""
    text = html.unescape(re.sub(r"<[^>]*>", "", json_markup(content, ORIGIN)))
    assert json.loads(text) == content
    text.encode()


@pytest.mark.parametrize(
    "content",
    [
        {"links": {"self": OWN}},
        {"data": [{"links": {"self": OWN}}]},
        {"apiKey": {"links": {"self": OWN}}},
        {"sortLinks": {"id": OWN}},
        {"pagination": {"next": OWN}},
        {"sort": {"reverse": OWN}},
    ],
)
def test_a_url_is_a_link_where_the_server_writes_urls(content: Any) -> None:
    """In a resource, in a collection, and in the resources that they hold."""
    assert links(content) == [OWN]


def test_an_action_leads_to_its_form() -> None:
    """On the page of the resource: to follow a link changes nothing."""
    assert links({"actions": {"rotate": f"{OWN}/?action=rotate"}}) == [f"{OWN}#action-rotate"]
    keys = f"{ORIGIN}/v2-beta/apikeys"
    assert links({"createTypes": {"apiKey": keys}}) == [f"{keys}#action-create"]


@pytest.mark.parametrize(
    "content",
    [
        {"name": OWN},
        {"description": f"see {OWN}", "data": OWN},
        {"before": {"links": {"self": OWN}}},
        {"data": [{"after": {"links": {"self": OWN}}}]},
        {"links": {"self": "javascript:alert(1)"}},
        {"links": {"self": "http://evil.example/"}},
        {"links": {"self": f"{ORIGIN}.evil.example/"}},
        {"links": {"self": f"{ORIGIN}@evil.example/"}},
        {"links": {"self": [OWN]}},
        {"links": OWN},
    ],
)
def test_nothing_else_is_a_link(content: Any) -> None:
    """Neither a URL of another server, nor any text that a user may have written."""
    assert links(content) == []


def test_the_only_tags_are_its_own() -> None:
    """Text is escaped, in names and values and in links alike."""
    evil = "\"'><img onerror=alert(1)>"
    content = {evil: evil, "links": {evil: f"{ORIGIN}/{evil}"}, "secretValue": evil}
    tags = re.findall(r"<[^>]*>", json_markup(content, ORIGIN))
    expected = r'</?span>|<span class="[knc]">|</?mark>|</a>|<a href="[^"<>]*">'
    assert all(re.fullmatch(expected, tag) for tag in tags)


def test_short_objects_and_arrays_stay_on_one_line() -> None:
    """So that a list of modifiers does not fill a screen."""
    assert json_markup(["eq", "ne"], ORIGIN) == '["eq", "ne"]'
    assert "\n" in json_markup(["x" * 100], ORIGIN)
