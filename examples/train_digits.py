"""On a laptop: train a network on the bundled digits and write digits.onnx.

Usage: python examples/train_digits.py
"""

from toolkit import nn
from toolkit.data import load_digits
from toolkit.data.source import Source

model = nn("cls", save_fold="runs/digits")
model.set_seed(0)
model.use(Source(load_digits()), train_val_ratio=0.8)
model.add("conv2d", size=(1, 16), kernel_size=3, activation="relu")
model.add("maxpool", kernel_size=2)
model.add("linear", size=64, activation="relu")
model.add("linear", size=10, activation="softmax")
model.train(lr=0.003, epochs=15)
model.convert(out_file="digits.onnx")
