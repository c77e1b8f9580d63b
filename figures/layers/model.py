"""Make a transformer of 26 matrices with planted faults, which show_stats.py is to find: out/model.safetensors.

Trained layers are normal draws whose rows and columns have lognormal scales, plus eight directions. The faults: a
matrix of zeros, an outer product, dead units, repeated columns, tied embeddings, and layers as initialised.
"""
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


def trained(rng, rows, columns):
    scales = rng.lognormal(0, 0.5, (rows, 1)) * rng.lognormal(0, 0.5, (1, columns))
    directions = rng.normal(size=(rows, 8)) @ rng.normal(size=(8, columns)) / np.sqrt(8)
    return 0.02 * rng.normal(size=(rows, columns)) * scales + 0.01 * directions


def model(rng):
    """Return the arrays of the model by name."""
    arrays = {"model.embed_tokens.weight": trained(rng, 2000, 256)}
    for k in range(3):
        for name in "qkvo":
            arrays[f"model.layers.{k}.self_attn.{name}_proj.weight"] = trained(rng, 256, 256)
        arrays[f"model.layers.{k}.mlp.up_proj.weight"] = trained(rng, 1024, 256)
        arrays[f"model.layers.{k}.mlp.down_proj.weight"] = trained(rng, 256, 1024)
        arrays[f"model.layers.{k}.norm.weight"] = np.ones(256)
    arrays["heads.rel_bias"] = np.stack([trained(rng, 64, 64) for _ in range(4)])
    arrays["vision.conv1.weight"] = 0.05 * rng.standard_t(3, (64, 3, 7, 7))

    arrays["model.layers.0.self_attn.v_proj.weight"][:] = 0
    arrays["model.layers.1.self_attn.q_proj.weight"] = np.outer(rng.normal(size=256), rng.normal(size=256))
    arrays["model.layers.1.mlp.up_proj.weight"][100:160] = 0
    keys = arrays["model.layers.2.self_attn.k_proj.weight"]
    keys[:, 40:60] = -2 * keys[:, 100:120]
    arrays["lm_head.weight"] = arrays["model.embed_tokens.weight"].copy()
    arrays["model.layers.2.self_attn.o_proj.weight"] = rng.normal(0, 0.02, (256, 256))
    arrays["model.layers.2.mlp.down_proj.weight"] = rng.uniform(-1 / 32, 1 / 32, (256, 1024))
    arrays["vision.conv2.weight"] = rng.normal(0, 0.05, (128, 64, 3, 3))
    return {name: values.astype(np.float16 if "conv2" in name else np.float32) for name, values in arrays.items()}


def main():
    out = Path("out")
    out.mkdir(exist_ok=True)
    save_file(model(np.random.default_rng(0)), out / "model.safetensors")


if __name__ == "__main__":
    main()
