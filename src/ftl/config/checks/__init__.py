"""Cross-field validation, a module per noun."""
