"""Evaluation: does an explanation mean anything?  Faithfulness metrics, their intervals over texts, and tables."""
