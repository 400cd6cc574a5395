import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ihcli import input_files
from ihcli.config import (
    RunConfig,
    commented_yaml,
    dotted_keys,
    json_schema,
    load,
    parse_size,
    yaml_scalar,
)
from ihcli.errors import ConfigError
from ihcli.yaml_core import parse

CONFIGS = Path(__file__).parent.parent / "configs"


def write(folder: Path, text: str) -> Path:
    file = folder / "run.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def from_yaml(folder: Path, text: str) -> RunConfig:
    return load(write(folder, text), environ={}).config


def refusal(folder: Path, text: str) -> str:
    file = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(file, environ={})
    return str(caught.value).replace(str(file), "run.yaml")


# --- what a file says ---------------------------------------------------------------------------------------------


def test_an_empty_file_and_empty_sections_are_the_defaults(tmp_path: Path) -> None:
    for text in ("", "# nothing\n", "model:\ntarget:\n", "---\n"):
        assert from_yaml(tmp_path, text) == RunConfig()


@pytest.mark.parametrize(
    ("written", "read"),
    [("1e-3", 1e-3), ("1E-3", 1e-3), ("0.5", 0.5), (".5", 0.5), ("1", 1.0), ("1.", 1.0), ("+5e-2", 0.05)],
)
def test_numbers_are_those_of_yaml_1_2(tmp_path: Path, written: str, read: float) -> None:
    tolerance = from_yaml(tmp_path, f"attribution: {{tolerance: {written}}}").attribution.tolerance
    assert isinstance(tolerance, float)
    assert tolerance == read


@pytest.mark.parametrize("word", ["off", "no", "NO", "y", "2026-11-24", "1:30", "1_000", "1e", "0b1", "<<"])
def test_words_that_yaml_1_1_reads_as_something_else_stay_words(tmp_path: Path, word: str) -> None:
    assert from_yaml(tmp_path, f"target: {{label: {word}}}").target.label == word


def test_off_is_a_word_where_smoothing_is_off(tmp_path: Path) -> None:
    assert from_yaml(tmp_path, "model: {smoothing: off}").model.smoothing == "off"


@pytest.mark.parametrize(("written", "read"), [("10", 10), ("010", 10), ("0x10", 16), ("0o10", 8), ("+7", 7)])
def test_whole_numbers_are_those_of_yaml_1_2(tmp_path: Path, written: str, read: int) -> None:
    assert from_yaml(tmp_path, f"attribution: {{max_nodes: {written}}}").attribution.max_nodes == read


def test_a_label_is_a_name_or_an_index(tmp_path: Path) -> None:
    assert from_yaml(tmp_path, "target: {label: 1}").target.label == 1
    assert from_yaml(tmp_path, 'target: {label: "1"}').target.label == "1"


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    assert from_yaml(tmp_path, "\ufeffmodel: {name: here}").model.name == "here"


def test_lists_become_tuples(tmp_path: Path) -> None:
    assert from_yaml(tmp_path, "output: {formats: [json, svg]}").output.formats == ("json", "svg")


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "attribution:\n  tolerence: 0.01\n",
            "run.yaml:2: attribution.tolerence is not a setting. Did you mean attribution.tolerance? Known: ",
        ),
        ("modell: {}\n", "run.yaml:1: modell is not a section. Did you mean model? Known: model, target, "),
        ("1: 2\n", "run.yaml:1: 1 is not a section."),
        (
            "\nattribution:\n  tolerance: 1%\n",
            "run.yaml:3: attribution.tolerance is '1%'; it must be a number greater than 0 and at most 1.",
        ),
        ("attribution: {tolerance: 0}", "is 0; it must be a number greater than 0 and at most 1."),
        ("attribution: {tolerance: true}", "is true; it must be a number greater"),
        ("attribution: {tolerance: .nan}", "is nan; it must be a number greater"),
        ("attribution: {tolerance: }", "is empty; it must be a number greater"),
        ("attribution: {tolerance: [1, 2]}", "is the list [1, 2]; it must be a number"),
        ("attribution: {max_nodes: 1.5}", "is 1.5; it must be a whole number at least 1."),
        ("attribution: {max_nodes: true}", "is true; it must be a whole number at least 1."),
        ("attribution: {max_nodes: 0}", "is 0; it must be a whole number at least 1."),
        ("attribution: {top: many}", "is 'many'; it must be a whole number at least 1 or null."),
        ("output: {diagonal: 1}", "is 1; it must be true or false."),
        ("output: {diagonal: yes}", "is 'yes'; it must be true or false."),
        (
            "model: {revision: 12345}",
            "model.revision is 12345; it must be text or null. Put it in quotes if it is a word.",
        ),
        ("target: {label: true}", "target.label is true; it must be text or a whole number at least 0. Put it in"),
        ("target: {label: -1}", "target.label is -1; it must be text or a whole number at least 0."),
        ("model: {name: ''}", "model.name is ''; it must be text, not empty."),
        ("model: {smoothing: soft}", "model.smoothing is 'soft'; it must be one of off, auto or a number greater than"),
        ("model: {smoothing: -1}", "model.smoothing is -1; it must be one of off, auto or a number greater than 0."),
        ("model: {dtype: float16}", "model.dtype is 'float16'; it must be one of float32, float64."),
        (
            "model: bundled",
            "run.yaml:1: model is 'bundled'; it must be a section with keys below it, such as `name: …`.",
        ),
        ("model: [bundled]", "model is the list ['bundled']; it must be a section"),
        (
            "output: {formats: [json, gif]}",
            "output.formats holds 'gif'; it must be a list, not empty, each one of json",
        ),
        ("output: {formats: []}", "output.formats is the list []; it must be a list, not empty"),
        ("output: {formats: json}", "output.formats is 'json'; it must be a list, not empty, each one of json, csv"),
        (
            "runtime: {device: gpu}",
            "runtime.device is 'gpu': 'gpu' is not a device; use auto, cpu, cuda, cuda:N or mps.",
        ),
        ("runtime: {memory: lots}", "runtime.memory is 'lots': 'lots' is not a size; write a positive number with KB"),
        ("runtime: {memory: 0GB}", "is not a size"),
        ("baseline: {kind: text}", "run.yaml:1: baseline.kind is 'text': then baseline.text must be given too."),
        (
            "baseline: {text: nothing}",
            "run.yaml:1: baseline.kind is 'auto': baseline.text is 'nothing', which only the kind text reads; change",
        ),
        ("units: {kind: spans}", "units.kind is 'spans': then units.spans must be given too."),
        ("model: {name: a, name: b}", "run.yaml:1: model.name stands twice (first on line 1). Keep one."),
        ("model: {}\n\nmodel: {}", "run.yaml:3: model stands twice (first on line 1). Keep one."),
        ("- model\n", "run.yaml: holds the list ['model'], not sections. `ih config init` shows the form."),
        ("model\n", "run.yaml: holds 'model', not sections."),
        ("model:\n  name: [a\n", "run.yaml:3: is not YAML of sections and keys: "),
        ("model: {name: a}\n---\nmodel: {}\n", "run.yaml:2: is not YAML of sections and keys: "),
        (
            "model: !!python/object:os.system {}\n",
            "run.yaml:1: is not YAML of sections and keys: the tag !!python/object:os.system is not",
        ),
        ("? [a, b]\n: c\n", "run.yaml:1: is not YAML of sections and keys: found unhashable key"),
    ],
)
def test_a_refusal_names_the_place_the_value_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    said = refusal(tmp_path, text)
    assert message in said
    assert "\n" not in said
    for jargon in ("Input should", "instance of", "ModelSection", "pydantic", "dictionary"):
        assert jargon not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "target:\n  label: !!set {a, b}\n",
            "run.yaml:2: is not YAML of sections and keys: the tag !!set is not allowed",
        ),
        ("target: {label: !!omap [a: 1]}", "the tag !!omap is not allowed"),
        ("attribution: {seed: !!int one}", "'one' is not of the type int that its tag says"),
        ("attribution:\n  seed: " + "7" * 5000, "run.yaml:2: is not YAML of sections and keys: the number 7777"),
        ("target: {label: &x [*x]}", "a value contains itself"),
        ("attribution: &x {seed: *x}", "a value contains itself"),
        ("target: {label: &a [[[[[[x]]]]]]}", "target.label is the list [a list]; it must be text"),
        ("attribution: {tolerance: 1e99999}", "attribution.tolerance is inf; it must be a number"),
        ("attribution: {seed: 99999999999999999999}", "it must be a whole number at least 0 and at most 9,223,372,036"),
        ("runtime: {threads: 5000}", "runtime.threads is 5000; it must be a whole number at least 1 and at most 1,024"),
        ("runtime: {memory: '4'}", "is 4 bytes, and at least 1MB is needed; for gigabytes write 4GB"),
        ('model: {name: "a\\0b"}', "model.name is 'a\\x00b': it holds a null character"),
        ('output: {directory: "a\\0b"}', "output.directory is 'a\\x00b': it holds a null character"),
    ],
)
def test_values_that_no_setting_can_be(tmp_path: Path, text: str, words: str) -> None:
    said = refusal(tmp_path, text)
    assert words in said
    assert "\n" not in said
    assert len(said) < 700


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("!!set {a}", "the tag !!set is not allowed"),
        ("!!timestamp 2026-01-01", "the tag !!timestamp is not allowed"),
        ("7" * 5000, "has 5,000 digits"),
        ("&x [*x]", "a value contains itself"),
        ("[" * 5000, "it is nested too deeply"),
        ("1\x00", "special characters are not allowed"),
        ("{" * 20, "expected"),
    ],
)
def test_the_same_values_in_a_variable(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ={"IHCLI_ATTRIBUTION_SEED": text})
    assert str(caught.value).startswith("IHCLI_ATTRIBUTION_SEED: ")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"\ud800": {"truncation": True}}, "The configuration"),
        ({"model": {"\udfff": 1}}, "model"),
        ({"model": {"name": "a\udc80"}}, "model.name"),
        ({"baseline": {"kind": "text", "text": "\ud83d film"}}, "baseline.text"),
        ({"model": {"template": "{text}", "labels": ["a", "\ud800"]}}, "model.labels"),
    ],
)
def test_half_of_a_surrogate_pair_is_no_setting(values: dict[str, object], place: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{place} holds half of a surrogate pair"):
        RunConfig.of(values)
    (tmp_path / "ih.yaml").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"{place} holds half of a surrogate pair"):
        load(tmp_path / "ih.yaml")


class _Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def _nested() -> list[object]:
    inside: list[object] = []
    inside.append(inside)
    return inside


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (10**4000, "a number of some 4,000 digits"),
        ({1, 2}, "a set"),
        (_nested(), "the list [a list]"),
        (_Unshowable(), "a _Unshowable"),
        ("x" * 500, "'xxxx"),
        (b"x", "b'x'"),
    ],
)
def test_values_from_python_that_no_setting_can_be(value: object, shown: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.of({"attribution": {"seed": value}})
    assert str(caught.value).startswith(f"attribution.seed is {shown}")
    assert len(str(caught.value)) < 300


def test_a_section_that_contains_itself() -> None:
    section: dict[str, object] = {}
    section["seed"] = section
    with pytest.raises(ConfigError, match=r"attribution\.seed is a section; it must be a whole number"):
        RunConfig.of({"attribution": section})


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/random"])
def test_a_configuration_from_a_device_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a device or a socket, not a file"):
        load(device, environ={})


def test_a_configuration_from_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_files, "PIPE_SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="Is a pipe without data"):
        load(tmp_path / "pipe", environ={})
    reading, writing = os.pipe()
    os.write(writing, b"attribution: {seed: 5}")
    os.close(writing)
    assert load(f"/dev/fd/{reading}", environ={}).config.attribution.seed == 5
    os.close(reading)
    assert load(os.devnull, environ={}).config == RunConfig()


def test_a_configuration_that_is_no_configuration_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"# " + b"x" * (1 << 20))
    with pytest.raises(ConfigError, match="Holds more than 1,048,576 bytes"):
        load(tmp_path / "large.yaml", environ={})


def test_every_finding_is_told_at_once(tmp_path: Path) -> None:
    said = refusal(tmp_path, "model: {dtype: half}\nattribution:\n  tolerance: 2\n  seed: -1\n").splitlines()
    assert [line.split(":")[1] for line in said] == ["1", "3", "4"]


def test_deep_nesting_is_refused_and_not_a_crash(tmp_path: Path) -> None:
    assert "is not YAML" in refusal(tmp_path, "model: " + "[" * 3000)


def test_a_value_that_holds_itself_is_refused(tmp_path: Path) -> None:
    assert "run.yaml:1: is not YAML of sections and keys: a value contains itself" in refusal(
        tmp_path, "a: &x {b: *x}\n"
    )


def test_a_missing_file_a_folder_and_other_encodings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
    file = tmp_path / "latin.yaml"
    file.write_bytes("target: {label: très}".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"is not UTF-8 \(byte 18 is 0xe8\)\. Save it as UTF-8"):
        load(file)


@pytest.mark.parametrize("values", [[1], "text", 3])
def test_values_from_python_must_be_a_mapping(values: object) -> None:
    with pytest.raises(ConfigError, match="must map sections to keys"):
        RunConfig.of(values)  # type: ignore[arg-type]


def test_values_from_python_are_as_strict() -> None:
    assert RunConfig.of() == RunConfig()
    assert RunConfig.of({"output": {"formats": ["json"]}}).output.formats == ("json",)
    with pytest.raises(ConfigError, match=r"^attribution.tolerance is '0.1'; it must be a number"):
        RunConfig.of({"attribution": {"tolerance": "0.1"}})


# --- flags beat variables beat the file beat the defaults ---------------------------------------------------------


def test_the_order_of_precedence_and_the_sources(tmp_path: Path) -> None:
    file = write(tmp_path, "attribution:\n  tolerance: 0.1\n  seed: 1\n  max_nodes: 7\n")
    loaded = load(
        file,
        {"attribution.tolerance": ("--tolerance", 0.01)},
        {"IHCLI_ATTRIBUTION_TOLERANCE": "0.05", "IHCLI_ATTRIBUTION_SEED": "2", "PATH": "x"},
    )
    section = loaded.config.attribution
    assert (section.tolerance, section.seed, section.max_nodes, section.engine) == (0.01, 2, 7, "auto")
    assert loaded.sources["attribution.tolerance"] == "--tolerance"
    assert loaded.sources["attribution.seed"] == "IHCLI_ATTRIBUTION_SEED"
    assert loaded.sources["attribution.max_nodes"] == f"{file}:4"
    assert loaded.sources["attribution.engine"] == "default"
    assert list(loaded.sources) == dotted_keys()


def test_a_new_kind_overrules_what_stood_beside_the_old_one(tmp_path: Path) -> None:
    file = write(tmp_path, "baseline: {kind: text, text: nothing}\nunits: {kind: spans, spans: a.txt}\n")
    flags = {"baseline.kind": ("--baseline", "mask"), "units.kind": ("--units", "token")}
    loaded = load(file, flags, {})
    assert (loaded.config.baseline.kind, loaded.config.baseline.text) == ("mask", None)
    assert (loaded.config.units.kind, loaded.config.units.spans) == ("token", None)
    assert loaded.sources["baseline.text"] == "default"


def test_another_model_takes_neither_the_revision_nor_the_trust_of_the_first(tmp_path: Path) -> None:
    file = write(tmp_path, f"model: {{name: a, revision: {'a' * 40}, trust_remote_code: true, dtype: float64}}\n")
    model = load(file, {"model.name": ("--model", "b")}, {}).config.model
    assert (model.name, model.revision, model.trust_remote_code, model.dtype) == ("b", None, False, "float64")


def test_a_revision_in_a_variable_is_kept_beside_a_model_in_a_flag(tmp_path: Path) -> None:
    file = write(tmp_path, "model: {name: a, revision: first}\n")
    environ = {"IHCLI_MODEL_REVISION": "b" * 40}
    for path in (None, file):
        model = load(path, {"model.name": ("--model", "b")}, environ).config.model
        assert (model.name, model.revision) == ("b", "b" * 40)


@pytest.mark.parametrize("label", ["1", "null", "~", "true", "toxic: severe", "[x]"])
def test_a_label_in_a_variable_is_its_text(label: str) -> None:
    target = load(environ={"IHCLI_TARGET_LABEL": label, "IHCLI_TARGET_AGAINST": label}).config.target
    assert (target.label, target.against) == (label, label)


def test_a_flag_in_a_section_that_is_no_section_still_names_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "model: 3\n")
    assert load(file, {"model.name": ("--model", "b")}, {}).config.model.name == "b"


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("IHCLI_MODEL_NAME", "7", "name", "7"),
        ("IHCLI_MODEL_REVISION", "1e5", "revision", "1e5"),
        ("IHCLI_MODEL_SMOOTHING", "off", "smoothing", "off"),
        ("IHCLI_MODEL_SMOOTHING", "1e2", "smoothing", 100.0),
        ("IHCLI_MODEL_TRUST_REMOTE_CODE", "true", "trust_remote_code", True),
        ("IHCLI_MODEL_REVISION", "", "revision", None),
    ],
)
def test_variables_are_read_in_the_type_of_their_key(variable: str, text: str, key: str, value: object) -> None:
    assert getattr(load(environ={variable: text}).config.model, key) == value


def test_a_variable_with_a_list_is_split_at_commas() -> None:
    assert load(environ={"IHCLI_OUTPUT_FORMATS": "json, pdf"}).config.output.formats == ("json", "pdf")


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("IHCLI_ATTRIBUTION_TOLERENCE", "1", "no such setting. Did you mean IHCLI_ATTRIBUTION_TOLERANCE. Unset it"),
        ("IHCLI_NOTHING", "1", "IHCLI_NOTHING: no such setting."),
        ("IHCLI_ATTRIBUTION_TOLERANCE", "small", "^IHCLI_ATTRIBUTION_TOLERANCE: attribution.tolerance is 'small'; it"),
        (
            "IHCLI_ATTRIBUTION_TOLERANCE",
            "[",
            "^IHCLI_ATTRIBUTION_TOLERANCE: '\\[' is not a value .*; .* must be a number",
        ),
        ("IHCLI_OUTPUT_FORMATS", "gif", "^IHCLI_OUTPUT_FORMATS: output.formats holds 'gif'"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(variable: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(environ={variable: text})


def test_a_flag_that_cannot_be_used_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^--tolerance: attribution.tolerance is 2.0; it must be"):
        load(flags={"attribution.tolerance": ("--tolerance", 2.0)}, environ={})


# --- what is written ----------------------------------------------------------------------------------------------


def test_the_commented_file_equals_the_defaults_and_explains_every_key(tmp_path: Path) -> None:
    text = commented_yaml()
    assert from_yaml(tmp_path, text) == RunConfig()
    assert RunConfig.of(yaml.safe_load(text)) == RunConfig(), "another YAML reader sees something else"
    assert text.count("  # ") == len(dotted_keys())


def test_the_default_configuration_of_the_repository_is_the_commented_file() -> None:
    assert (CONFIGS / "default.yaml").read_text(encoding="utf-8") == commented_yaml()


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("roberta-imdb", "textattack/roberta-base-imdb"),
        ("bert-imdb", "textattack/bert-base-uncased-imdb"),
        ("distilbert-sst2", "distilbert/distilbert-base-uncased-finetuned-sst-2-english"),
    ],
)
def test_the_named_configurations_load(name: str, model: str) -> None:
    assert load(CONFIGS / f"{name}.yaml", environ={}).config.model.name == model


def test_every_configuration_of_the_repository_is_tested() -> None:
    names = {"article", "default", "roberta-imdb", "bert-imdb", "distilbert-sst2"}
    assert {file.stem for file in CONFIGS.glob("*.yaml")} == names
    assert load(CONFIGS / "article.yaml", environ={}).config.baseline.kind == "pad"


def test_a_configuration_survives_its_json() -> None:
    config = RunConfig.of({"target": {"label": 1, "against": "x"}, "model": {"smoothing": 20.0}})
    assert RunConfig.of(json.loads(json.dumps(config.to_dict()))) == config


def test_the_schema_describes_every_key() -> None:
    schema = json_schema()
    described = {
        f"{section}.{key}"
        for section, reference in schema["properties"].items()
        for key, value in schema["$defs"][reference["$ref"].rpartition("/")[2]]["properties"].items()
        if value["description"]
    }
    assert described == set(dotted_keys())
    assert all(definition["additionalProperties"] is False for definition in schema["$defs"].values())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.one_of(st.text(min_size=1), st.sampled_from(["off", "1e-3", "null", "~", "010", "true", "a: b", "#x", "0o7"]))
)
def test_a_scalar_is_written_so_that_it_is_read_back(text: str) -> None:
    written = yaml_scalar(text)
    assert "\n" not in written
    assert RunConfig.of({"target": {"label": text}}) == _reread(f"target: {{label: {written}}}")


@pytest.mark.parametrize("value", [1e-05, 1.5e30, -2.0, 0.1, 3, True, None, 1e300])
def test_a_number_is_written_so_that_any_yaml_reads_it(value: object) -> None:
    assert yaml.safe_load(yaml_scalar(value)) == value


def _reread(text: str) -> RunConfig:
    return RunConfig.of(parse(text)[1])


# --- sizes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("800MB", 800 * 10**6), ("4 GB", 4 * 10**9), ("2GiB", 2**31), ("1.5k", 1500), (" 3 kib ", 3072)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1TB", "1 000", "0", "nan"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)
