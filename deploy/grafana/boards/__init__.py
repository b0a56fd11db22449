"""The dashboards: a module each."""

from deploy.grafana.boards import (
    call_teams,
    calls,
    campaign_revenue,
    finance,
    funnel,
    lead_sources,
    leads_by_channel,
    management,
    operation,
    opportunities,
    profitability,
    records,
)

BOARDS = (
    management.BOARD,
    leads_by_channel.BOARD,
    opportunities.BOARD,
    lead_sources.BOARD,
    campaign_revenue.BOARD,
    calls.BOARD,
    profitability.BOARD,
    funnel.BOARD,
    finance.BOARD,
    call_teams.BOARD,
    records.BOARD,
    operation.BOARD,
)
