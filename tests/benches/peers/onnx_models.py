"""Exports torchvision's and timm's architectures with random weights and records what onnxruntime computes at every node.

    python tests/benches/peers/onnx_models.py FOLDER [--timm] [--all] [--only NAME…] [--given FILE.onnx…]
    cargo bench --bench onnx -- FOLDER

Needs torch, torchvision, onnx, onnxscript and onnxruntime, and timm for its own. Each case becomes a folder with model.onnx, input.bin (f32,
`[2, 3, h, w]`), values.bin (f32, every float value of the graph behind each other) and values.json (what lies
where). Batch normalisation gets random moments, so that folding it is checked as well. Gradients come from PyTorch:
of the sum of the logits, weighted with sin(class), to the image.
"""

import argparse
import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision

warnings.filterwarnings("ignore")

# Architecture → sizes; the second number is the batch that the file is fixed to (0 = open).
CASES = [
    ("resnet18", 96), ("mobilenet_v3_small", 96), ("shufflenet_v2_x1_0", 96), ("convnext_tiny", 64),
    ("efficientnet_b0", 64), ("googlenet", 96), ("densenet121", 64), ("squeezenet1_1", 96), ("mobilenet_v2", 64),
    ("mnasnet0_5", 96), ("regnet_y_400mf", 64), ("inception_v3", 107), ("alexnet", 224), ("vgg11_bn", 64),
    ("resnet50", 64), ("resnext50_32x4d", 64), ("wide_resnet50_2", 64), ("regnet_x_400mf", 64),
    ("mobilenet_v3_large", 64), ("swin_t", 64), ("vit_b_32", 64),
    ("swin_v2_t", 64), ("efficientnet_v2_s", 64), ("maxvit_t", 224), ("shufflenet_v2_x0_5", 64), ("densenet169", 64),
]
# One of each kind in timm, as small as the family has it.
TIMM = [
    ("ghostnet_100", 96), ("ghostnetv2_100", 96), ("dla34", 96), ("dpn48b", 96), ("cspdarknet53", 64), ("darknet17", 64),
    ("hrnet_w18_small", 96), ("res2net50_26w_4s", 64), ("resnest14d", 96), ("skresnet18", 96), ("legacy_seresnet18", 96),
    ("seresnext26t_32x4d", 64), ("rexnet_100", 64), ("selecsls42b", 96), ("tresnet_m", 96), ("ese_vovnet19b_dw", 96),
    ("xception41", 96), ("legacy_xception", 96), ("inception_v4", 107), ("inception_resnet_v2", 107), ("nf_resnet26", 64),
    ("nfnet_l0", 96), ("dm_nfnet_f0", 64), ("resnetv2_50", 64), ("resnetv2_50d_gn", 64), ("repvgg_a0", 96),
    ("mobileone_s0", 96), ("fastvit_t8", 128), ("fasternet_t0", 96), ("edgenext_xx_small", 96), ("efficientformer_l1", 224),
    ("efficientformerv2_s0", 224), ("efficientvit_b0", 96), ("efficientvit_m0", 224), ("mobilevit_xxs", 128),
    ("mobilevitv2_050", 128), ("mobilenetv4_conv_small", 96), ("lcnet_050", 96), ("tinynet_e", 96), ("mixnet_s", 96),
    ("hardcorenas_a", 96), ("hgnetv2_b0", 96), ("regnety_002", 96), ("regnetz_005", 96), ("ecaresnet26t", 64),
    ("lambda_resnet26t", 96), ("botnet26t_256", 256), ("gcresnet33ts", 96), ("coatnet_nano_rw_224", 224),
    ("convmixer_768_32", 96), ("convnextv2_atto", 64), ("poolformer_s12", 96), ("convformer_s18", 96),
    ("inception_next_atto", 96), ("focalnet_tiny_srf", 96), ("davit_tiny", 224), ("starnet_s1", 96), ("repghostnet_050", 96),
    ("repvit_m0_9", 96), ("swiftformer_xs", 96), ("shvit_s1", 128), ("mambaout_femto", 96), ("rdnet_tiny", 96),
    ("levit_128s", 224), ("nextvit_small", 96), ("mixer_s32_224", 224), ("visformer_tiny", 224), ("tiny_vit_5m_224", 224),
    ("twins_svt_small", 224), ("pvt_v2_b0", 96), ("xcit_nano_12_p16_224", 224), ("vit_tiny_patch16_224", 224),
    ("vit_tiny_r_s16_p8_224", 224), ("res2next50", 64), ("cspresnext50", 64), ("haloregnetz_b", 224),
    ("eca_halonext26ts", 256), ("resnet10t", 96), ("vovnet39a", 64), ("pnasnet5large", 171), ("nasnetalarge", 171),
    ("pit_ti_224", 224), ("gcvit_xxtiny", 224), ("hiera_tiny_224", 224), ("mobilenet_edgetpu_v2_xs", 96), ("semnasnet_050", 96),
    ("spnasnet_100", 96), ("fbnetv3_b", 96), ("crossvit_tiny_240", 240), ("sequencer2d_s", 224), ("resmlp_12_224", 224),
    ("cait_xxs24_224", 224), ("volo_d1_224", 224), ("mvitv2_tiny", 224), ("nest_tiny", 224), ("beit_base_patch16_224", 224),
]
# How each is exported: TorchScript and dynamo, several operator sets, with an open or a fixed batch (True, False).
SCRIPT = [("script", 11, True), ("script", 13, False), ("script", 17, True)]
DYNAMO = [("dynamo", 18, False), ("dynamo", 20, True)]


def randomise(model, seed, zeros=False):
    """Random weights, with moments of batch normalisation that are not 0 and 1; `zeros`: also where a fresh network has
    zeros (a branch that ends in one, a transformer's class token)."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # timm's BatchNormAct2d is one too.
            n = module.num_features
            module.running_mean = torch.randn(n, generator=generator) * 0.1
            module.running_var = torch.rand(n, generator=generator) + 0.5
            module.weight.data = torch.rand(n, generator=generator) * 0.5 + 0.75
            module.bias.data = torch.randn(n, generator=generator) * 0.1
    for name, parameter in model.named_parameters():
        if name.endswith("layer_scale"):
            parameter.data = torch.rand(parameter.shape, generator=generator) * 0.5
        if name.startswith("heads.head") or (zeros and not parameter.any()):
            # Zero in a fresh vision transformer.
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.05
    return model.eval()


def build(name, seed):
    torch.manual_seed(seed)
    if not hasattr(torchvision.models, name):
        import timm

        return randomise(timm.create_model(name, pretrained=False), seed, zeros=True)
    extra = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    if name == "vit_b_32":
        extra["image_size"] = 64
    return randomise(getattr(torchvision.models, name)(weights=None, **extra), seed)


def export(model, image, path, way, opset, open_batch):
    if way == "script":
        axes = {"x": {0: "batch", 2: "height", 3: "width"}} if open_batch else None
        torch.onnx.export(model, (image,), path, dynamo=False, opset_version=opset, input_names=["x"],
                          output_names=["logits"], dynamic_axes=axes)
    else:
        dims = {0: torch.export.Dim("batch", min=1, max=64)} if open_batch else None
        torch.onnx.export(model, (image,), path, dynamo=True, opset_version=opset, input_names=["x"],
                          output_names=["logits"], dynamic_shapes=({**dims},) if dims else None, verbose=False,
                          external_data=False)


def record(folder, path, image, gradient):
    """Every float value of the graph by onnxruntime, with all graph optimisations off."""
    model = onnx.load(path)
    kept = {output.name for output in model.graph.output}
    typed = {info.name: info.type.tensor_type.elem_type for info in onnx.shape_inference.infer_shapes(model).graph.value_info}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in kept and typed.get(name, 1) == 1:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    fixed = session.get_inputs()[0].shape[0]
    images = [image] if not isinstance(fixed, int) or fixed == image.shape[0] else [image[i : i + 1] for i in range(image.shape[0])]
    if session.get_inputs()[0].shape[-1] == 3:
        images = [part.transpose(0, 2, 3, 1).copy() for part in images]
    names = [output.name for output in session.get_outputs()]
    runs = [session.run(names, {name: part}) for part in images]
    about, where = {}, 0
    with open(folder / "values.bin", "wb") as data:
        for idx, key in enumerate(names):
            parts = [np.asarray(run[idx]) for run in runs]
            if parts[0].dtype != np.float32 or parts[0].size == 0:
                continue
            # One batch after another; what does not depend on the image is the same in each.
            about[key] = {"shape": list(parts[0].shape), "offset": where, "runs": len(parts)}
            for part in parts:
                data.write(part.tobytes())
                where += part.size
    image.tofile(folder / "input.bin")
    if gradient is not None:
        gradient.tofile(folder / "gradient.bin")
    output = model.graph.output[0].name
    (folder / "values.json").write_text(json.dumps({"input": list(image.shape), "output": output, "values": about}))
    return len(about)


def one(folder, name, size, way, opset, open_batch):
    case = folder / f"{name}-{way}{opset}{'' if open_batch else '-fixed'}"
    if (case / "values.json").exists():
        return
    case.mkdir(parents=True, exist_ok=True)
    model = build(name, 7)
    image = torch.from_numpy(np.random.default_rng(3).standard_normal((2, 3, size, size), dtype=np.float32))
    export(model, image if open_batch else image[:1], case / "model.onnx", way, opset, open_batch)
    leaf = image.clone().requires_grad_()
    logits = model(leaf)
    (logits * torch.sin(torch.arange(logits.shape[1]))).sum().backward()
    n = record(case, case / "model.onnx", image.numpy(), leaf.grad.numpy())
    print(f"{case.name}: {n} values", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--timm", action="store_true", help="timm's architectures instead of torchvision's")
    parser.add_argument("--all", action="store_true", help="every way for every architecture, not two of five")
    parser.add_argument("--given", nargs="*", type=pathlib.Path, default=[])
    arguments = parser.parse_args()
    for path in arguments.given:
        case = arguments.folder / path.stem
        case.mkdir(parents=True, exist_ok=True)
        (case / "model.onnx").write_bytes(path.read_bytes())
        shape = [dim.dim_value for dim in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
        size = [2, 3, shape[2] or 224, shape[3] or 224]
        image = np.random.default_rng(3).standard_normal(size, dtype=np.float32) * 50
        print(f"{case.name}: {record(case, path, image, None)} values", flush=True)
    if arguments.given:
        return
    for idx, (name, size) in enumerate(TIMM if arguments.timm else CASES):
        if arguments.only and name not in arguments.only:
            continue
        ways = SCRIPT + DYNAMO if arguments.all else [SCRIPT[idx % 3], DYNAMO[idx % 2]]
        if arguments.timm and not arguments.all:
            # Attention as one operator came with set 14.
            ways = [(way, max(opset, 14), open_batch) for way, opset, open_batch in ways[idx % 2 :][:1]]
        for way, opset, open_batch in ways:
            try:
                one(arguments.folder, name, size, way, opset, open_batch)
            except Exception as error:  # An export that fails is no case of ours, but is said.
                print(f"{name}-{way}{opset}: not exported: {type(error).__name__}: {str(error)[:200]!r}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
