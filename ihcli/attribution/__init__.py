"""Path, products, controller and certificate: the mathematics, for any differentiable function."""

from ihcli.attribution.integrated import Gradients, Interactions, integrated_gradients, integrated_hessians

__all__ = ["Gradients", "Interactions", "integrated_gradients", "integrated_hessians"]
