"""Queries over pools in many files, which no machine's memory needs to hold."""

from skal_deep.shards._files import read_rows
from skal_deep.shards._query import ShardPicks, query_shards

__all__ = ["ShardPicks", "query_shards", "read_rows"]
