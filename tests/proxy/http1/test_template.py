"""Blocks of fields that differ in some values: their template reads the next one as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.template import MAX_BLANKS, Template, as_format, passed_on

NAMES = (b"X-A", b"X-B", b"X-Longer-Name", b"Cookie", b"Authorization")
READ = frozenset({b"authorization"})
"""Names of which the value is read, and may differ."""
FIXED = frozenset({b"host"})
"""Names of which the value is read, and may not differ."""
values = st.text("ab %\t", max_size=6).map(str.encode)


class Lines:
    """The lines of a block, with what `http1.fields` says about each."""

    def __init__(self, lines: list[tuple[bytes, bytes, bool]]) -> None:
        """`lines`: (name, value, whether it is passed on)."""
        self._lines = lines

    @property
    def block(self) -> bytes:
        """The block, with the empty line that ends it."""
        return b"".join(b"%b:%b\r\n" % (name, value) for name, value, _ in self._lines) + b"\r\n"

    @property
    def passed_on(self) -> bytes:
        """The lines that are passed on."""
        return b"".join(b"%b:%b\r\n" % line[:2] for line in self._lines if line[2])

    @property
    def template(self) -> Template:
        """The template of the block."""
        folded = [name.lower() for name, _, _ in self._lines]
        names = [name if name in READ | FIXED else None for name in folded]
        passing = [passes for _, _, passes in self._lines]
        return Template(self.block, names, [*passing, False, True], READ)

    def but(self, changes: dict[int, bytes]) -> Lines:
        """The same lines with other values."""
        return Lines(
            [
                (name, changes.get(number, value), passes)
                for number, (name, value, passes) in enumerate(self._lines)
            ]
        )


@st.composite
def lines(draw: st.DrawFn) -> Lines:
    """Lines of which no two have a name that is read."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6))
    unique = [
        name for at, name in enumerate(names) if name.lower() not in READ or name not in names[:at]
    ]
    return Lines([(name, draw(values), draw(st.booleans())) for name in unique])


@given(lines(), st.lists(st.dictionaries(st.integers(0, 5), values, max_size=3), max_size=4))
def test_a_block_with_other_values_is_passed_on_with_those_values(
    first: Lines, changes: list[dict[int, bytes]]
) -> None:
    """However many blocks came before it, and whatever they changed."""
    template, now = first.template, first
    for change in changes:
        now = now.but(change)
        fitting = template.fit(now.block)
        assert fitting is not None
        template, found = fitting
        if found:
            assert template.passed_on(found) == now.passed_on
            assert as_format(template.blanked) % tuple(template.passing(found)) == now.passed_on
        else:
            assert now.block == first.block


@given(lines())
def test_the_same_block_has_no_other_values(same: Lines) -> None:
    """Nothing of it need be read again."""
    template = same.template
    assert template.fit(same.block) == (template, [])


def test_values_that_are_read_are_named() -> None:
    """By their number among the values that differ."""
    first = Lines([(b"X-A", b"1", True), (b"Authorization", b"x", False)])
    fitting = first.template.fit(first.but({0: b"2", 1: b"y"}).block)
    assert fitting is not None
    template, found = fitting
    assert (template.named, found) == ([(1, b"authorization")], [b"2", b"y"])


def test_a_value_that_has_differed_may_differ_again() -> None:
    """A template that has become wider for one block stays as wide for the next ones."""
    first = Lines([(b"X-A", b"1", True), (b"X-B", b"1", True)])
    wider = first.template.fit(first.but({0: b"2"}).block)
    assert wider is not None
    widest = wider[0].fit(first.but({0: b"2", 1: b"2"}).block)
    assert widest is not None
    assert widest[1] == [b"2", b"2"]
    assert widest[0].fit(first.but({0: b"3", 1: b"3"}).block) == (widest[0], [b"3", b"3"])


PLAIN = Lines([(b"Host", b"h", False), (b"X-A", b"1", True)])


@pytest.mark.parametrize(
    "block",
    [
        b"Host:h\r\nX-B:1\r\n\r\n",  # another name
        b"Host:i\r\nX-A:1\r\n\r\n",  # a value that must be read
        b"Host:h\r\n\r\n",
        b"Host:h\r\nX-A:1\r\nX-C:1\r\n\r\n",
        b"X-A:1\r\nHost:h\r\n\r\n",
        b"Host:h\r\nX-A :1\r\n\r\n",
        b"Host:h\r\nX-A:\x00\r\n\r\n",  # values that the grammar refuses
        b"Host:h\r\nX-A:a\rb\r\n\r\n",
        b"Host:h\r\nX-A:a\nb\r\n\r\n",
        b"Host:h\r\nX-A:1\r\n",
        b"",
    ],
)
def test_a_block_of_another_form_does_not_fit(block: bytes) -> None:
    """Nor does it once the template has a blank for the value that may differ."""
    template = PLAIN.template
    assert template.fit(block) is None
    fitting = template.fit(PLAIN.but({1: b"2"}).block)
    assert fitting is not None
    assert fitting[0].fit(block) is None


def test_a_value_that_is_read_may_differ_only_where_its_name_is_there_once() -> None:
    """With two of them, which one counts depends on both values."""
    twice = Lines([(b"Authorization", b"x", False)] * 2)
    assert twice.template.fit(twice.but({1: b"y"}).block) is None


def test_only_so_many_values_may_differ() -> None:
    """Beyond that, reading the block afresh takes no longer."""
    many = Lines([(b"X-%d" % number, b"1", True) for number in range(MAX_BLANKS + 1)])
    most = dict.fromkeys(range(MAX_BLANKS), b"2")
    assert many.template.fit(many.but(most).block) is not None
    assert many.template.fit(many.but(most | {MAX_BLANKS: b"2"}).block) is None


def test_lines_are_passed_on_with_their_ends() -> None:
    """The empty line behind the last one stands for the end of the last line."""
    assert passed_on([b"A: 1", b"B: 2", b"", b""], [True, False, False, True]) == b"A: 1\r\n"
