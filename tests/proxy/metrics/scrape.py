"""Reads metrics as Prometheus does."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from proxy.metrics.registry import Metrics, Source


def scrape(*sources: Source) -> dict[tuple[str, ...], float]:
    """(name, the values of its labels) → value, of what the sources tell."""
    return samples(Metrics(*sources).text())


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """(name, the values of its labels, in the order of the labels' names) → value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
