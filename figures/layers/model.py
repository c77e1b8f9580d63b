"""A made-up transformer of 26 matrices with planted faults, which show_stats.py is to find: out/model.safetensors.

"Trained" are normal draws with rows and columns of lognormal scales, and eight directions added. Faults: all zero, an
outer product, dead units, repeated columns, tied embeddings, layers as initialised.
"""
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

rng = np.random.default_rng(0)


def trained(rows, columns):
    scales = rng.lognormal(0, 0.5, (rows, 1)) * rng.lognormal(0, 0.5, (1, columns))
    directions = rng.normal(size=(rows, 8)) @ rng.normal(size=(8, columns)) / np.sqrt(8)
    return 0.02 * rng.normal(size=(rows, columns)) * scales + 0.01 * directions


model = {"model.embed_tokens.weight": trained(2000, 256)}
for k in range(3):
    for name in "qkvo":
        model[f"model.layers.{k}.self_attn.{name}_proj.weight"] = trained(256, 256)
    model[f"model.layers.{k}.mlp.up_proj.weight"] = trained(1024, 256)
    model[f"model.layers.{k}.mlp.down_proj.weight"] = trained(256, 1024)
    model[f"model.layers.{k}.norm.weight"] = np.ones(256)
model["heads.rel_bias"] = np.stack([trained(64, 64) for _ in range(4)])
model["vision.conv1.weight"] = 0.05 * rng.standard_t(3, (64, 3, 7, 7))

model["model.layers.0.self_attn.v_proj.weight"][:] = 0
model["model.layers.1.self_attn.q_proj.weight"] = np.outer(rng.normal(size=256), rng.normal(size=256))
model["model.layers.1.mlp.up_proj.weight"][100:160] = 0
keys = model["model.layers.2.self_attn.k_proj.weight"]
keys[:, 40:60] = -2 * keys[:, 100:120]
model["lm_head.weight"] = model["model.embed_tokens.weight"].copy()
model["model.layers.2.self_attn.o_proj.weight"] = rng.normal(0, 0.02, (256, 256))
model["model.layers.2.mlp.down_proj.weight"] = rng.uniform(-1 / 32, 1 / 32, (256, 1024))
model["vision.conv2.weight"] = rng.normal(0, 0.05, (128, 64, 3, 3))

out = Path("out")
out.mkdir(exist_ok=True)
save_file({name: values.astype(np.float16 if "conv2" in name else np.float32) for name, values in model.items()},
          out / "model.safetensors")
