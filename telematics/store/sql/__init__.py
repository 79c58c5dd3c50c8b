"""The queries, one per file: `query("name")` is the text of name.sql. Each opens with what it returns and the index it lives
on."""

from functools import cache
from importlib.resources import files


@cache
def query(name: str) -> str:
    return (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
