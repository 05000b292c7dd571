"""Real engines, servers, images and slow links on this machine, for tests, the demo and benchmarks."""
