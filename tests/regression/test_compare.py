from dataclasses import replace

import numpy as np
import pytest
from explanations import make_explanation
from hypothesis import given, settings
from hypothesis import strategies as st

from ihcli.config import CheckSection, RunConfig
from ihcli.regression.compare import MOST_LISTED, compare
from ihcli.regression.findings import ComparisonReport, Kind, Severity

DEFAULTS = CheckSection()


def explanation(units=5, **changes):
    return make_explanation(units, **{"config": RunConfig().to_dict(), **changes})


def judged(old, new, **check):
    entry = compare(old, new, CheckSection(**check))
    return entry, ComparisonReport((entry,), CheckSection(**check).strict)


def regressions(old, new, **check):
    return judged(old, new, **check)[0].kinds(Severity.REGRESSION)


def shifted(old, shift, **changes):
    """The same explanation with `shift` (U, U, made symmetric) added to the matrix, all else following from it."""
    shift = np.asarray(shift)
    return explanation(len(old.units), ih=old.ih + (shift + shift.T) / 2, **changes)


def entry_shift(old, i, j, size):
    shift = np.zeros_like(old.ih)
    shift[i, j] = shift[j, i] = size
    return shift


def test_a_result_agrees_with_itself_without_a_finding():
    entry, report = judged(explanation(), explanation())
    assert entry.findings == ()
    assert (report.exit_code, report.verdict) == (0, "pass")
    assert (entry.ranking.k, entry.ranking.overlap, entry.ranking.tau) == (10, 1.0, 1.0)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.floats(0.0, 0.999))
def test_what_both_certificates_explain_never_fails(seed, units, share):
    rng = np.random.default_rng(seed)
    old = explanation(units)
    allowed = 2 * 0.01 * np.abs(old.ih).max() * share
    half = np.triu(rng.uniform(-1, 1, old.ih.shape))
    noise = half + np.triu(half, 1).T
    # IG has the same allowance as an entry, f almost none: keep the rows and the total as they are.
    new = replace(old, ih=old.ih + allowed * noise, certificate=replace(old.certificate, row_gap=0.2))
    found = [f for f in judged(old, new)[0].findings if f.severity is Severity.REGRESSION]
    assert {f.kind for f in found} <= {Kind.INCONSISTENT}  # the rows no longer sum to IG: said apart


def test_the_certified_tolerance_is_the_limit_of_the_matrix():
    old = explanation()
    largest = np.abs(old.ih).max()
    loose = {"f_input_atol": 1.0}
    inside = shifted(old, entry_shift(old, 0, 1, 0.0199 * largest))
    outside = shifted(old, entry_shift(old, 0, 1, 0.0201 * largest))
    assert regressions(old, inside, **loose) == set()
    assert regressions(old, outside, **loose) == {Kind.IH, Kind.IG}
    tighter = {"certificate": replace(old.certificate, tolerance=0.001, quadrature_error=1e-4)}
    assert Kind.IH in regressions(old, shifted(old, entry_shift(old, 0, 1, 0.0199 * largest), **tighter), **loose)


def test_a_recorded_error_beyond_the_tolerance_is_allowed_for_too():
    old = explanation()
    largest = np.abs(old.ih).max()
    rough = replace(old.certificate, quadrature_error=0.1 * largest, converged=False)
    new = shifted(old, entry_shift(old, 0, 1, 0.05 * largest), certificate=rough)
    assert regressions(old, new, f_input_atol=1.0) == {Kind.NOT_CONVERGED}


def test_settings_widen_what_the_certificate_allows_and_never_narrow_it():
    old = explanation()
    largest = np.abs(old.ih).max()
    new = shifted(old, entry_shift(old, 0, 1, 0.1 * largest))
    wide = {"f_input_atol": 1.0, "ig_atol": 1.0}
    assert Kind.IH in regressions(old, new, **wide)
    assert Kind.IH not in regressions(old, new, ih_atol=0.11 * largest, **wide)
    assert Kind.IH not in regressions(old, new, ih_rtol=0.11, **wide)
    small = shifted(old, entry_shift(old, 0, 1, 0.01 * largest))
    assert regressions(old, small, ih_atol=0.0, ih_rtol=0.0, f_input_atol=1.0) == set()


def test_a_difference_within_tolerance_is_reported():
    old = explanation()
    new = shifted(old, entry_shift(old, 0, 1, 0.01 * np.abs(old.ih).max()))
    entry, report = judged(old, new, f_input_atol=1.0)
    (finding,) = [f for f in entry.findings if f.kind is Kind.IH]
    assert (finding.severity, finding.where) == (Severity.INFO, "this × movie")
    assert report.exit_code == 0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("symmetric", [True, False])
def test_an_entry_edited_by_three_percent_of_the_largest_is_caught(seed, symmetric):
    rng = np.random.default_rng(seed)
    units = int(rng.integers(2, 12))
    old = explanation(units, seed=seed)
    i, j = rng.integers(0, units, 2)
    ih = np.array(old.ih)
    ih[i, j] += (edit := 0.03 * np.abs(old.ih).max() * rng.choice([-1, 1]))
    if symmetric and i != j:
        ih[j, i] += edit
    edited = replace(old, ih=ih)
    # Against any run, even one of a loose gate, and whichever side was edited.
    for pair in ((edited, old), (old, edited)):
        assert Kind.INCONSISTENT in regressions(*pair, ih_atol=9.0, ig_atol=9.0, f_input_atol=9.0)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"f_input": 9.0}, "completeness gap"),
        ({"f_baseline": float("nan")}, "finite"),
        ({"ig": np.full(5, 0.3)}, "row gap"),
        ({"ig": np.full(5, np.nan)}, "finite"),
        ({"ih": np.full((5, 5), np.nan)}, "finite"),
    ],
)
def test_a_record_that_contradicts_itself_is_said_to(change, word):
    damaged = replace(explanation(), **change)
    entry, report = judged(damaged, explanation())
    messages = [f.message for f in entry.findings if f.kind is Kind.INCONSISTENT]
    assert any(word in message and "baseline" in message for message in messages)
    assert report.exit_code == 1


def test_a_convergence_that_the_numbers_deny_is_caught():
    good = explanation()
    lie = replace(good, certificate=replace(good.certificate, quadrature_error=0.5))
    assert regressions(good, lie) == {Kind.INCONSISTENT}


def test_the_published_formulations_owe_no_completeness():
    odd = explanation(quadrature=replace(explanation().quadrature, formulation="article"), f_input=3.0)
    assert judged(odd, odd)[1].exit_code == 0


def test_a_one_sided_matrix_is_compared_in_both_triangles_and_owes_no_symmetry():
    first = explanation()
    ih = np.array(first.ih)
    ih[3, 1] += 0.2
    changes = {
        "quadrature": replace(first.quadrature, formulation="article-code"),
        "certificate": replace(first.certificate, asymmetry=0.2),
    }
    old = replace(first, ih=ih, **changes)
    assert judged(old, old)[0].findings == ()
    lower = np.array(ih)
    lower[3, 1] += 0.05
    (finding,) = [f for f in judged(old, replace(old, ih=lower))[0].findings if f.kind is Kind.IH]
    assert (finding.severity, finding.where) == (Severity.REGRESSION, "not × movie")
    # An asymmetry beyond the recorded one is an edit.
    assert Kind.INCONSISTENT in regressions(replace(old, ih=lower), old)


def test_label_probability_and_score_have_their_own_limits():
    old = explanation()
    other = replace(old, prediction=replace(old.prediction, label="NEGATIVE", index=0))
    assert Kind.PREDICTION in regressions(old, other)
    moved = replace(old, prediction=replace(old.prediction, probabilities={"NEGATIVE": 0.036, "POSITIVE": 0.964}))
    assert regressions(old, moved) == {Kind.PROBABILITY}
    assert regressions(old, moved, probability_atol=0.01) == set()
    renamed = replace(old, prediction=replace(old.prediction, probabilities={"NEG": 0.034, "POSITIVE": 0.966}))
    assert Kind.PREDICTION in regressions(old, renamed)
    for name, kind in (("f_input", Kind.F_INPUT), ("f_baseline", Kind.F_BASELINE)):
        score = replace(old, f_input=old.f_input + 0.01, f_baseline=old.f_baseline + 0.01)
        assert kind in regressions(old, score)
        assert kind not in regressions(old, score, **{f"{name}_atol": 0.02})
        assert kind not in regressions(old, score, **{f"{name}_rtol": 0.02})


def test_another_segmentation_is_one_finding_and_nothing_is_compared_across_it():
    old = explanation(5)
    first = old.units[0]
    split = (replace(first, text="th", end=2), replace(first, text="is", start=2), *old.units[1:])
    new = explanation(6, text=old.text + " x")
    new = replace(new, text=old.text, units=split, f_input=old.f_input, f_baseline=old.f_baseline)
    found = [f for f in judged(old, new)[0].findings if f.severity is Severity.REGRESSION]
    assert {f.kind for f in found} == {Kind.TOKENIZER, Kind.INCONSISTENT}
    assert "“this”" in next(f.message for f in found if f.kind is Kind.TOKENIZER)


def test_other_tokens_of_the_same_units_are_a_changed_tokenizer():
    old = explanation()
    units = (replace(old.units[0], tokens=("[UNK]",)), *old.units[1:])
    assert regressions(old, replace(old, units=units)) == {Kind.TOKENIZER}


def test_units_are_matched_by_place_and_not_by_order():
    old = explanation()
    order = [3, 0, 4, 1, 2]
    new = replace(old, units=tuple(old.units[i] for i in order), ig=old.ig[order], ih=old.ih[np.ix_(order, order)])
    assert judged(old, new)[0].findings == ()


def test_sign_strongest_and_order_are_findings_of_their_own():
    old = explanation(
        ih=np.diag(np.ones(5)) + entry_shift(explanation(), 0, 1, 0.9) + entry_shift(explanation(), 2, 3, 0.5)
    )
    new = shifted(old, entry_shift(old, 0, 1, -1.1) + entry_shift(old, 1, 4, 0.8))
    found = regressions(old, new, ih_atol=9.0, ig_atol=9.0, f_input_atol=9.0)
    assert {Kind.SIGN, Kind.STRONGEST, Kind.ORDER} <= found


def test_rank_limits_come_from_the_settings():
    old = explanation(6, seed=3)
    new = shifted(old, entry_shift(old, 0, 1, 0.6))
    wide = {"ih_atol": 9.0, "ig_atol": 9.0, "f_input_atol": 9.0, "top_k": 1}
    assert Kind.OVERLAP in regressions(old, new, **wide)
    assert Kind.OVERLAP not in regressions(old, new, overlap=0.0, **wide)


@pytest.mark.parametrize(
    ("section", "key", "value", "severity"),
    [
        ("units", "kind", "token", Severity.REGRESSION),
        ("text", "truncation", True, Severity.REGRESSION),
        ("text", "windows", 100, Severity.INFO),  # each window is a text of its own
        ("model", "smoothing", "off", Severity.REGRESSION),
        ("attribution", "top", 5, Severity.REGRESSION),
        ("baseline", "kind", "mask", Severity.WARNING),  # the record says pad on both sides
        ("target", "label", "POSITIVE", Severity.WARNING),
        ("attribution", "seed", 7, Severity.INFO),
        ("attribution", "engine", "forward", Severity.INFO),
        ("attribution", "removal", False, Severity.INFO),
        ("attribution", "evaluations", 64, Severity.INFO),
        ("attribution", "method", "shapley", Severity.WARNING),  # the record says ih on both sides
        ("model", "dtype", "float64", Severity.INFO),
        ("runtime", "threads", 2, None),
        ("runtime", "memory", "1GB", None),
        ("output", "directory", "elsewhere", None),
        ("check", "top_k", 3, None),
    ],
)
def test_a_setting_that_differs_is_named(section, key, value, severity):
    config = RunConfig().to_dict()
    other = {**config, section: {**config[section], key: value}}
    entry, _ = judged(explanation(), explanation(config=other))
    found = [(f.where, f.severity) for f in entry.findings]
    assert found == ([] if severity is None else [(f"{section}.{key}", severity)])


def test_what_is_explained_is_compared_as_recorded():
    old = explanation()
    mask = replace(old, baseline={"kind": "mask"})
    assert regressions(old, mask) == {Kind.CONFIGURATION}
    article = replace(old, quadrature=replace(old.quadrature, formulation="article"))
    assert regressions(old, article) == {Kind.CONFIGURATION}
    against = replace(old, target=replace(old.target, against="NEGATIVE"))
    assert regressions(old, against) == {Kind.TARGET}
    config = RunConfig.of({"attribution": {"tolerance": 0.1}}).to_dict()
    looser = replace(old, certificate=replace(old.certificate, tolerance=0.1), config=old.config and config)
    assert judged(old, looser)[0].kinds() == {Kind.CONFIGURATION}
    assert judged(looser, old)[0].kinds(Severity.REGRESSION, Severity.WARNING) == set()


def test_a_setting_that_an_earlier_version_did_not_have_is_its_default():
    config = RunConfig().to_dict()
    for absent in ("method", "evaluations", "removal"):
        earlier = explanation(
            config={**config, "attribution": {k: v for k, v in config["attribution"].items() if k != absent}}
        )
        for pair in ((earlier, explanation()), (explanation(), earlier)):
            assert judged(*pair)[0].findings == ()


def test_another_method_is_another_question():
    old = explanation()
    changes = {"method": "shapley", "quadrature": replace(old.quadrature, formulation="shapley", engine="game")}
    certificate = replace(old.certificate, completeness_gap=float("nan"))
    new = replace(old, **changes, certificate=certificate)
    (finding,) = judged(old, new)[0].findings
    assert (finding.where, finding.severity, finding.old, finding.new) == (
        "attribution.method",
        Severity.REGRESSION,
        "ih",
        "shapley",
    )
    assert judged(new, new)[0].findings == ()
    assert regressions(old, replace(old, certificate=certificate)) == {Kind.INCONSISTENT}


def test_models_versions_and_strictness():
    old = explanation()
    weights = replace(old, model=replace(old.model, weights_sha256="1" * 64))
    assert regressions(old, weights) == {Kind.MODEL}
    entry, report = judged(old, weights, other_weights=True)
    assert (entry.kinds(Severity.WARNING), report.exit_code) == ({Kind.MODEL}, 0)
    assert report.warned() == [entry]
    assert judged(old, weights, other_weights=True, strict=True)[1].exit_code == 1
    architecture = replace(old, model=replace(old.model, architecture="Other"))
    assert regressions(old, architecture) == {Kind.MODEL}
    moved = replace(old, model=replace(old.model, name="elsewhere", dtype="float64"))
    assert judged(old, moved)[0].kinds(Severity.REGRESSION, Severity.WARNING) == set()
    torch = replace(old, environment=replace(old.environment, torch="2.14.0"))
    assert judged(old, torch)[0].kinds(Severity.WARNING) == {Kind.VERSIONS}


def test_a_result_that_did_not_converge_has_its_own_verdict():
    rough = explanation(certificate=replace(explanation().certificate, converged=False))
    for pair in ((explanation(), rough), (rough, explanation())):
        _, report = judged(*pair)
        assert (report.exit_code, report.verdict) == (4, "not converged")
    other = replace(rough, prediction=replace(rough.prediction, label="NEGATIVE", index=0))
    assert judged(explanation(), other)[1].exit_code == 1


def test_another_text_is_never_compared():
    entry, report = judged(explanation(5), explanation(5, text="a very other text here"))
    assert entry.kinds(Severity.REGRESSION) == {Kind.TEXT}
    assert report.exit_code == 1


def test_entries_that_were_not_computed_never_read_as_equal():
    old = explanation(6)
    ih = np.array(old.ih)
    ih[1, 2] = ih[2, 1] = np.nan
    for pair in ((old, replace(old, ih=ih)), (replace(old, ih=ih), old)):
        assert Kind.NOT_COMPUTED in regressions(*pair)
    config = RunConfig.of({"attribution": {"top": 3}}).to_dict()
    screened = [replace(e, config=config) for e in (old, replace(old, ih=ih))]
    assert judged(*screened)[0].kinds(Severity.WARNING) == {Kind.NOT_COMPUTED}


def test_units_that_share_their_offsets_are_told_apart():
    old = explanation(6)
    units = list(old.units)
    units[3:6] = [replace(units[3], tokens=(f"byte {k}",)) for k in range(3)]
    old = replace(old, units=tuple(units))
    assert judged(old, old)[0].kinds() == set()
    moved = np.array(old.ih)
    moved[4, 5] = moved[5, 4] = moved[4, 5] + 1.0
    assert Kind.IH in regressions(old, replace(old, ih=moved))


def test_another_strongest_pair_is_seen_though_each_was_computed_on_one_side_only():
    config = RunConfig.of({"attribution": {"top": 1}}).to_dict()
    pair = []
    for i, j in ((0, 1), (4, 5)):
        ih = np.full((8, 8), np.nan)
        ih[[i, j]] = 0.0
        ih[:, [i, j]] = 0.0
        ih[i, j] = ih[j, i] = 0.9
        base = explanation(8)
        pair.append(replace(base, ih=ih, ig=np.zeros(8), config=config))
    assert Kind.STRONGEST in judged(*pair)[0].kinds(Severity.REGRESSION)


@pytest.mark.parametrize(
    "changes",
    [
        {"tolerance": 50.0}, {"tolerance": float("inf")}, {"tolerance": 0.02}, {"quadrature_error": float("nan")},
        {"quadrature_error": -7.5}, {"asymmetry": float("inf")}, {"row_gap": float("nan")}, {"completeness_gap": 1e300},
    ],
)  # fmt: skip
def test_a_certificate_that_no_run_writes_is_inconsistent(changes):
    old = explanation(config=RunConfig().to_dict())
    assert old.certificate.tolerance == 0.01
    edited = replace(old, certificate=replace(old.certificate, **changes))
    assert Kind.INCONSISTENT in regressions(edited, old)


@pytest.mark.parametrize("settings", [{"tolerance": None}, {"tolerance": "small"}, {"top": "x"}])
def test_a_recorded_setting_of_another_type_is_a_finding_and_no_fault(settings):
    config = RunConfig().to_dict()
    old = explanation(config=config)
    edited = replace(old, config={**config, "attribution": {**config["attribution"], **settings}})
    entry, report = judged(edited, edited)
    assert report.exit_code == (1 if "tolerance" in settings else 0)
    assert entry.kinds(Severity.REGRESSION) == ({Kind.INCONSISTENT} if "tolerance" in settings else set())


def test_a_published_formulation_cannot_call_itself_converged_either():
    old = explanation()
    article = replace(old, quadrature=replace(old.quadrature, formulation="article"))
    edited = replace(article, certificate=replace(article.certificate, quadrature_error=1e3, converged=True))
    assert Kind.INCONSISTENT in regressions(edited, article)


def test_a_unit_that_the_text_does_not_hold_and_a_spread_of_another_shape_are_inconsistent():
    old = explanation()
    units = (replace(old.units[0], text="WRONG"), *old.units[1:])
    for edited in (replace(old, units=units), replace(old, ih_spread=np.ones(3))):
        assert Kind.INCONSISTENT in regressions(edited, old)


def test_many_findings_are_counted_and_not_all_listed():
    old = explanation(20)
    found = [f for f in judged(old, explanation(20, seed=1))[0].findings if f.kind is Kind.IH]
    assert len(found) == MOST_LISTED + 1
    assert "more value" in found[-1].message
    assert found[0].excess >= found[1].excess
