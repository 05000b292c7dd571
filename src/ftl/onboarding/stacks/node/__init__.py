"""Node apps: servers, Next.js, static sites, package managers, migrations."""
