"""Models that are close relatives of another one of the sweep: only `--all` takes them in.

The sweep has one model a family, so that it is done in an hour; these are the others.
"""

from __future__ import annotations

_RELATIVES = {
    "timm": """
        convnext-v2 cspresnext cspdarknet cs3darknet cspnext densenet-blur dla-x ghostnet-v2
        ghostnet-v3 hgnet-v2 pnasnet nf-resnet nf-regnet regnet-v regnet-z res2next resnet-
        bottleneck resnet-rs resnet-aa resnext seresnet resnet-v2-basic rexnetr senet-154 vgg-bn
        vovnet-ese xception-aligned xception-aligned-preact efficientnet-v2 mixnet mnasnet
        fbnet-c efficientnet-evo-norm mobilenet-v4-hybrid lcnet fbnet-v3 hardcorenas
        mobilenet-v5 gernet repvgg mobileone resnet-eca-tiered resnet-51q regnet-z-byob
        inception-resnet-v2 inception-v3 coat-lite deit3 efficientvit-mit efficientvit-large
        eva-dinov3 eva-giant fastvit-attention gemma4-vit hieradet-sam2 levit-conv metaformer-
        pool-v2 metaformer-conv gmixer mobilevit pvt-v2-linear qwen3-vit swin-s3 swin-v2-cr
        twins-pcpvt vit-siglip vit-parallel vit-registers vit-srelpos vit-sam mvit-v2-class
        botnet resnet-gc deepseek-vit nasnet inception-v4 hrnet""",
    "transformers": """
        wav2vec2-adapter unispeech unispeech-sat data2vec-audio wav2vec2-conformer-rotary
        parakeet-encoder metaclip-2 owlv2 blip-captioning lilt smolvlm patchtst-classification
        patchtsmixer-attention informer t5-gated mt5 mbart marian pegasus blenderbot-small
        plbart mvp granitemoe granitemoe-shared dots1 glm4-moe ernie4-5-moe hunyuan-moe afmoe
        minimax-m2 lfm2-moe flex-olmo jetmoe qwen3-moe falcon-mamba zamba bamba granitemoe-
        hybrid nemotron-h qwen3-5 olmo-hybrid minimax ministral qwen3 gemma gemma2 vaultgemma
        phi olmo olmo3 cohere2 granite persimmon glm glm4 smollm3 helium exaone4 ernie4-5 arcee
        apertus seed-oss hunyuan-dense gpt-neox-japanese minicpm3 nanochat doge biogpt
        modernbert-decoder gpt1 gpt-bigcode opt-projected falcon-multi-query falcon-alibi trocr
        cpmant roberta-prelayernorm xlm-roberta xlm-roberta-xl camembert data2vec-text megatron-
        bert rembert ernie splinter eurobert flaubert reformer-lsh vit-msn ijepa data2vec-vision
        dinov2-with-registers siglip-vision segformer-classifier mobilenet-v1 resnet-basic pvt
        pvt-v2-linear perceiver-image dinov3-vit-gated aimv2 imagegpt-pixels beit-segmentation
        mobilevit-deeplab upernet-swin depth-anything zoedepth detr-segmentation table-
        transformer dab-detr rt-detr-v2 d-fine mask2former vivit vjepa2 mobilevit qwen2 phi3
        olmo2 hubert nllb-moe longt5-global wav2vec2-conformer m2m-100 blenderbot bigbird-
        pegasus conditional-detr rt-detr oneformer vitpose idefics3 blip-2 musicgen olmoe
        longcat-flash xlstm hgnet-v2 textnet""",
    "diffusers": """
        unet-2d-shift unet-2d-skip unet-condition-linear unet-simple-cross unet-motion unet-
        spatio-temporal kandinsky3 vq-model-spatial autoencoder-temporal sd3-dual sd3-controlnet
        chroma auraflow cogview3 ltx-video mochi wan allegro autoencoder-cogvideox autoencoder-
        asymmetric hunyuan-dit latte unet-3d-condition""",
    "smp": """
        unet-scse unet-classifier unet-mobilenet unet-efficientnet unet-resnext unet-vgg unet-
        timm""",
    "monai": """
        unet-3d basic-unet-plus-plus dynunet-supervised segresnet-ds swin-unetr-v2 vit-
        autoencoder regressor generator classifier autoencoder-kl multiscale-discriminator
        voxelmorph ahnet spade-diffusion-unet controlnet hovernet senet multiple-instances
        decoder-transformer localnet globalnet daf3d restormer mednext efficientnet""",
    "vit-pytorch": """
        simple-vit-qk-norm simple-vit-registers simple-vit-value-residual simple-vit-hyper-
        connections simple-vit-attention-residual simple-uvit maxvit-registers small-dataset-vit
        nvit jumbo-vit vit-5 looped-vit vit-detpool simple-vit-3d vivit-attention simple-vit-1d
        parallel-vit simple-vit vit-1d sep-vit regionvit""",
    "x-transformers": """
        dynamic-bias polar memory-key-values grouped-query value-head-gates dynamic-tanh gate-
        residual macaron sandwich shift-tokens residual-attention value-residual hyper-
        connections layer-scale relu-squared layer-integration continuous vit scalenorm one-key-
        value-head xpos""",
    "torch-geometric": """
        gcn-jumping pmlp rect ar-link-predictor gcn-conv gat-conv-mean sage-conv sage-conv-lstm
        ssg-conv arma-conv-shared mixhop-conv cluster-gcn-conv gen-conv-power general-conv pdn-
        conv feast-conv le-conv eg-conv film-conv rgcn-conv-bases gmm-conv gin-conv agnn-conv
        antisymmetric-conv dir-conv gps-conv-performer rev-gnn point-transformer-conv point-gnn-
        conv han-conv global-mean gru-aggregation set-transformer graph-multiset multi-
        aggregation sag-pooling neural-fingerprint sgformer polynormer signed-gcn gcn2 fagcn
        linkx tag-conv sg-conv res-gated-conv supergat-conv pna-towers deep-sets softmax-
        aggregation""",
    "neuralop": "fno-3d fno-norm fno-separable fno-padded tfno-cp tfno-tt",
    "nflows": """
        maf-plain maf-batch-norm autoregressive-quadratic autoregressive-rational spline-linear
        spline-cubic naive-linear svd-linear nice""",
    "normflows": "affine-coupling invertible-affine maf spline-autoregressive radial",
    "open-clip": "clip-vit-quick clip-vit-average clip-vit-pooler siglip clip-timm",
    "mambapy": "mamba-norms mamba-sequential",
}

WIDE = frozenset(
    f"{library}/{name}" for library, names in _RELATIVES.items() for name in names.split()
)
