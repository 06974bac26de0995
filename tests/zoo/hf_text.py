"""Language models of `transformers`, from tiny configurations with random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tests.zoo import libraries
from tests.zoo.case import Case, Sample

VOCABULARY = 17


def model(kind: str, config: str, **options: Any) -> Any:
    """`transformers.<kind>` with `<config>(**options)`; attention through sdpa."""
    package = libraries.transformers()
    return getattr(package, kind)(getattr(package, config)(**options))


def ids(batch: int, size: int) -> torch.Tensor:
    """Random token ids without the special ones at the start of the vocabulary."""
    return torch.randint(3, VOCABULARY, (batch, size))


def _text(make: Callable[[], Any]) -> Callable[[int, int], Sample]:
    return lambda batch, size: (make(), (), {"input_ids": ids(batch, size)})


def _gpt2() -> Any:
    return model("GPT2LMHeadModel", "GPT2Config", vocab_size=VOCABULARY, n_positions=12, n_embd=8,
                 n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)  # fmt: skip


def _decoder(kind: str, config: str, **options: Any) -> Callable[[], Any]:
    """A Llama-like decoder: rotary positions, grouped queries, SwiGLU, RMSNorm."""
    settings = {
        "vocab_size": VOCABULARY, "hidden_size": 8, "intermediate_size": 12,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 32, "head_dim": 4, "pad_token_id": 0, **options,
    }  # fmt: skip
    return lambda: model(kind, config, **settings)


def _encoder(kind: str, config: str, **options: Any) -> Callable[[], Any]:
    """A BERT-like encoder."""
    settings = {
        "vocab_size": VOCABULARY, "hidden_size": 8, "intermediate_size": 12,
        "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 12,
        "type_vocab_size": 2, **options,
    }  # fmt: skip
    return lambda: model(kind, config, **settings)


def _distilbert() -> Any:
    return model("DistilBertForSequenceClassification", "DistilBertConfig", vocab_size=VOCABULARY,
                 dim=8, n_layers=2, n_heads=2, hidden_dim=12,
                 max_position_embeddings=12)  # fmt: skip


def _t5(batch: int, size: int) -> Sample:
    net = model("T5ForConditionalGeneration", "T5Config", vocab_size=VOCABULARY, d_model=8, d_kv=4,
                d_ff=12, num_layers=2, num_heads=2, relative_attention_num_buckets=8,
                relative_attention_max_distance=16, decoder_start_token_id=0)  # fmt: skip
    return net, (), {"input_ids": ids(batch, size), "decoder_input_ids": ids(batch, size - 1)}


def _bart(batch: int, size: int) -> Sample:
    net = model("BartForConditionalGeneration", "BartConfig", vocab_size=VOCABULARY, d_model=8,
                encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, pad_token_id=1,
                decoder_attention_heads=2, encoder_ffn_dim=12, decoder_ffn_dim=12,
                max_position_embeddings=16, decoder_start_token_id=2)  # fmt: skip
    return net, (), {"input_ids": ids(batch, size), "decoder_input_ids": ids(batch, size - 1)}


_LLAMA = {
    "model.embed_tokens.weight": VOCABULARY, "model.layers.0.self_attn.q_proj.weight": 4,
    "model.layers.0.self_attn.k_proj.weight": 4, "model.layers.0.self_attn.v_proj.weight": 1,
    "model.layers.1.self_attn.o_proj.weight": 1, "model.layers.1.mlp.gate_proj.weight": 1,
    "model.layers.1.input_layernorm.weight": 1, "lm_head.weight": VOCABULARY,
}  # fmt: skip
_BERT = {
    "bert.embeddings.word_embeddings.weight": VOCABULARY,
    "bert.encoder.layer.0.attention.self.query.weight": 1,
    "bert.encoder.layer.0.attention.output.dense.weight": 1,
    "bert.encoder.layer.1.intermediate.dense.weight": 1, "classifier.weight": 2,
}  # fmt: skip

CASES: tuple[Case, ...] = (
    Case("gpt2", _text(_gpt2), size=5, resized=6, heavy=True, classes={
        "transformer.wte.weight": VOCABULARY, "transformer.h.0.attn.c_attn.weight": 3,
        "transformer.h.0.attn.c_proj.weight": 1, "transformer.h.1.mlp.c_fc.weight": 1,
        "transformer.ln_f.weight": 1}),
    Case("llama", _text(_decoder("LlamaForCausalLM", "LlamaConfig")), size=5, resized=6,
         classes=_LLAMA,
         heavy=True),
    Case("llama-tied", _text(_decoder("LlamaForCausalLM", "LlamaConfig", tie_word_embeddings=True,
         num_hidden_layers=1)), size=5, resized=6, heavy=True,
         classes={"model.embed_tokens.weight": VOCABULARY}),
    Case("mistral", _text(_decoder("MistralForCausalLM", "MistralConfig", sliding_window=3)),
         size=5, resized=6, classes=_LLAMA, heavy=True),
    Case("qwen2", _text(_decoder("Qwen2ForCausalLM", "Qwen2Config")), size=5, resized=6,
         classes=_LLAMA,
         heavy=True),
    Case("bert", _text(_encoder("BertForSequenceClassification", "BertConfig")), size=5, resized=6,
         classes=_BERT, heavy=True),
    Case("albert", _text(_encoder("AlbertForSequenceClassification", "AlbertConfig",
         embedding_size=6, resized=6)),
         size=5, heavy=True, classes={
             "albert.embeddings.word_embeddings.weight": VOCABULARY,
             "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight": 1,
             "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.query.weight": 1}),
    Case("distilbert", _text(_distilbert), size=5, resized=6, heavy=True, classes={
        "distilbert.transformer.layer.0.attention.q_lin.weight": 1, "classifier.weight": 2}),
    Case("t5", _t5, size=5, resized=6, heavy=True, classes={
        # The last encoder state is an output, so the (tied) features are told apart.
        "shared.weight": VOCABULARY * 8, "encoder.block.0.layer.0.SelfAttention.q.weight": 8,
        "decoder.block.1.layer.2.DenseReluDense.wi.weight": 8}),
    Case("bart", _bart, size=5, resized=6, heavy=True),
)  # fmt: skip
