"""Real engines, servers, images and slow links on this machine, for tests and benchmarks."""
