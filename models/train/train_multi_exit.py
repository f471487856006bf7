#!/usr/bin/env python3
"""Train the classifier with early exits `fashion-multi-exit` and write it as ONNX, one file per stage.

One net with four exits, trained jointly on Fashion-MNIST. Every stage is a file of its own, so that a server can run
the first, look at its scores, and then stop or go on with the next. It is kept so that anyone can see where the
committed files come from and make them again; nothing in the build, the tests or the demo runs it. Data, layers and
augmentation are those of train.py.

    python3 models/train/train_multi_exit.py              # train, fit the temperatures, write, measure
    python3 models/train/train_multi_exit.py --evaluate   # train nothing, measure what OUT holds
    python3 models/train/train_multi_exit.py --holdout 5000 --out /tmp/try   # without looking at the test set

No choice here looks at the test images: the schedule is fixed beforehand, the last epoch is the result, and the
temperatures are fitted on training images that the net was not trained on. `--holdout N` judges on the last N training
images, for comparing designs.
"""
import argparse
import math
import time

from train import CLASSES, OPSET, Normalise, Residual, add_arguments, augment, begin, conv  # before torch

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn as nn
import torch.nn.functional as F

NAME = "fashion-multi-exit"
FITTING_IMAGES = 5000  # the last that would be trained on: they fit the temperatures instead
BINS = 15  # of the calibration error
COMPARED_IMAGES = 1000  # staged against whole
TOLERANCE = 1e-5
VARIANT = """\
# Four stages of one classifier, each with an exit of its own (models/train/train_multi_exit.py wrote them).
version: 1
stages:            # in order: each takes the features of the one before
"""


# ---- model -----------------------------------------------------------------------------------------------------------

class Stage(nn.Module):
    """Layers and an exit: the exit and the next stage both take what the layers give."""

    def __init__(self, layers, pool, features):
        super().__init__()
        self.body = nn.Sequential(*layers)
        self.exit = nn.Sequential(pool, nn.Flatten(), nn.Linear(features, CLASSES))

    def forward(self, x):
        features = self.body(x)
        return features, self.exit(features)


class Net(nn.Module):
    """Widths are multiples of 16, as in train.py."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList([
            Stage([Normalise()] + conv(1, 16), nn.MaxPool2d(7), 16 * 16),
            Stage(conv(16, 16), nn.MaxPool2d(7), 16 * 16),
            Stage(conv(16, 32, 2) + conv(32, 32), nn.MaxPool2d(5, 3), 32 * 16),
            Stage([Residual(32)] + conv(32, 48, 2) + [Residual(48)], nn.MaxPool2d(3, 2), 48 * 9),
        ])

    def forward(self, x):
        logits = []
        for stage in self.stages:
            x, exit_logits = stage(x)
            logits.append(exit_logits)
        return logits


class Scores(nn.Module):
    """What a file gives: softmax inside, and of the last stage no features, because nothing takes them."""

    def __init__(self, stage, last):
        super().__init__()
        self.stage, self.last = stage, last

    def forward(self, x):
        features, logits = self.stage(x)
        scores = logits.softmax(1)
        return scores if self.last else (features, scores)


class AllScores(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return tuple(logits.softmax(1) for logits in self.net(x))


# ---- training --------------------------------------------------------------------------------------------------------

PLAN = dict(epochs=8, lr=0.1, decay=5e-4, smooth=0.05, flip=True, shift=1, erase=0.2, exits=(0.3, 0.3, 0.6, 1))


def train(plan, images, labels, seed, batch=128):
    """As in train.py, but the loss is the weighted sum of those of the exits."""
    torch.manual_seed(seed)
    net = Net().to(memory_format=torch.channels_last)
    weights = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    optimiser = torch.optim.SGD([{"params": weights, "weight_decay": plan["decay"]}, {"params": others}],
                                lr=plan["lr"], momentum=0.9, nesterov=True)
    steps = len(images) // batch
    total, step, began = steps * plan["epochs"], 0, time.process_time()
    for epoch in range(plan["epochs"]):
        net.train()
        order = torch.randperm(len(images))
        sums = np.zeros(len(net.stages))
        for i in range(steps):
            done = step / total
            rate = plan["lr"] * (done / 0.2 if done < 0.2 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.2) / 0.8))
            for group in optimiser.param_groups:
                group["lr"] = rate
            pick = order[i * batch:(i + 1) * batch]
            x = augment(images[pick], plan["flip"], plan["shift"], plan["erase"])
            losses = [F.cross_entropy(logits, labels[pick], label_smoothing=plan["smooth"])
                      for logits in net(x.contiguous(memory_format=torch.channels_last))]
            optimiser.zero_grad(set_to_none=True)
            sum(weight * loss for weight, loss in zip(plan["exits"], losses)).backward()
            optimiser.step()
            sums += [loss.item() for loss in losses]
            step += 1
        print(f"{NAME}: epoch {epoch + 1}/{plan['epochs']} losses {' '.join(f'{s / steps:.4f}' for s in sums)} "
              f"{time.process_time() - began:.0f} s of processor time", flush=True)
    return net.eval()


def fit_temperatures(net, images, labels, batch=500):
    """Of each exit the T for which softmax(logits / T) gives the right classes of these images the least negative
    log-likelihood. It has one minimum over 1 / T, so thirds of an interval are enough to close in on it."""
    with torch.no_grad():
        batches = [net(x.contiguous(memory_format=torch.channels_last)) for x in images.split(batch)]
    temperatures = []
    for logits in (torch.cat(exit_logits).double() for exit_logits in zip(*batches)):
        low, high = 0.05, 20.0
        for _ in range(100):
            a, b = low + (high - low) / 3, high - (high - low) / 3
            if F.cross_entropy(logits * a, labels) < F.cross_entropy(logits * b, labels):
                high = b
            else:
                low = a
        temperatures.append(2 / (low + high))
    return temperatures


def bake(net, temperatures):
    """A linear layer divided by T gives logits / T at no cost."""
    with torch.no_grad():
        for stage, temperature in zip(net.stages, temperatures):
            stage.exit[-1].weight /= temperature
            stage.exit[-1].bias /= temperature


def export(net, temperatures, folder):
    """A file has one name for one tensor, so a stage takes `features_in` and gives `features`."""
    (folder / "1").mkdir(parents=True, exist_ok=True)
    net = net.to(memory_format=torch.contiguous_format)
    x, last = torch.zeros(2, 1, 28, 28), len(net.stages) - 1
    for i, stage in enumerate(net.stages):
        source, results = "features_in" if i else "image", ["scores"] if i == last else ["features", "scores"]
        path = folder / "1" / f"stage-{i}.onnx"
        write(Scores(stage, i == last).eval(), x, path, source, results)
        model = onnx.load(path)
        onnx.helper.set_model_props(model, {"temperature": repr(temperatures[i])})
        onnx.save(model, path)
        with torch.no_grad():
            x = stage.body(x)
    write(AllScores(net).eval(), torch.zeros(2, 1, 28, 28), folder / "whole.onnx", "image",
          [f"scores{i}" for i in range(len(net.stages))])
    lines = [f"  - {{file: stage-{i}.onnx}}\n" for i in range(len(net.stages))]
    (folder / "variant.yaml").write_text(VARIANT + "".join(lines))


def write(model, x, path, source, results):
    torch.onnx.export(model, x, str(path), opset_version=OPSET, input_names=[source], output_names=results,
                      dynamic_axes={name: {0: "batch"} for name in [source, *results]})


# ---- measuring -------------------------------------------------------------------------------------------------------

def open_session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_stages(stages, images):
    """Of every exit the scores, and of every stage but the last the features."""
    x, scores, features = images, [], []
    for i, session in enumerate(stages):
        *rest, exit_scores = session.run(None, {session.get_inputs()[0].name: x})
        scores.append(exit_scores)
        if rest:
            x = rest[0]
            features.append(x)
    return scores, features


def calibration_error(scores, labels):
    """Expected calibration error: how far the confidence is from the share of right answers, over bins of equal width
    weighted by their images."""
    confidence, right = scores.max(1), scores.argmax(1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return sum(abs((right[bins == b] - confidence[bins == b]).sum()) for b in range(BINS)) / len(labels)


def undo(scores, temperature):
    """The scores as they were before the temperature: softmax(log(scores) * T)."""
    logits = np.log(np.maximum(scores.astype(np.float64), 1e-38)) * temperature
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def cumulative_us(stages, images, seconds=3):
    """Median us per image of a batch up to each exit. The tensors lie ready, so that Python copies nothing."""
    scores, features = run_stages(stages, images)
    tensors = [ort.OrtValue.ortvalue_from_numpy(x) for x in (images, *features)]
    bindings = []
    for i, session in enumerate(stages):
        binding = session.io_binding()
        binding.bind_ortvalue_input(session.get_inputs()[0].name, tensors[i])
        binding.bind_ortvalue_output("scores", ort.OrtValue.ortvalue_from_numpy(scores[i]))
        if i < len(features):
            binding.bind_ortvalue_output("features", tensors[i + 1])
        bindings.append(binding)
    times, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until:
        began, row = time.perf_counter(), []
        for session, binding in zip(stages, bindings):
            session.run_with_iobinding(binding)
            row.append(time.perf_counter() - began)
        times.append(row)
    return np.median(times, axis=0) / len(images) * 1e6


def evaluate(folder, images, labels, batch=100):
    """Judge the files, not the net they came from."""
    images, labels = images.numpy(), labels.numpy()
    paths = sorted((folder / "1").glob("stage-*.onnx"))
    stages, whole = [open_session(path) for path in paths], open_session(folder / "whole.onnx")
    scores = [run_stages(stages, images[i:i + batch])[0] for i in range(0, len(images), batch)]
    scores = [np.concatenate(exit_scores) for exit_scores in zip(*scores)]
    one, eight = cumulative_us(stages, images[:1]), cumulative_us(stages, images[:8])
    print(f"{NAME}: {len(images)} images\n"
          "exit  accuracy  temperature  error before  after   parameters   bytes  us to here, batch 1  batch 8")
    counts, sizes = [sum(p.numel() for p in s.parameters()) for s in Net().stages], []
    for i, (path, session) in enumerate(zip(paths, stages)):
        temperature = float(session.get_modelmeta().custom_metadata_map["temperature"])
        sizes.append(path.stat().st_size)
        print(f"{i:4}  {(scores[i].argmax(1) == labels).mean():8.4f}  {temperature:11.4f}  "
              f"{calibration_error(undo(scores[i], temperature), labels):12.4f}  "
              f"{calibration_error(scores[i], labels):.4f}  {counts[i]:10}  {sizes[i]:6}  "
              f"{one[i]:19.1f}  {eight[i]:7.1f}")
    print(f"all stages: {sum(counts)} parameters, {sum(sizes)} bytes")
    compared = images[:COMPARED_IMAGES]
    difference = max(float(np.abs(a[:COMPARED_IMAGES] - b).max())
                     for a, b in zip(scores, whole.run(None, {"image": compared})))
    print(f"staged against whole: at most {difference:.1e} apart on {len(compared)} images", flush=True)
    if difference > TOLERANCE:
        raise SystemExit(f"staged and whole differ by more than {TOLERANCE}")


# ---- main ------------------------------------------------------------------------------------------------------------

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(parser)
    args = parser.parse_args()

    images, labels, judged = begin(args)

    if not args.evaluate:
        plan = dict(PLAN, **({"epochs": args.epochs} if args.epochs else {}))
        net = train(plan, images[:-FITTING_IMAGES], labels[:-FITTING_IMAGES], args.seed)
        temperatures = fit_temperatures(net, images[-FITTING_IMAGES:], labels[-FITTING_IMAGES:])
        bake(net, temperatures)
        export(net, temperatures, args.out / NAME)
    evaluate(args.out / NAME, *judged)


if __name__ == "__main__":
    main()
