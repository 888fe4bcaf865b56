"""Test the table of metrics that `describe` and `list` read."""

import inspect

from advlearn import metrics


def test_every_metric_has_a_summary_of_one_line() -> None:
    functions = {n for n in metrics.__all__ if inspect.isfunction(getattr(metrics, n))}
    summaries = metrics.summaries()
    assert summaries.keys() == functions - {"summaries"}
    for name, line in summaries.items():
        assert line.endswith(".") and "\n" not in line and len(line) <= 100, name
