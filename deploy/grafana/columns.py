"""How a column of the views is shown, by its name: heading, unit, decimals, and where it changes colour.

Money has no currency sign: the reporting currency is a setting, and stands in the titles (`$currency`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Steps = tuple[tuple[float | None, str], ...]


@dataclass(frozen=True)
class Format:
    """Unit by Grafana's id, decimals, and colour from each limit on (the first is None: from the least)."""

    unit: str
    decimals: int | None = None
    steps: Steps = ()


COUNT = Format("locale", 0)
SHARES = Format("locale", 1)
"""Counts in shares: deals by an attribution model."""
MONEY = Format("locale", 0)
UNIT_PRICE = Format("locale", 2)
TIMES = Format("suffix: x", 2)
RATIO = Format("percentunit", 1)
DAYS = Format("d", 1)
SECONDS = Format("s", 0)
DATE = Format("time:YYYY-MM-DD")
INSTANT = Format("time:YYYY-MM-DD HH:mm:ss")
YES = Format("bool_yes_no")
TEXT = Format("string")

PAYS: Steps = ((None, "red"), (1, "green"))
"""Revenue covers the spend from 1 on."""
EARNS: Steps = ((None, "red"), (0, "green"))
ATTAINED: Steps = ((None, "red"), (0.8, "orange"), (1, "green"))
ANSWERED: Steps = ((None, "red"), (0.4, "orange"), (0.5, "green"))
USED_UP: Steps = ((None, "green"), (0.9, "orange"), (1, "red"))
LATE: Steps = ((None, "green"), (60, "orange"), (300, "red"))
ANY_IS_BAD: Steps = ((None, "green"), (1, "orange"))

_KINDS: Sequence[tuple[Format, str]] = (
    (
        COUNT,
        """
        leads opportunities customers converted open won lost visitors clicks impressions calls
        answered missed advanced_mofu advanced_bofu mofu bofu records credits touches figures
        age_days
        """,
    ),
    (Format("locale", 0, ANY_IS_BAD), "failing overdue_open unconverted"),
    (SHARES, "deals won_deals"),
    (
        MONEY,
        """
        revenue cohort_revenue estimated_revenue weighted_revenue won_revenue lost_revenue spend
        cost gross_margin budget spend_media spend_other forecast_revenue first last linear position
        time_decay w_shaped weighted_overdue revenue_first revenue_last revenue_linear
        revenue_position revenue_time_decay revenue_w_shaped
        """,
    ),
    (Format("locale", 0, EARNS), "contribution operating_result"),
    (UNIT_PRICE, "cpl cpa cpc average_deal amount target actual"),
    (Format("suffix: x", 2, PAYS), "roas cohort_roas roas_min roas_max"),
    (
        RATIO,
        """
        opportunity_rate conversion_rate revenue_share win_rate win_rate_by_amount
        visitor_conversion ctr advance_rate gross_margin_ratio visitor_to_lead lead_to_mofu
        mofu_to_bofu bofu_to_customer benchmark_answer_rate benchmark_advance_rate share probability
        """,
    ),
    (Format("percentunit", 1, EARNS), "roi contribution_ratio"),
    (Format("percentunit", 1, ANSWERED), "answer_rate"),
    (Format("percentunit", 1, ATTAINED), "attainment"),
    (Format("percentunit", 1, USED_UP), "budget_used"),
    (DAYS, "avg_days_to_convert p50_days_to_convert p90_days_to_convert"),
    (SECONDS, "talk_seconds avg_talk_seconds p50_talk_seconds p90_talk_seconds benchmark_avg_talk_seconds"),
    (Format("s", 1, LATE), "lag_seconds"),
    (Format("s", 0), "usual_gap_seconds"),
    (DATE, "day period_start until due_date month"),
    (INSTANT, "at created_at closed_at started_at last_event_time written_at received_at"),
    (YES, "key_account overdue own decision_depends has_utm quiet"),
    (
        TEXT,
        """
        channel source medium campaign_id campaign campaign_group lead_magnet owner_id owner team
        stage status account_id account rep_id rep direction category platform metric scope
        lead_id opportunity_id call_id touch_id merged_ids currency check sample_ids shard id reason
        message event_type state funnel_stage reached_stage advanced_to team_name due
        """,
    ),
)
COLUMNS: Mapping[str, Format] = {name: kind for kind, names in _KINDS for name in names.split()}

_WORDS = {
    **{word: word.upper() for word in ("bofu", "cpa", "cpc", "cpl", "ctr", "mofu", "roas", "roi", "utm")},
    "avg": "average",
    "p50": "median",
    "p90": "90 %",
}


def heading(column: str) -> str:
    """What stands above a column, or beside a figure: `p50_talk_seconds` is `median talk seconds`."""
    return " ".join(_WORDS.get(word, word) for word in column.removesuffix("_name").split("_"))
