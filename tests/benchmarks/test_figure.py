"""The work-precision plot draws what was measured."""

from benches import bench

from ihcli.benchmarks.figure import work_precision


def test_the_figure_draws_every_measured_error():
    axes = work_precision(bench()).axes[0]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert drawn["ih, embeddings"] == [0.005, 0.002]
    assert drawn["Gauss–Legendre product grid"] == [0.05, 0.008]
    assert axes.get_xscale() == axes.get_yscale() == "log"
