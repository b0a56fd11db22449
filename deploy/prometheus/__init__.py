"""Prometheus and Alertmanager: rules, thresholds that people edit, and samples of both configurations."""
