//! Fixtures for tests: trees, faults, clocks
