"""Ruby apps: Rails and its databases."""
