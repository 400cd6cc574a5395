"""The gate: recorded explanations compared with new ones; README.md says what fails and what warns."""
