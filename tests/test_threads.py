"""One explainer in several threads: they wait for each other, and each gets what it would get alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ihcli.pipeline import Explainer

TEXTS = ("never boring", "not bad", "a dull film")


def test_threads_get_what_each_would_get_alone() -> None:
    explainer = Explainer({"attribution": {"removal": False}})
    alone = [explainer.explain(text) for text in TEXTS]
    with ThreadPoolExecutor(len(TEXTS)) as pool:
        together = list(pool.map(explainer.explain, TEXTS))
    for one, other in zip(alone, together, strict=True):
        assert one.text == other.text
        np.testing.assert_array_equal(one.ih, other.ih)


def test_a_thread_waits_while_another_uses_the_model() -> None:
    explainer, done = Explainer({"attribution": {"removal": False}}), threading.Event()
    loose = explainer.at_tolerance(0.1)
    thread = threading.Thread(target=lambda: (loose.explain("never boring"), done.set()))
    with explainer.lock:
        thread.start()
        assert not done.wait(1.0), "a variant shares the lock"
    thread.join(60)
    assert done.is_set()
