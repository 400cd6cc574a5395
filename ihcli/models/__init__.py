"""Hugging Face classifiers: loading, units, baselines, the score of embeddings, smoothing and the preflight."""

from ihcli.models.baselines import Baselines
from ihcli.models.classifier import LoadedClassifier
from ihcli.models.encoding import EncodedText
from ihcli.models.loading import load_classifier
from ihcli.models.preflight import Check, Report
from ihcli.models.score import Score

__all__ = ["Baselines", "Check", "EncodedText", "LoadedClassifier", "Report", "Score", "load_classifier"]
