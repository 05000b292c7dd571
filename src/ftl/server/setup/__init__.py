"""Making a bare machine a safe, ready server: observe, plan, apply."""
