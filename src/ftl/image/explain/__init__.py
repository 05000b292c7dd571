"""`ftl build --explain`: an image's figures, and the advice that follows from them."""

from ftl.image.explain.explanation import Explanation, explain

__all__ = ["Explanation", "explain"]
