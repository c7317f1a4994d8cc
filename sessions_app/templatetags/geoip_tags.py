"""The mention that the licence of a GeoIP database asks for on each page that shows its places."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from sessions_app.logins import geolocation

register = template.Library()


@register.simple_tag
def geoip_attribution() -> SafeString:
    """Return the mention with its link; nothing where the database in use asks for none."""
    mention = geolocation.status().attribution
    if mention is None:
        return SafeString("")
    return format_html(
        '<p class="hint" id="geoip-attribution"><a href="{}" rel="external noreferrer">{}</a></p>', mention.url, mention
    )
