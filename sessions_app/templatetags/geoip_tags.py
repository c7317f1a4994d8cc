"""The mention that the licence of the databases of places and networks ask for on each page that shows them."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from sessions_app.logins import geolocation, networks

register = template.Library()


@register.simple_tag
def geoip_attribution() -> SafeString:
    """Return the mentions with their links, each once; nothing where the databases in use ask for none."""
    mentions = (geolocation.status().attribution, networks.status().attribution)
    once = dict.fromkeys((mention.url, mention.text) for mention in mentions if mention is not None)
    if not once:
        return SafeString("")
    links = format_html_join(" · ", '<a href="{}" rel="external noreferrer">{}</a>', once)
    return format_html('<p class="hint" id="geoip-attribution">{}</p>', links)
