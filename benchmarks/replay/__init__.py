"""Search strategies on recorded grids: every config of a space measured, every sampler replayed over many seeds."""
