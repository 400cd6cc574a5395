"""Tiny classifiers of every family, with tokenizers made on the spot; as a program, it writes their table.

`python tests/support/architectures.py` examines every family and renews its table in the documentation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    CONFIG_MAPPING,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

from ihcli.config import ModelSection, UnitsSection
from ihcli.models.loading import assemble
from ihcli.models.preflight import SAMPLE
from ihcli.models.smoothing import SMOOTHED
from ihcli.results import ModelInfo

CORPUS = [
    SAMPLE,
    "this movie was not bad",
    "It wasn't well-known; a charming disaster from start to finish!",
    "très bien",
]
TEXT = CORPUS[1]
VOCABULARY = 400
START, END = "<!-- families: written by tests/support/architectures.py -->", "<!-- end of families -->"
SUPPORTED, REFUSED = "Supported, by how the embeddings enter:", "Refused, and why:"
SUPPORTED_ENTRY, REFUSED_ENTRY = r"^- (.+) \(\d+\): (.+)\.$", r"^- \*\*(.+?)\*\*: (.+)$"
ABSENT = "absent"
"""A setting that this family's configuration does not take."""


@dataclass(frozen=True)
class Family:
    """One family: its name in prose, its model type, the kind of tokenizer, and settings of its configuration."""

    name: str
    model_type: str
    tokenizer: str = "wordpiece"
    settings: Mapping[str, Any] = field(default_factory=dict)


_SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 80,
    "initializer_range": 0.1,
    "num_labels": 3,
    "pad_token_id": 0,
}
_DECODER = {"num_key_value_heads": 2, "head_dim": 8, "bos_token_id": 1, "eos_token_id": 2}
_SEQ2SEQ = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2,
    "forced_eos_token_id": 2, "init_std": 0.1,
}  # fmt: skip
_LATENT = {
    **_DECODER, "num_key_value_heads": 4, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8, "v_head_dim": 8,
}  # fmt: skip
_EXPERTS = {
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_group": 1, "topk_group": 1,
    "first_k_dense_replace": 1, "n_shared_experts": 1,
}  # fmt: skip
_DELTA = {
    **_DECODER, "linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 8,
    "linear_value_head_dim": 8, "layer_types": ["linear_attention", "full_attention"],
}  # fmt: skip
_INNER = {name: value for name, value in _SMALL.items() if name != "num_labels"}
_OUTER = dict.fromkeys(_INNER, ABSENT)
_WINDOWED = {**_INNER, **_DECODER, "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8}
_VISION = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16,
    "patch_size": 8,
}  # fmt: skip
_T5 = {
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": 2,
    "num_heads": 4,
    "decoder_start_token_id": 0,
    "eos_token_id": 2,
}

FAMILIES = (
    Family("BERT", "bert"),
    Family("RoBERTa", "roberta", "bpe"),
    Family("XLM-RoBERTa", "xlm-roberta", "unigram"),
    Family("DistilBERT", "distilbert", settings={"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}),
    Family("ALBERT", "albert", "unigram", {"embedding_size": 16}),
    Family("ELECTRA", "electra", settings={"embedding_size": 16}),
    Family("DeBERTa", "deberta", "bpe", {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
    Family("DeBERTa-v2", "deberta-v2", "unigram", {
        "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 16,
        "share_att_key": True, "position_biased_input": False}),
    Family("MPNet", "mpnet"),
    Family("ModernBERT", "modernbert", "bpe", {"global_attn_every_n_layers": 2, "local_attention": 8}),
    Family("CamemBERT", "camembert", "unigram"),
    Family("XLNet", "xlnet", "unigram", {"max_position_embeddings": ABSENT, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48}),  # noqa: E501
    Family("Funnel", "funnel", settings={
        "num_hidden_layers": ABSENT, "block_sizes": [1, 1], "num_decoder_layers": 1, "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 48}),  # noqa: E501
    Family("SqueezeBERT", "squeezebert", settings={"embedding_size": 32}),
    Family("MobileBERT", "mobilebert", settings={
        "embedding_size": 32, "true_hidden_size": 32, "intra_bottleneck_size": 32, "hidden_act": "relu",
        "initializer_range": 0.02}),
    Family("RoFormer", "roformer"),
    Family("Nyströmformer", "nystromformer", settings={"segment_means_seq_len": 64, "num_landmarks": 64}),
    Family("Nyströmformer with landmarks", "nystromformer", settings={"segment_means_seq_len": 64, "num_landmarks": 8}),
    Family("BigBird", "big_bird", "unigram", {"attention_type": "original_full"}),
    Family("Longformer", "longformer", "bpe", {"attention_window": [8, 8]}),
    Family("ESM", "esm", settings={
        "mask_token_id": 4, "layer_norm_eps": 1e-5, "token_dropout": True,
        "emb_layer_norm_before": False, "position_embedding_type": "rotary"}),
    Family("GPT-2", "gpt2", "bpe", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 80}),
    Family("GPT-NeoX", "gpt_neox", "bpe", _DECODER),
    Family("GPT-Neo", "gpt_neo", "bpe", {
        "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 8}),
    Family("GPT-J", "gptj", "bpe", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 80, "rotary_dim": 4}),
    Family("GPT-BigCode", "gpt_bigcode", "bpe", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 80}),
    Family("OpenAI GPT", "openai-gpt", "bpe", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 80}),
    Family("OPT", "opt", "bpe", {**_DECODER, "ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.1}),
    Family("Llama", "llama", "unigram", _DECODER),
    Family("Mistral", "mistral", "unigram", _DECODER),
    Family("Mixtral", "mixtral", "unigram", {**_DECODER, "num_local_experts": 2, "num_experts_per_tok": 1}),
    Family("Qwen2", "qwen2", "bpe", _DECODER),
    Family("Qwen3", "qwen3", "bpe", _DECODER),
    Family("Gemma", "gemma", "unigram", _DECODER),
    Family("Gemma 2", "gemma2", "unigram", _DECODER),
    Family("Gemma 3", "gemma3_text", "unigram", _DECODER),
    Family("T5", "t5", "unigram", _T5),
    Family("mT5", "mt5", "unigram", _T5),
    Family("UMT5", "umt5", "unigram", _T5),
    Family("BART", "bart", "bpe", _SEQ2SEQ),
    Family("mBART", "mbart", "unigram", _SEQ2SEQ),
    Family("PLBart", "plbart", "unigram", _SEQ2SEQ),
    Family("MVP", "mvp", "bpe", _SEQ2SEQ),
    Family("ERNIE", "ernie"),
    Family("data2vec-text", "data2vec-text", "bpe"),
    Family("BLOOM", "bloom", "bpe", {"n_layer": 2, "n_head": 4}),
    Family("Falcon", "falcon", "bpe", {"new_decoder_architecture": False}),
    Family("Phi", "phi", "bpe", {"bos_token_id": 1, "eos_token_id": 2}),
    Family("Phi-3", "phi3", "unigram", _DECODER),
    Family("StableLM", "stablelm", "bpe", _DECODER),
    Family("StarCoder2", "starcoder2", "bpe", _DECODER),
    Family("OLMo 2", "olmo2", "bpe", _DECODER),
    Family("SmolLM3", "smollm3", "bpe", _DECODER),
    Family("GLM", "glm", "bpe", _DECODER),
    Family("Nemotron", "nemotron", "unigram", _DECODER),
    Family("MPT", "mpt", "bpe", {"d_model": 32, "n_heads": 4, "n_layers": 2, "expansion_ratio": 2, "max_seq_len": 80}),
    Family("BioGPT", "biogpt", "bpe"),
    Family("CTRL", "ctrl", "bpe", {"n_embd": 32, "dff": 48, "n_layer": 2, "n_head": 4, "n_positions": 80}),
    Family("XLM", "xlm", settings={"emb_dim": 32, "n_layers": 2, "n_heads": 4, "use_lang_emb": False, "pad_index": 0}),
    Family("FlauBERT", "flaubert", settings={"emb_dim": 32, "n_layers": 2, "n_heads": 4, "pad_index": 0}),
    Family("FNet", "fnet", "unigram"),
    Family("ConvBERT", "convbert", settings={"embedding_size": 16, "head_ratio": 2, "conv_kernel_size": 3}),
    Family("LayoutLM", "layoutlm"),
    Family("LiLT", "lilt", "bpe", {"hidden_size": 48}),
    Family("MarkupLM", "markuplm", "bpe"),
    Family("Megatron-BERT", "megatron-bert"),
    Family("RemBERT", "rembert", "unigram", {"input_embedding_size": 16, "output_embedding_size": 16}),
    Family("RoBERTa-PreLayerNorm", "roberta-prelayernorm", "bpe"),
    Family("XLM-RoBERTa-XL", "xlm-roberta-xl", "unigram"),
    Family("X-MOD", "xmod", "unigram", {"languages": ["en_XX"], "default_language": "en_XX"}),
    Family("RoCBert", "roc_bert"),
    Family("EuroBERT", "eurobert", "bpe", _DECODER),
    Family("Nomic BERT", "nomic_bert"),
    Family("GTE", "gte"),
    Family("I-BERT", "ibert", "bpe"),
    Family("I-BERT in integers", "ibert", "bpe", {"quant_mode": True}),
    Family("YOSO", "yoso"),
    Family("MRA", "mra"),
    Family("LUKE", "luke", "bpe", {"entity_vocab_size": 10, "entity_emb_size": 16}),
    Family("CANINE", "canine", settings={"num_hash_buckets": 64, "local_transformer_stride": 8, "downsampling_rate": 2}),  # noqa: E501
    Family("Perceiver", "perceiver", settings={"d_model": 32, "d_latents": 32, "num_latents": 8,
        "num_self_attends_per_block": 2, "num_self_attention_heads": 4, "num_cross_attention_heads": 4}),
    Family("Reformer", "reformer", "unigram", {
        "attn_layers": ["local", "local"], "axial_pos_shape": [8, 10], "axial_pos_embds_dim": [16, 16],
        "attention_head_size": 8, "feed_forward_size": 48, "local_attn_chunk_length": 8, "is_decoder": False}),
    Family("Arcee", "arcee", "bpe", _DECODER),
    Family("BigBird-Pegasus", "bigbird_pegasus", "unigram", {**_SEQ2SEQ, "attention_type": "original_full"}),
    Family("DeepSeek-V2", "deepseek_v2", "bpe", {**_LATENT, **_EXPERTS}),
    Family("DeepSeek-V3", "deepseek_v3", "bpe", {**_LATENT, **_EXPERTS}),
    Family("DiffLlama", "diffllama", "bpe", _DECODER),
    Family("Doge", "doge", "bpe", _DECODER),
    Family("ESM C", "esmc"),
    Family("EXAONE 4", "exaone4", "bpe", _DECODER),
    Family("GLM-4", "glm4", "bpe", _DECODER),
    Family("GPT-SW3", "gpt-sw3", "bpe", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 80}),
    Family("GPT-OSS", "gpt_oss", "bpe", {**_DECODER, "num_local_experts": 4, "num_experts_per_tok": 2}),
    Family("Helium", "helium", "bpe", _DECODER),
    Family("Hunyuan", "hunyuan_v1_dense", "bpe", _DECODER),
    Family("Hunyuan MoE", "hunyuan_v1_moe", "bpe", {**_DECODER, "num_experts": 4, "moe_topk": 2}),
    Family("Jamba", "jamba", "bpe", {
        **_DECODER, "num_experts": 1, "use_mamba_kernels": False, "mamba_d_state": 4, "mamba_dt_rank": 4,
        "attn_layer_period": 2, "attn_layer_offset": 1}),
    Family("JetMoe", "jetmoe", "bpe", {**_DECODER, "num_local_experts": 4, "num_experts_per_tok": 2}),
    Family("Jina Embeddings v3", "jina_embeddings_v3", "unigram"),
    Family("LayoutLMv3", "layoutlmv3", "bpe", {"coordinate_size": 4, "shape_size": 8}),
    Family("MiniCPM3", "minicpm3", "bpe", _LATENT),
    Family("MiniMax", "minimax", "bpe", {**_DECODER, "num_local_experts": 4, "num_experts_per_tok": 2}),
    Family("Ministral", "ministral", "bpe", _DECODER),
    Family("Ministral 3", "ministral3", "bpe", _DECODER),
    Family("ModernBERT decoder", "modernbert-decoder", "bpe", {"global_attn_every_n_layers": 2, "local_attention": 8}),
    Family("OLMo", "olmo", "bpe", _DECODER),
    Family("OLMo 3", "olmo3", "bpe", _DECODER),
    Family("Persimmon", "persimmon", "bpe", _DECODER),
    Family("Phi-3.5 MoE", "phimoe", "bpe", {**_DECODER, "num_local_experts": 4}),
    Family("Qwen2 MoE", "qwen2_moe", "bpe", {
        **_DECODER, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16}),
    Family("Qwen3 MoE", "qwen3_moe", "bpe", {
        **_DECODER, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}),
    Family("Qwen3.5", "qwen3_5_text", "bpe", _DELTA),
    Family("Qwen3-Next", "qwen3_next", "bpe", {**_DELTA, "num_experts": 0, "mlp_only_layers": [0, 1]}),
    Family("Seed-OSS", "seed_oss", "bpe", _DECODER),
    Family("TAPAS", "tapas"),
    Family("UltraBERT", "ultrabert"),
    Family("Zamba2", "zamba2", "bpe", {
        **_DECODER, "num_key_value_heads": 4, "layers_block_type": ["mamba", "hybrid"],
        "layer_types": ["mamba", "hybrid"], "mamba_d_state": 8, "mamba_headdim": 8, "n_mamba_heads": 8,
        "mamba_ngroups": 1, "chunk_size": 8, "num_mem_blocks": 1, "use_mem_rope": True, "adapter_rank": 8}),
    Family("A.X K1", "axk1", "bpe", {**_LATENT, **_EXPERTS}),
    Family("A.X K2", "axk2", "bpe", {**_LATENT, **_EXPERTS}),
    Family("Mistral 4", "mistral4", "bpe", {**_LATENT, **_EXPERTS, "rope_parameters": {
        "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5, "llama_4_scaling_beta": 0.1,
        "original_max_position_embeddings": 80}}),
    Family("T5Gemma", "t5gemma", "unigram", {
        **_OUTER, "vocab_size": VOCABULARY, "encoder": _WINDOWED, "decoder": _WINDOWED}),
    Family("Gemma 3 with images", "gemma3", "unigram", {
        **_OUTER, "text_config": _WINDOWED, "vision_config": _VISION, "mm_tokens_per_image": 4,
        "boi_token_index": VOCABULARY - 3, "eoi_token_index": VOCABULARY - 2, "image_token_index": VOCABULARY - 1}),
    Family("ModernVBERT", "modernvbert", "bpe", {
        **_OUTER, "text_config": {**_INNER, "global_attn_every_n_layers": 2, "local_attention": 8},
        "vision_config": _VISION, "image_token_id": VOCABULARY - 1}),
)  # fmt: skip

UNTRIED = ("cohere_compass_text", "layoutlmv2", "qwen3_5", "t5gemma2", "ultravbert", "zamba")
"""What transformers 5.23 has beside them: it needs detectors or images, or no tiny configuration of it builds."""


@cache
def tokenizer(kind: str) -> Any:
    """A tiny fast tokenizer: `wordpiece` as BERT's, `bpe` over bytes as RoBERTa's, `unigram` as XLM-R's."""
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    if kind == "wordpiece":
        found = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        found.normalizer = normalizers.BertNormalizer()
        found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        found.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    elif kind == "bpe":
        found = Tokenizer(models.BPE())
        found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        found.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=special, show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
    else:
        found = Tokenizer(models.Unigram())
        found.normalizer = normalizers.NFKC()
        found.pre_tokenizer = pre_tokenizers.Metaspace()
        found.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=VOCABULARY,
            special_tokens=special,
            unk_token="[UNK]",
            show_progress=False,
        )
    found.train_from_iterator(CORPUS * 4, trainer)
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=found, model_max_length=70, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        unk_token="[UNK]", mask_token="[MASK]",
        model_input_names=["input_ids", *(["token_type_ids"] if kind == "wordpiece" else []), "attention_mask"],
    )  # fmt: skip


def build(family: Family, **settings: Any) -> Any:
    """A tiny model of a family with fixed random weights."""
    values = {**_SMALL, **family.settings, **settings}
    config = CONFIG_MAPPING[family.model_type](**{name: v for name, v in values.items() if v != ABSENT})
    torch.manual_seed(0)
    made = AutoModelForSequenceClassification.from_config(
        config, attn_implementation="eager", experts_implementation="eager"
    )
    return made.float().eval()


def classifier(family: Family, smoothing: float | str = "auto", **settings: Any) -> Any:
    """A tiny classifier of a family behind the front door."""
    model = build(family, **settings).requires_grad_(requires_grad=False)
    info = ModelInfo("tiny", None, type(model).__name__, "", "float32")
    return assemble(model, tokenizer(family.tokenizer), info, ModelSection(smoothing=smoothing))


def family_of(name: str) -> Family:
    """A family by its name in prose."""
    return next(family for family in FAMILIES if family.name == name)


def save(folder: Path, name: str = "BERT", **settings: Any) -> Path:
    """A family's tiny model and tokenizer as a folder, the way that they are published."""
    family = family_of(name)
    build(family, **settings).save_pretrained(folder)
    tokenizer(family.tokenizer).save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Finding:
    """What examining a family gave: whether it is supported, and how its embeddings enter or why it is refused."""

    supported: bool
    detail: str


def finding(made: Any, report: Any) -> Finding:
    """A classifier's preflight in a few words, without the name of its class."""
    if not report.ok:
        reasons = [check.detail.partition(" cannot be explained: ")[2] for check in report.checks if not check.ok]
        return Finding(supported=False, detail=" ".join(reasons))
    way = "`inputs_embeds`" if made.adapter.route == "inputs_embeds" else "hook on the embedding layer"
    smoothed = sorted(set(made.kinks) & SMOOTHED)
    kinks = f"; smoothed: {', '.join(f'`{name}`' for name in smoothed)}" if smoothed else ""
    return Finding(supported=True, detail=way + kinks)


def examine(family: Family) -> Finding:
    """The finding of a family's tiny model."""
    made = classifier(family)
    return finding(made, made.preflight(made.encode(TEXT, units=UnitsSection()), thorough=True))


def table(findings: Mapping[str, Finding]) -> str:
    """The Markdown lists, families with the same finding in one entry; more families come first."""
    entries: dict[Finding, list[str]] = {}
    for name, found in findings.items():
        entries.setdefault(found, []).append(name)
    order = sorted(entries.items(), key=lambda entry: (-len(entry[1]), _listed(entry[1]).casefold()))
    supported = [f"- {found.detail} ({len(names)}): {_listed(names)}." for found, names in order if found.supported]
    refused = [f"- **{_listed(names)}**: {found.detail}" for found, names in order if not found.supported]
    lines = [SUPPORTED, "", *supported, "", REFUSED, "", *refused, "", summary(findings)]
    return "\n".join(lines) + "\n"


def _listed(names: list[str]) -> str:
    return ", ".join(sorted(names, key=str.casefold))


def summary(findings: Mapping[str, Finding]) -> str:
    """How many are supported, and those for which transformers brings no fast tokenizer."""
    supported = [name for name, found in findings.items() if found.supported]
    slow = [name for name in supported if _own_tokenizer_is_slow(family_of(name).model_type)]
    return (
        f"{len(supported)} of {len(findings)} are supported. A fast tokenizer (`tokenizer.json`) is always needed, and "
        f"transformers has none of its own for {', '.join(slow[:-1])} and {slow[-1]}."
    )


def _own_tokenizer_is_slow(model_type: str) -> bool:
    name = TOKENIZER_MAPPING_NAMES.get(model_type)
    return name is not None and not issubclass(tokenizer_class_from_name(name), PreTrainedTokenizerFast)


def read_table(text: str) -> dict[str, Finding]:
    """The findings that a page holds."""
    supported, _, refused = text.partition(REFUSED)
    entries = [
        *(
            (names, Finding(supported=True, detail=d))
            for d, names in re.findall(SUPPORTED_ENTRY, supported, re.MULTILINE)
        ),
        *((names, Finding(supported=False, detail=d)) for names, d in re.findall(REFUSED_ENTRY, refused, re.MULTILINE)),
    ]
    return {name: found for names, found in entries for name in names.split(", ")}


def main() -> None:
    """Renew the table between its two marks."""
    page = Path(__file__).parents[2] / "configs/docs/reference/architectures.md"
    fresh = table({family.name: examine(family) for family in FAMILIES})
    before, start, rest = page.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    page.write_text(f"{before}{start}\n{fresh}{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
