"""Ruby apps: Rails and its databases, and others on Rack."""
