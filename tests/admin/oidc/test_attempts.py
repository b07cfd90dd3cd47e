"""A login counts in the browser in which it was begun, once, and for ten minutes."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

import pytest

from admin.oidc.attempts import LIFETIME, MAX_SPENT, Attempts
from admin.oidc.errors import LoginFailed
from tests.admin.admin_api import Clock


@pytest.fixture
def clock() -> Clock:
    """Milliseconds since the epoch."""
    return Clock(1_800_000_000_000)


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    """The logins of one process."""
    return Attempts(clock)


def test_a_login_that_comes_back_is_the_one_that_was_begun(attempts: Attempts) -> None:
    """With its nonce, its code verifier, the page to go on with, and the session before."""
    begun = attempts.begin("/keys?search=ä%20b", b"\x00.digest")
    assert attempts.finish(begun.cookie, begun.state) == begun
    assert (begun.back, begun.replaces) == ("/keys?search=ä%20b", b"\x00.digest")


def test_every_login_has_values_of_its_own(attempts: Attempts) -> None:
    """None of which tells another, and none is in the cookie."""
    one, other = attempts.begin("/"), attempts.begin("/")
    values = [
        value
        for each in (one, other)
        for value in (each.cookie, each.state, each.nonce, each.verifier, each.challenge)
    ]
    assert len(set(values)) == 10
    assert not any(value in one.cookie for value in values[1:5])
    assert all(character.isalnum() or character in "._-" for character in "".join(values))


def test_the_challenge_is_the_digest_of_the_verifier(attempts: Attempts) -> None:
    """By the method S256 of RFC 7636, section 4.2; the verifier has its 43 characters."""
    attempt = attempts.begin("/")
    digest = hashlib.sha256(attempt.verifier.encode()).digest()
    assert attempt.challenge == urlsafe_b64encode(digest).decode().rstrip("=")
    assert len(attempt.verifier) == 43


@pytest.mark.parametrize("state", ["", "x", "ä", "\ud800", "0" * 43])
def test_a_state_that_is_not_of_the_cookie_is_refused(attempts: Attempts, state: str) -> None:
    """So a link that somebody else has made logs nobody in."""
    begun = attempts.begin("/")
    with pytest.raises(LoginFailed, match="was not begun in this browser"):
        attempts.finish(begun.cookie, state)
    attempts.finish(begun.cookie, begun.state)  # the refusal has not used it up


@pytest.mark.parametrize("cookie", ["", "x", "a.1.Lw", "ä.b.c", "\ud800"])
def test_a_cookie_that_was_not_made_here_is_refused(attempts: Attempts, cookie: str) -> None:
    """Whatever the state is."""
    for state in ("", attempts.begin("/").state):
        with pytest.raises(LoginFailed) as caught:
            attempts.finish(cookie, state)
        assert caught.value.status == 400


def test_a_cookie_that_was_changed_is_refused(attempts: Attempts) -> None:
    """Neither its time, nor the page to go on with, nor the session before can be changed."""
    begun = attempts.begin("/")
    token, time, path, _ = begun.cookie.split(".")
    for cookie in (
        f"{token}.{int(time) + 1}.{path}.",
        f"{token}.{time}.L2V2aWw.",
        f"{token}.{time}.{path}.00",
        f"{begun.cookie} ",
    ):
        with pytest.raises(LoginFailed):
            attempts.finish(cookie, begun.state)


def test_the_cookie_of_another_process_is_refused(attempts: Attempts, clock: Clock) -> None:
    """A restart ends the logins that are under way."""
    begun = attempts.begin("/")
    with pytest.raises(LoginFailed):
        Attempts(clock).finish(begun.cookie, begun.state)


def test_a_login_comes_back_once(attempts: Attempts) -> None:
    """The second time it is refused."""
    begun = attempts.begin("/")
    attempts.finish(begun.cookie, begun.state)
    with pytest.raises(LoginFailed) as caught:
        attempts.finish(begun.cookie, begun.state)
    assert caught.value.cause == "the login has come back before"


def test_a_login_has_to_come_back_in_ten_minutes(attempts: Attempts, clock: Clock) -> None:
    """Later it is refused."""
    early, late = attempts.begin("/"), attempts.begin("/")
    clock.now += LIFETIME - 1
    attempts.finish(early.cookie, early.state)
    clock.now += 1
    with pytest.raises(LoginFailed) as caught:
        attempts.finish(late.cookie, late.state)
    assert caught.value.cause == "the login was begun too long ago"


def test_a_path_that_has_no_room_in_a_cookie_is_left_out(attempts: Attempts) -> None:
    """The login goes on with the first page."""
    begun = attempts.begin("/keys?" + "x" * 2000)
    assert begun.back == "/"
    assert attempts.finish(begun.cookie, begun.state).back == "/"
    assert len(attempts.begin("/" + "ä" * 511).cookie) < 2000


def test_what_is_remembered_of_logins_is_bounded(attempts: Attempts) -> None:
    """However many come back."""
    for _ in range(MAX_SPENT + 10):
        begun = attempts.begin("/")
        attempts.finish(begun.cookie, begun.state)
    assert len(attempts._spent) == MAX_SPENT
