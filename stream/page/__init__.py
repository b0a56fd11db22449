"""The web page: the reports, charts and records behind them, for those who have no other tool."""
