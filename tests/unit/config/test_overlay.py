"""Overlays: which values of two parsed files remain, and the places that they keep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.config.overlay import merge
from ftl.config.yaml.marks import SourceFile
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode

Plain = str | list["Plain"] | dict[str, "Plain"]


def tree(text: str, name: str = "ftl.yaml") -> MappingNode:
    """A text as a parsed file."""
    node, problems = parse(SourceFile(name, text))
    assert problems == []
    assert isinstance(node, MappingNode)
    return node


def plain(node: Node) -> Plain:
    """The texts of a tree, without their places."""
    match node:
        case ScalarNode():
            return node.text
        case SequenceNode():
            return [plain(item) for item in node.items]
        case MappingNode():
            return {key: plain(entry.value) for key, entry in node.entries.items()}


@pytest.mark.parametrize(
    ("base", "overlay", "merged"),
    [
        pytest.param("a: {b: 1, c: 2}", "a: {c: 3, d: 4}", "a: {b: 1, c: 3, d: 4}", id="maps-by-key"),
        pytest.param("a: {b: {c: 1}}", "a: {b: {d: 2}}", "a: {b: {c: 1, d: 2}}", id="maps-below-maps"),
        pytest.param("a: {b: 1, c: 2}", "a: {b: null}", "a: {c: 2}", id="null-removes"),
        pytest.param("a: 1", "b: {c: ~, d: 1}", "{a: 1, b: {d: 1}}", id="null-of-nothing"),
        pytest.param("a: 1", "b: [{c: null, d: 1}]", "{a: 1, b: [{d: 1}]}", id="null-below-a-new-list"),
        pytest.param("a: 1", "{a: {b: 1}}", "a: {b: 1}", id="other-kinds-are-replaced"),
        pytest.param("a: null", "{a: {b: 1}}", "a: {b: 1}", id="null-is-replaced"),
        pytest.param("a: [1, 2]", "a: [3]", "a: [3]", id="lists-are-replaced"),
        pytest.param("a: [A=1]", "a: {A: 2}", "a: {A: 2}", id="lists-by-maps"),
        pytest.param("a: [{name: x}]", "a: []", "a: []", id="named-by-nothing"),
        pytest.param(
            "a: [{name: x, n: 1, m: 1}, {name: y}]",
            "a: [{name: z}, {name: x, n: 2}]",
            "a: [{name: x, n: 2, m: 1}, {name: y}, {name: z}]",
            id="lists-of-named-things",
        ),
        pytest.param(
            "a: [{name: x, n: 1}, {name: y}]",
            "a: {x: {n: 2}, y: null, z: {n: 3}}",
            "a: [{name: x, n: 2}, {name: z, n: 3}]",
            id="named-things-by-a-map",
        ),
        pytest.param(
            "a: [{name: x, n: {m: 1}}]", "a: [{name: x, n: null}]", "a: [{name: x}]", id="null-in-named"
        ),
        pytest.param("a: [{name: x}, y]", "a: [{name: x}]", "a: [{name: x}]", id="not-all-are-named"),
        pytest.param("a: [{name: x}]", "a: {x: 1}", "a: {x: 1}", id="a-map-of-no-mappings"),
        pytest.param(
            "a: [{name: x, n: 1}, {name: x, n: 2}]",
            "a: [{name: x, m: 3}]",
            "a: [{name: x, n: 1, m: 3}, {name: x, n: 2, m: 3}]",
            id="duplicates-stay-to-be-reported",
        ),
    ],
)
def test_an_overlay_is_merged(base: str, overlay: str, merged: str) -> None:
    """Maps merge by key, lists of named things by name, everything else is replaced, and null removes."""
    assert plain(merge(tree(base), tree(overlay))) == plain(tree(merged))


def test_merged_values_keep_their_places() -> None:
    """Each value of the merged tree has the file and line that it was written at."""
    base = tree("services:\n  - name: web\n    port: 80\n    env: {A: 1, B: 1}\n")
    overlay = tree("services:\n  - name: web\n    env:\n      B: 2\n", "ftl.production.yaml")
    merged = merge(base, overlay)
    services = merged.entries["services"].value
    assert isinstance(services, SequenceNode)
    (web,) = services.items
    assert isinstance(web, MappingNode)
    port, env = web.entries["port"].value, web.entries["env"].value
    assert isinstance(env, MappingNode)
    values = {"port": port, **{name: entry.value for name, entry in env.entries.items()}}
    places = {name: (value.mark.file.name, value.mark.line) for name, value in values.items()}
    assert places == {"port": ("ftl.yaml", 3), "A": ("ftl.yaml", 4), "B": ("ftl.production.yaml", 4)}


TREES = st.recursive(
    st.sampled_from(["1", "x", "'null'"]),
    lambda below: st.one_of(
        st.lists(below, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from("abcn"), below, max_size=3).map(
            lambda entries: "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"
        ),
    ),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), TREES, min_size=1).map(
    lambda entries: "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"
)


@given(MAPPINGS, MAPPINGS)
def test_an_overlay_merged_twice_changes_nothing_more(base: str, overlay: str) -> None:
    """Merging is idempotent, and a file over itself is the file."""
    once = merge(tree(base), tree(overlay))
    assert plain(merge(once, tree(overlay))) == plain(once)
    assert plain(merge(tree(base), tree(base))) == plain(tree(base))
