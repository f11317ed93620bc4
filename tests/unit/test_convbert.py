"""The ConvBERT mixer against the implementation in transformers, one unit at a time."""

from __future__ import annotations

import torch
from transformers import ConvBertConfig
from transformers.models.convbert.modeling_convbert import ConvBertLayer

from heads.mixers.convbert import ConvBertMixer
from heads.ragged import Segments

WIDTH = 48


def copy_weights(mixer: ConvBertMixer, layer: ConvBertLayer) -> None:
    attention = layer.attention.self
    pairs = [
        (mixer.query, attention.query),
        (mixer.key, attention.key),
        (mixer.value, attention.value),
        (mixer.kernel_weights, attention.conv_kernel_layer),
        (mixer.convolved, attention.conv_out_layer),
        (mixer.mix, layer.attention.output.dense),
        (mixer.mix_norm, layer.attention.output.LayerNorm),
        (mixer.expand, layer.intermediate.dense),
        (mixer.contract, layer.output.dense),
        (mixer.out_norm, layer.output.LayerNorm),
    ]
    with torch.no_grad():
        for ours, theirs in pairs:
            ours.load_state_dict(theirs.state_dict())
        span = attention.key_conv_attn_layer
        mixer.span_depthwise.weight.copy_(span.depthwise.weight)
        mixer.span_pointwise.weight.copy_(span.pointwise.weight.squeeze(2))
        span.bias.normal_()
        mixer.span_pointwise.bias.copy_(span.bias.squeeze(1))


def test_equals_transformers_and_ignores_the_batch() -> None:
    torch.manual_seed(0)
    config = ConvBertConfig(
        hidden_size=WIDTH,
        num_attention_heads=8,
        head_ratio=2,
        conv_kernel_size=7,
        intermediate_size=WIDTH // 2,
    )
    layer = ConvBertLayer(config).eval()
    mixer = ConvBertMixer(WIDTH).eval()
    copy_weights(mixer, layer)
    lengths = [1, 3, 40, 7, 40]
    values = torch.randn(sum(lengths), WIDTH)
    with torch.no_grad():
        ours = mixer(values, Segments.from_lengths(lengths))
        theirs = torch.cat([layer(unit.unsqueeze(0))[0].view(-1, WIDTH) for unit in values.split(lengths)])
    assert torch.allclose(ours, theirs, atol=1e-5)
