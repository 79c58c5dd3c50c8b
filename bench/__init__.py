"""Measures of the whole server: `make bench`, or `python -m bench --help`. No tests: machines differ, ratios count."""
