"""The bundled sentiment model: its weights, its card, and the program that trains it."""
