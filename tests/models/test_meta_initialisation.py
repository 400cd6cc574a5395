"""Random values are left out on the meta device alone."""

import torch
from torch import nn

from ihcli.models.meta_initialisation import NoMetaInitialisation


def test_elsewhere_layers_begin_as_ever() -> None:
    torch.manual_seed(0)
    expected = nn.Sequential(nn.Linear(3, 4), nn.Embedding(5, 2))
    torch.manual_seed(0)
    with NoMetaInitialisation():
        found = nn.Sequential(nn.Linear(3, 4), nn.Embedding(5, 2))
    for one, other in zip(found.parameters(), expected.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_layer_of_the_meta_device_keeps_its_shape_and_type() -> None:
    with NoMetaInitialisation(), torch.device("meta"):
        layer = nn.Linear(3, 4, dtype=torch.float64)
    assert layer.weight.is_meta
    assert (layer.weight.shape, layer.weight.dtype) == ((4, 3), torch.float64)


def test_nothing_is_computed_for_it() -> None:
    class Refusing(NoMetaInitialisation):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            assert getattr(func, "__name__", "") not in {"normal_", "uniform_"}, "reached what it should not"
            return super().__torch_function__(func, types, args, kwargs)

    tensor = torch.empty(3, device="meta")
    with Refusing(), NoMetaInitialisation():
        assert nn.init.normal_(tensor) is tensor
        assert tensor.uniform_(0, 1) is tensor
