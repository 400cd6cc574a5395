"""The gate: recorded explanations compared with new ones.  What fails and what warns is decided in README.md here."""
