"""Channel, source, medium and campaign of a touch, from what the CRM gave (reports: "Channel and source")."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

NONE = "(none)"
_NOT_SAID = frozenset({"", "(none)", "(not set)"})

_NO_CLICKS = (None, None, None)

#: medium, without hyphens, spaces and underscores -> channel
DEFAULT_CHANNELS: Mapping[str, str] = {
    "organic": "organic",
    "organicsearch": "organic",
    "email": "email",
    "newsletter": "email",
    "cpc": "cpc",
    "ppc": "cpc",
    "paidsearch": "cpc",
    "paid": "cpc",
    "social": "social",
    "paidsocial": "social",
    "socialmedia": "social",
    "influencer": "social",
    "display": "display",
    "banner": "display",
    "cpm": "display",
    "affiliate": "affiliate",
    "referral": "referral",
}
#: Domains; subdomains included; a dot at the end stands for any ending.
DEFAULT_SEARCH_ENGINES = (
    "google.",
    "bing.com",
    "yahoo.",
    "duckduckgo.com",
    "baidu.com",
    "yandex.",
    "ecosia.org",
    "qwant.com",
    "startpage.com",
    "search.brave.com",
    "ask.com",
    "aol.com",
    "naver.com",
    "seznam.cz",
    "kagi.com",
)
DEFAULT_SOCIAL_NETWORKS = (
    "facebook.com",
    "fb.com",
    "instagram.com",
    "linkedin.com",
    "lnkd.in",
    "twitter.com",
    "t.co",
    "x.com",
    "tiktok.com",
    "youtube.com",
    "youtu.be",
    "pinterest.",
    "reddit.com",
    "threads.net",
    "threads.com",
    "snapchat.com",
    "whatsapp.com",
    "vk.com",
    "xing.com",
    "quora.com",
    "bsky.app",
    "mastodon.social",
)
DEFAULT_PLATFORMS: Mapping[str, Mapping[str, str]] = {
    "google_ads": {"channel": "cpc", "source": "google", "medium": "cpc"},
    "microsoft_ads": {"channel": "cpc", "source": "bing", "medium": "cpc"},
    "meta": {"channel": "social", "source": "facebook", "medium": "paid_social"},
    "linkedin": {"channel": "social", "source": "linkedin", "medium": "paid_social"},
    "tiktok": {"channel": "social", "source": "tiktok", "medium": "paid_social"},
}


class Origin(NamedTuple):
    """Where a touch came from, as the reports name it."""

    channel: str
    source: str
    medium: str
    campaign_id: str


class Raw(NamedTuple):
    """The marketing values of a lead, a touch or a spend figure as the CRM gave them; '' where absent."""

    channel: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_term: str = ""
    utm_content: str = ""
    gclid: str = ""
    msclkid: str = ""
    fbclid: str = ""
    referrer: str = ""
    campaign_id: str = ""


_RAW_FIELDS = Raw._fields
#: the values of a `Raw` without its campaign, by position
Texts = tuple[str, str, str, str, str, str, str, str, str, str]


class Said(NamedTuple):
    """What marketing values say: where a touch came from, whether they say it at all, and whether UTM does.

    `texts` are the values themselves, in the order of `Raw` and without its campaign.
    """

    origin: Origin
    given: bool
    utm: bool
    texts: Texts


#: What a lead without any origin counts as.
DIRECT = Origin("direct", NONE, NONE, NONE)


def clean(text: str | None) -> str:
    """A UTM value trimmed and lower-cased; '' where absent."""
    return text.strip().lower() if text else ""


def _mark(click_id: str | None) -> str | None:
    return "1" if click_id and click_id.strip() else click_id


def campaign_of(campaign_id: str | None, utm_campaign: str | None) -> str:
    """The campaign of a figure: its own id, else the UTM campaign, else `(none)`; aliases are resolved when read."""
    return campaign_id or clean(utm_campaign) or NONE


def squeeze(medium: str) -> str:
    """A cleaned medium without hyphens, spaces and underscores, as the channel table is keyed."""
    return medium.replace("-", "").replace(" ", "").replace("_", "")


_NO_MEDIUM = frozenset(map(squeeze, _NOT_SAID))


class Domains:
    """A list of domains, subdomains included; one that ends with a dot means any ending (`google.`)."""

    def __init__(self, domains: Iterable[str]) -> None:
        names = [domain.strip().lower() for domain in domains]
        self._exact = frozenset(name for name in names if not name.endswith("."))
        self._open = tuple(name for name in names if name.endswith("."))

    def __contains__(self, host: object) -> bool:
        if not isinstance(host, str) or not host:
            return False
        dotted = "." + host
        if any("." + name in dotted for name in self._open):
            return True
        labels = host.split(".")
        return any(".".join(labels[start:]) in self._exact for start in range(len(labels)))


class Origins:
    """The channel table with its configuration before the default."""

    def __init__(
        self,
        channels: Mapping[str, str],
        search_engines: Iterable[str],
        social_networks: Iterable[str],
        own_domains: Iterable[str],
    ) -> None:
        self._channels = {**DEFAULT_CHANNELS, **{squeeze(clean(k)): v for k, v in channels.items()}}
        self._search = Domains([*DEFAULT_SEARCH_ENGINES, *search_engines])
        self._social = Domains([*DEFAULT_SOCIAL_NETWORKS, *social_networks])
        self._own = Domains(own_domains)
        # one answer serves every touch of a campaign: values repeat
        self._said = lru_cache(maxsize=1 << 16)(self._say)

    def referrer(self, host: str | None) -> str | None:
        """The referring host; one of one's own domains is no referrer."""
        return None if not host or host in self._own else host

    def said(self, values: Mapping[str, Any]) -> Said:
        """What the values of a lead or a touch say."""
        found = tuple(map(values.get, _RAW_FIELDS))
        gclid, msclkid, fbclid = clicks = found[6:9]
        if clicks == _NO_CLICKS:
            return self._said(found)
        # a click's id never comes twice; that there is one is what counts
        said = self._said((*found[:6], _mark(gclid), _mark(msclkid), _mark(fbclid), *found[9:]))
        texts = said.texts
        own = (*texts[:6], gclid or "", msclkid or "", fbclid or "", texts[9])
        return Said(said.origin, said.given, said.utm, own)

    def _say(self, found: tuple[str | None, ...]) -> Said:
        raw = Raw(*(each or "" for each in found))
        utm = any(map(str.strip, raw[1:6]))
        given = utm or raw.channel.strip() or any(map(str.strip, raw[6:9])) or self.referrer(raw.referrer)
        return Said(self.origin(raw), bool(given or raw.campaign_id), utm, raw[:10])

    def origin(self, raw: Raw) -> Origin:
        """Channel, source, medium and campaign of a lead or a touch."""
        referrer = self.referrer(raw.referrer)
        source, medium = clean(raw.utm_source), clean(raw.utm_medium)
        if not source and referrer:
            source = referrer.removeprefix("www.")
        channel = raw.channel.strip() if raw.channel else ""
        return Origin(
            channel or self._channel(raw, clean(raw.utm_source), squeeze(medium), referrer),
            source or NONE,
            medium or NONE,
            campaign_of(raw.campaign_id, raw.utm_campaign),
        )

    def _channel(self, raw: Raw, source: str, medium: str, referrer: str | None) -> str:
        no_medium = medium in _NO_MEDIUM
        if raw.gclid.strip() or raw.msclkid.strip():
            return "cpc"
        if raw.fbclid.strip() and no_medium:
            return "social"
        if not no_medium:
            return self._channels.get(medium, "other")
        if referrer in self._search:
            return "organic"
        if referrer in self._social:
            return "social"
        if referrer:
            return "referral"
        return "direct" if source in {"", "(direct)"} else "other"

    def spend(self, raw: Raw) -> tuple[str, str, str]:
        """Channel, source and medium of a spend figure.

        The channel is '' where campaign and platform decide when it is read; source and medium are both '' where the
        platform decides: where UTM says neither, be it with `(none)` or `(not set)`, as analytics tools write it.
        """
        channel = raw.channel.strip() if raw.channel else ""
        source, medium = clean(raw.utm_source), clean(raw.utm_medium)
        if source in _NOT_SAID and medium in _NOT_SAID:
            return channel, "", ""
        return channel or self._channel(raw, source, squeeze(medium), None), source or NONE, medium or NONE
