"""What ministack's SQL of rules lacks: queries of arrays within a statement, get() and chr().

Uses ministack's internals, of exactly version 1.5.33. It refuses a query in WHERE, because AWS
refuses ``EXISTS (SELECT …)``; AWS documents queries in WHERE for what a function takes.
https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-nested-queries.html
"""

from __future__ import annotations

import functools
import re
from typing import Any

_QUERY = re.compile(
    r"\(\s*SELECT\s+(?P<value>VALUE\s+)?(?P<fields>.+?)\s+FROM\s+(?P<array>[A-Za-z_][\w.]*)"
    r"(?:\s+WHERE\s+(?P<where>.+))?\)",
    re.IGNORECASE | re.DOTALL,
)
_BEGIN = re.compile(r"\(\s*SELECT\s", re.IGNORECASE)
_TOPIC = re.compile(r"FROM\s+'([^']*)'", re.IGNORECASE)
_CALL = re.compile(r"[A-Za-z_]\w*\(")
_MEMBER = re.compile(r"(?P<call>[a-z]+\(.+\))\.(?P<path>[A-Za-z_][\w.]*)", re.DOTALL)
_CHARACTERS = 256


class RuleSql:
    """Adds to ministack's evaluation of statements. Create it once, after the emulator."""

    def __init__(self) -> None:
        from ministack.services import iot

        self._iot = iot
        self._expression, iot._eval_select_expr = iot._eval_select_expr, self._evaluated
        self._function, iot._eval_select_function = iot._eval_select_function, self._called
        self._valid, iot._valid_where_operand = iot._valid_where_operand, self._is_operand
        self._fault, iot._validate_rule_sql = iot._validate_rule_sql, self._fault_of
        self._parts = {
            "filter": iot._rule_topic_filter,
            "select": iot._rule_select_clause,
            "where": iot._rule_where_clause,
        }
        part = functools.cache(self._part)  # asked for each rule at each message
        iot._rule_topic_filter = lambda sql: part(sql, "filter")
        iot._rule_select_clause = lambda sql: part(sql, "select")
        iot._rule_where_clause = lambda sql: part(sql, "where")
        iot._IMPLEMENTED_SQL_FUNCS = iot._IMPLEMENTED_SQL_FUNCS | {"get", "chr"}

    def _part(self, sql: str, name: str) -> str:
        """Return a clause of a statement, whatever words stand in its texts and queries."""
        places = {
            word: place
            for place in reversed(self._iot._top_level_indices(sql or "") or [])
            for word in ("SELECT", "FROM", "WHERE")
            if self._iot._is_keyword_at(sql, place, word)
        }
        match = _TOPIC.match(sql, places.get("FROM", len(sql or "")))
        if "SELECT" not in places or match is None:
            return str(self._parts[name](sql))
        where = places.get("WHERE", len(sql))
        return {
            "filter": match[1],
            "select": sql[places["SELECT"] + len("SELECT") : places["FROM"]].strip(),
            "where": sql[where + len("WHERE") :].strip(),
        }[name]

    def _fault_of(self, sql: str) -> str | None:
        outer, queries = _without_queries(sql or "")
        for query in queries:
            match = _QUERY.fullmatch(query)
            if match is None:
                return f"Unexpected token in nested query: {query}"
            if match["where"] and self._iot._parse_where(match["where"]) is None:
                return f"Unsupported WHERE clause in nested query: {query}"
        found: str | None = self._fault(outer)
        return found

    def _is_operand(self, expression: str) -> bool:
        match = _MEMBER.fullmatch(expression.strip())
        return bool(self._valid(match["call"] if match else expression))

    def _evaluated(self, expression: str, *message_of: Any) -> Any:
        expression = expression.strip()
        query = _QUERY.fullmatch(expression) if _BEGIN.match(expression) else None
        if query is not None:
            return self._queried(query, *message_of)
        member = _MEMBER.fullmatch(expression)
        if member is not None:
            return self._iot._resolve_attribute(
                self._evaluated(member["call"], *message_of), member["path"]
            )
        if _is_joined(expression):  # ministack takes the whole for the first call
            return self._iot._eval_sql_arithmetic(expression, *message_of)
        return self._expression(expression, *message_of)

    def _queried(
        self, query: re.Match[str], topic: str, payload: bytes, message: Any, *client: Any
    ) -> Any:
        elements = self._iot._resolve_attribute(message, query["array"])
        if not isinstance(elements, list):
            return self._iot._MISSING
        found = []
        for element in elements:
            where = query["where"]
            if where and not self._iot._eval_where(where, topic, payload, element, *client):
                continue
            if query["value"]:
                value = self._evaluated(query["fields"], topic, payload, element, *client)
            else:
                sql = f"SELECT {query['fields']} FROM 'element'"
                value = self._iot._rule_event(sql, topic, payload, *client, message=element)
            if value is not self._iot._MISSING:
                found.append(value)
        return found

    def _called(self, name: str, arguments: list[str], *message_of: Any) -> Any:
        values = arguments
        if name in ("get", "chr"):
            values = [self._evaluated(one, *message_of) for one in arguments]
        if name == "get" and len(values) == 2:
            return self._got(*values)
        if name == "chr" and len(values) == 1 and isinstance(values[0], int):
            return chr(values[0]) if 0 <= values[0] < _CHARACTERS else self._iot._MISSING
        return self._function(name, arguments, *message_of)

    def _got(self, collection: Any, key: Any) -> Any:
        missing = self._iot._MISSING
        if isinstance(collection, dict) and isinstance(key, str):
            return collection.get(key, missing)
        if isinstance(collection, (list, str)) and isinstance(key, int):
            return collection[key] if 0 <= key < len(collection) else missing
        return missing


def _is_joined(expression: str) -> bool:
    """Return whether this begins and ends with a call, and is not one call."""
    begin = _CALL.match(expression)
    return (
        begin is not None
        and expression.endswith(")")
        and _end_of_group(expression, begin.end() - 1) < len(expression)
    )


def _without_queries(sql: str) -> tuple[str, list[str]]:
    """Return a statement with an attribute in place of each nested query, and the queries."""
    queries = []
    while (begin := _BEGIN.search(sql)) is not None:
        end = _end_of_group(sql, begin.start())
        queries.append(sql[begin.start() : end])
        sql = f"{sql[: begin.start()]}nested{sql[end:]}"
    return sql, queries


def _end_of_group(sql: str, begin: int) -> int:
    """Return where the parenthesis that opens at ``begin`` is closed, outside of literals."""
    depth, quoted = 0, False
    for position in range(begin, len(sql)):
        character = sql[position]
        if character == "'":
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return position + 1
    return len(sql)
