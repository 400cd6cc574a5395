"""Integrated Gradients and Integrated Hessians of any differentiable function, with their certificate."""

from ihcli.attribution.integrated import Gradients, Interactions, integrated_gradients, integrated_hessians

__all__ = ["Gradients", "Interactions", "integrated_gradients", "integrated_hessians"]
