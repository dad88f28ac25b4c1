"""Values that are almost right, and ways to change what is right a little."""

import copy

from hypothesis import strategies as st


def deep(levels):
    """Lists in lists, which some readers take and some writers do not."""
    whole = []
    for _ in range(levels):
        whole = [whole]
    return whole


words = st.text(max_size=6)
numbers = st.integers(-3, 3) | st.sampled_from([2**31, 2**53, 2**63, -(2**63), 2**64 - 1, 10**30, 1e308, 0.5, -0.0])
leaves = st.none() | st.booleans() | numbers | words | st.sampled_from(["", "\x00", "\ud7ff", "é" * 300, "a" * 5000])
#: Deeper than anybody means it.
nested = st.just(300).map(deep)
values = st.recursive(
    leaves, lambda below: st.lists(below, max_size=3) | st.dictionaries(words, below, max_size=3), max_leaves=6
)


def places(node, at=()):
    """The way to every node below this one."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, below in pairs:
        yield (*at, key)
        yield from places(below, (*at, key))


def changed(whole, changes):
    """A copy in which the value at each place is another one, or gone where that is `...`."""
    whole = copy.deepcopy(whole)
    for place, value in changes:
        node = whole
        try:
            for key in place[:-1]:
                node = node[key]
            if value is ...:
                del node[place[-1]]
            else:
                node[place[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # another change took the place away
    return whole


def almost(whole, others=values | nested):
    """`whole` with up to three of its nodes, wherever they stand, taken out or made one of `others`."""
    where = st.sampled_from(list(places(whole)))
    change = st.tuples(where, others | st.just(...))
    return st.lists(change, max_size=3).map(lambda changes: changed(whole, changes))
