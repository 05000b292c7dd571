"""PHP apps: Laravel, and facts about PHP in composer.json."""
