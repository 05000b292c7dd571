"""PHP apps: Laravel, and what Composer says of PHP."""
