"""Figures and advice about built images, for `ftl build --explain`."""

from ftl.image.explain.explanation import Explanation, explain

__all__ = ["Explanation", "explain"]
