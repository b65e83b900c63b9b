"""Durable workflows: the author's coroutine, replayed over its journal. Loaded only where a module defines one."""
