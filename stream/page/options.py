"""What there is to filter by."""

from collections.abc import Mapping, Sequence

from stream.page.reading import Reader

_OPTIONS = """
SELECT DISTINCT option.1 AS key, option.2 AS value, option.3 AS label FROM (
    SELECT arrayJoin([('channel', channel, ''), ('campaign_id', campaign_id, campaign)]) AS option FROM report_funnel
    UNION ALL
    SELECT arrayJoin([('channel', channel, ''), ('campaign_id', campaign_id, campaign)]) FROM report_campaign_revenue
    WHERE model = (SELECT attribution_model FROM base_settings)
    UNION ALL
    SELECT ('team', each.team, '') FROM base_reps ARRAY JOIN teams AS each)
WHERE value != ''
ORDER BY key, if(label = '', value, label), value
"""

Option = Mapping[str, str]
"""`value`, and `label` where it has another name."""


async def options(reader: Reader) -> Mapping[str, Sequence[Option]]:
    """The channels, campaigns and teams there are, up to a minute old. Raises `Unavailable`."""
    found: dict[str, list[Option]] = {}
    for row in (await reader.list(_OPTIONS)).rows:
        found.setdefault(row["key"], []).append(row)
    return found
