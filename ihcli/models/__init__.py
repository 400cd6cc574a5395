"""Hugging Face classifiers: loading, units, baselines, the score of embeddings, smoothing and the preflight."""

from ihcli.models.classifier import LoadedClassifier
from ihcli.models.encoding import EncodedText
from ihcli.models.loading import load_classifier
from ihcli.models.preflight import Check, Report
from ihcli.models.presence import Presence
from ihcli.models.score import Score

__all__ = ["Check", "EncodedText", "LoadedClassifier", "Presence", "Report", "Score", "load_classifier"]
