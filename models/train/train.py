#!/usr/bin/env python3
"""Train the model family `fashion` and write it as ONNX.

Convergo chooses between variants of one family, so its examples and tests need a family whose variants really differ:
in accuracy, in time, and in precision. This script makes one from Fashion-MNIST, from a linear model of a few hundred
weights to a residual net, with int8 forms of the larger ones. It is kept so that anyone can see where the committed
files come from and make them again; nothing in the build, the tests or the demo runs it.

    python3 models/train/train.py                      # everything, one after the other
    python3 models/train/train.py --only fashion-l     # one variant (several: --only A --only B)
    python3 models/train/train.py --only fashion-l-int8   # only quantise OUT/fashion-l/1/model.onnx
    python3 models/train/train.py --evaluate           # train nothing, print the accuracy of what OUT holds
    python3 models/train/train.py --holdout 5000 --out /tmp/try   # compare designs without looking at the test set

No choice here looks at the test images: the schedule is fixed beforehand, the last epoch is the result, and int8 is
calibrated on training images. `--holdout N` keeps the last N training images for comparing designs.
"""
import argparse
import ctypes
import gzip
import math
import os
import pathlib
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch loads; two threads were far slower than one here

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn as nn
import torch.nn.functional as F

DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
MEAN, STD = 0.2860, 0.3530  # of the training pixels, scaled to 0..1
CLASSES = 10
OPSET = 13
CALIBRATION_IMAGES = 1024


# ---- data ------------------------------------------------------------------------------------------------------------

def read_idx(path):
    """The array in a gzipped IDX file (type and dimensions stand in its big-endian header)."""
    with gzip.open(path, "rb") as f:
        raw = f.read()
    dims = raw[3]
    shape = np.frombuffer(raw, ">u4", dims, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape)


def load(split, data):
    """Images as FP32 [n, 1, 28, 28] in 0..1, labels as int64 [n]; split is 'train' or 't10k'."""
    images = read_idx(data / f"{split}-images-idx3-ubyte.gz").astype(np.float32)[:, None] / 255
    labels = read_idx(data / f"{split}-labels-idx1-ubyte.gz").astype(np.int64)
    return torch.from_numpy(images), torch.from_numpy(labels)


def augment(x, flip, shift, erase):
    """Random mirror image, shift by up to `shift` pixels, and a grey rectangle over a share `erase` of the images."""
    n, _, h, w = x.shape
    if flip or shift:
        rows = torch.arange(h).repeat(n, 1)
        cols = torch.arange(w).repeat(n, 1)
        if flip:
            cols = torch.where(torch.rand(n, 1) < 0.5, w - 1 - cols, cols)
        rows = rows + torch.randint(0, 2 * shift + 1, (n, 1))
        cols = cols + torch.randint(0, 2 * shift + 1, (n, 1))
        padded = F.pad(x, (shift,) * 4)
        x = padded[torch.arange(n)[:, None, None], 0, rows[:, :, None], cols[:, None, :]][:, None]
    if erase:
        size = torch.randint(3, 13, (2, n, 1))
        size[:, torch.rand(n) >= erase] = 0
        at = torch.randint(-6, h, (2, n, 1))
        row = (torch.arange(h) >= at[0]) & (torch.arange(h) < at[0] + size[0])
        col = (torch.arange(w) >= at[1]) & (torch.arange(w) < at[1] + size[1])
        x = x.masked_fill((row[:, :, None] & col[:, None, :])[:, None], MEAN)
    return x


# ---- models ----------------------------------------------------------------------------------------------------------

class Normalise(nn.Module):
    """Inside the model, so that every client sends plain 0..1 values and no variant can be fed the wrong scale."""

    def forward(self, x):
        return (x - MEAN) * (1 / STD)


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(*conv(channels, channels), nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
                                  nn.BatchNorm2d(channels))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(x + self.body(x))


def conv(inputs, outputs, stride=1):
    """3x3 convolution, batch-norm (folded into it on export), ReLU."""
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def head(features, pool=False):
    return ([nn.AdaptiveAvgPool2d(1)] if pool else []) + [nn.Flatten(), nn.Linear(features, CLASSES)]


# Each: the layers between normalisation and softmax, and how it is trained. Small nets are limited by what they can
# express, so augmentation only harms them; the larger ones need it, or they learn the training images by heart.
# Widths are multiples of 16 from `m` on because onnxruntime's blocked convolutions want that.
VARIANTS = {
    "fashion-xxs": dict(
        layers=lambda: [nn.AvgPool2d(4)] + head(49),
        epochs=12, lr=0.05, decay=0, smooth=0, flip=False, shift=0, erase=0),
    "fashion-xs": dict(
        layers=lambda: [nn.AvgPool2d(2)] + conv(1, 4, 2) + head(4 * 49),
        epochs=12, lr=0.05, decay=1e-4, smooth=0, flip=False, shift=0, erase=0),
    "fashion-s": dict(
        layers=lambda: conv(1, 8, 2) + [nn.MaxPool2d(2)] + head(8 * 49),
        epochs=12, lr=0.05, decay=1e-4, smooth=0, flip=False, shift=0, erase=0),
    "fashion-m": dict(
        layers=lambda: conv(1, 16) + [nn.MaxPool2d(2)] + conv(16, 32) + [nn.MaxPool2d(2)] + head(32 * 49),
        epochs=12, lr=0.05, decay=5e-4, smooth=0.05, flip=True, shift=1, erase=0),
    "fashion-l": dict(
        layers=lambda: conv(1, 32) + conv(32, 48, 2) + conv(48, 48) + conv(48, 64, 2) + conv(64, 64) + head(64, True),
        epochs=14, lr=0.1, decay=5e-4, smooth=0.05, flip=True, shift=1, erase=0.3),
    "fashion-xl": dict(
        layers=lambda: conv(1, 32) + conv(32, 64, 2) + [Residual(64), Residual(64)] + conv(64, 128, 2)
        + [Residual(128)] + head(128, True),
        epochs=18, lr=0.1, decay=5e-4, smooth=0.05, flip=True, shift=2, erase=0.5),
}
INT8 = {f"{name}-int8": name for name in ("fashion-l", "fashion-xl")}


# ---- training --------------------------------------------------------------------------------------------------------

def train(name, plan, images, labels, seed, batch=128):
    """SGD with Nesterov momentum; the rate rises over the first fifth, then falls along a cosine to zero."""
    torch.manual_seed(seed)
    net = nn.Sequential(Normalise(), *plan["layers"]()).to(memory_format=torch.channels_last)  # twice as fast
    weights = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    optimiser = torch.optim.SGD([{"params": weights, "weight_decay": plan["decay"]}, {"params": others}],
                                lr=plan["lr"], momentum=0.9, nesterov=True)
    steps = len(images) // batch
    total, step, began = steps * plan["epochs"], 0, time.process_time()
    for epoch in range(plan["epochs"]):
        net.train()
        order = torch.randperm(len(images))
        loss_sum = 0.0
        for i in range(steps):
            done = step / total
            rate = plan["lr"] * (done / 0.2 if done < 0.2 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.2) / 0.8))
            for group in optimiser.param_groups:
                group["lr"] = rate
            pick = order[i * batch:(i + 1) * batch]
            x = augment(images[pick], plan["flip"], plan["shift"], plan["erase"])
            loss = F.cross_entropy(net(x.contiguous(memory_format=torch.channels_last)), labels[pick],
                                   label_smoothing=plan["smooth"])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            loss_sum += loss.item()
            step += 1
        print(f"{name}: epoch {epoch + 1}/{plan['epochs']} loss {loss_sum / steps:.4f} "
              f"{time.process_time() - began:.0f} s of processor time", flush=True)
    return net.eval()


def export(net, path):
    """Softmax goes into the file, so that `scores` are probabilities in every variant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model = nn.Sequential(net, nn.Softmax(dim=1)).eval().to(memory_format=torch.contiguous_format)
    torch.onnx.export(model, torch.zeros(2, 1, 28, 28), str(path), opset_version=OPSET,
                      input_names=["image"], output_names=["scores"],
                      dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}})


def quantise(source, target, images):
    """Static int8, one scale per output channel. Weights keep 7 bits, because processors without VNNI add pairs of
    products in 16 bits and would saturate with 8: the answers must not depend on the machine."""
    from onnxruntime.quantization import (CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType,
                                          quantize_static)
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = iter(np.split(images, len(images) // 64))

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {"image": batch}

    target.parent.mkdir(parents=True, exist_ok=True)
    prepared = target.with_suffix(".prepared")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(str(prepared), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                    reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    calibrate_method=CalibrationMethod.MinMax, op_types_to_quantize=["Conv", "Relu", "Add", "Gemm"])
    prepared.unlink()
    model = onnx.load(target)
    used = [o for o in model.opset_import if o.domain in {n.domain for n in model.graph.node}]
    del model.opset_import[:]
    model.opset_import.extend(used)  # without the preview domains that the optimiser declares and nothing uses
    onnx.save(model, target)


def accuracy(path, images, labels, batch=100):
    """Share of right answers, counted with onnxruntime: what is judged is the file, not the net it came from."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    right = 0
    for i in range(0, len(images), batch):
        scores, = session.run(["scores"], {"image": images[i:i + batch].numpy()})
        right += int((scores.argmax(1) == labels[i:i + batch].numpy()).sum())
    return right / len(images)


# ---- main ------------------------------------------------------------------------------------------------------------

def keep_freed_memory():
    """Ask glibc to reuse large blocks: returning them to the kernel after each layer cost a fifth of the time."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 1 << 25)          # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)    # M_TRIM_THRESHOLD
    except OSError:
        pass


def add_arguments(parser):
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("models"), help="model repository to write")
    parser.add_argument("--data", type=pathlib.Path, default=DATA, help="folder of the four IDX files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="instead of the plan's number, for a quick try")
    parser.add_argument("--holdout", type=int, default=0, help="judge on the last N training images, not the test set")
    parser.add_argument("--evaluate", action="store_true", help="train nothing, only measure")


def begin(args):
    """The images to train on, their labels, and the pair to judge by."""
    torch.set_num_threads(1)
    keep_freed_memory()
    images, labels = load("train", args.data)
    if args.holdout:
        images, judged = images[:-args.holdout], (images[-args.holdout:], labels[-args.holdout:])
        labels = labels[:-args.holdout]
    else:
        judged = load("t10k", args.data)
    return images, labels, judged


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", choices=[*VARIANTS, *INT8], help="one variant; may be repeated")
    add_arguments(parser)
    args = parser.parse_args()

    images, labels, judged = begin(args)

    for name in args.only or [*VARIANTS, *INT8]:
        path = args.out / name / "1" / "model.onnx"
        note = ""
        if not args.evaluate and name in VARIANTS:
            plan = dict(VARIANTS[name], **({"epochs": args.epochs} if args.epochs else {}))
            net = train(name, plan, images, labels, args.seed)
            export(net, path)
            note = f", {sum(p.numel() for p in net.parameters())} parameters"
        elif not args.evaluate:
            pick = np.random.default_rng(args.seed).choice(len(images), CALIBRATION_IMAGES, replace=False)
            quantise(args.out / INT8[name] / "1" / "model.onnx", path, images[pick].numpy())
        print(f"{name}: accuracy {accuracy(path, *judged):.4f} on {len(judged[0])} images, "
              f"{path.stat().st_size} bytes{note}", flush=True)


if __name__ == "__main__":
    main()
