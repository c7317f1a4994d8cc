"""{% kept %}: a part of a template that is the same each time for the same few values, written once and kept.

    {% load kept %}
    {% kept here=request.resolver_match.url_name may_edit=is_administrator %}<a ...>{% endkept %}

What stands inside sees the named values and nothing else of the page (no request, no user, no CSRF token), so it can
hold nothing that belongs to one person. A frame of forty links costs half a millisecond to write, a look-up nothing.
Addresses and static files are taken for unchanging while the process runs, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token, token_kwargs
from django.utils.safestring import SafeString

register = template.Library()

PLAIN = frozenset((str, SafeString, int, bool, type(None)))  # what stays what it is
MOST = 500  # values come from addresses too, which strangers write
LONGEST = 200  # characters of a value that is kept


class KeptNode(template.Node):
    """One such part. Threads may write it at the same time, and write the same."""

    def __init__(self, nodelist: NodeList, values: Mapping[str, FilterExpression]) -> None:
        self.nodelist = nodelist
        self._values = values
        self._kept: dict[tuple[Any, ...], SafeString] = {}

    def render(self, context: template.Context) -> SafeString:
        """As written before for these values. Raises TypeError for a value that may change while it is kept."""
        values = {name: expression.resolve(context, True) for name, expression in self._values.items()}
        kinds = tuple(map(type, values.values()))
        if not PLAIN.issuperset(kinds):
            raise TypeError(f"{{% kept %}} keeps what plain values say; here are {', '.join(map(repr, kinds))}")
        key = (*values.values(), *kinds)  # text that is HTML already equals the same text that is not
        found = self._kept.get(key)
        if found is None:
            found = self._written(values, context)
            if len(self._kept) >= MOST:
                self._kept.clear()
            if not any(isinstance(value, str) and len(value) > LONGEST for value in values.values()):
                self._kept[key] = found
        return found

    def _written(self, values: Mapping[str, Any], context: template.Context) -> SafeString:
        fresh = template.Context(dict(values))
        fresh.template = context.template
        return self.nodelist.render(fresh)


@register.tag
def kept(parser: Parser, token: Token) -> KeptNode:
    """{% kept [name=value ...] %} ... {% endkept %}."""
    bits = token.split_contents()[1:]
    values = token_kwargs(bits, parser)
    if bits:
        raise template.TemplateSyntaxError(f"{{% kept %}} takes name=value, not {bits[0]!r}")
    nodelist = parser.parse(("endkept",))
    parser.delete_first_token()
    return KeptNode(nodelist, values)
