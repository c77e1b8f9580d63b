"""Redraw the gallery from real data: all figures, or those of the scripts that are named.

    python figures/redraw.py
    python figures/redraw.py grad_network mlp

Real data are read from the folder that GRADNETS_DATA names, or downloaded.
"""
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GALLERY = (  # the command behind each figure, and the folder of figures/ that it is written to
    ("grad_network.py --dataset mnist --learning-rate 0.1 --seed 1", ""),
    ("real_networks.py --dataset mnist --controls noise cifar10", ""),
    ("minibatch_network.py --dataset mnist", ""),
    ("delta_origins.py --datasets mnist noise cifar10", ""),
    ("weight_network.py --dataset mnist", ""),
    ("weight_growth.py --dataset mnist", ""),
    ("gradient_space.py --datasets mnist cifar10 noise glyphs --steps 0 100 500 2000 5000 "
     "--directions 5 20 50 100 200 500 --runs 5", ""),
    ("show_stats.py --datasets mnist cifar10 noise noise-constant", ""),
    ("show_delta_stats.py --dataset mnist --runs 10", ""),
    ("fractal_stats.py --datasets mnist noise --runs 20", ""),
    ("sparse_train.py --dataset mnist", ""),
    ("sparse_rnn.py --dataset mnist", ""),
    ("second_order.py --dataset mnist", ""),
    ("curvature_race.py --dataset mnist --runs 5", ""),
    ("block_newton.py", ""),
    ("functional_inverse.py --runs 5", ""),
    ("critical_points.py --dataset mnist", ""),
    ("third_order.py --dataset mnist", ""),
    ("poisson.py", ""),
    ("lyapunov.py --dataset mnist", ""),
    ("attractor.py --dataset mnist --runs 4", ""),
    ("edge_of_chaos.py --dataset mnist", ""),
    ("period_doubling.py --dataset mnist", ""),
    ("criticality.py --dataset mnist --steps 12000", ""),
    ("motif_stats.py", ""),
    ("motifs_of_five.py --images mnist", ""),
    ("motif_miner.py --null-model layered --nulls 3600", ""),
    ("mlp.py --dataset mnist --steps 60000", ""),
    ("rbm.py --dataset mnist", ""),
    ("rnn.py --dataset mnist", ""),
    ("grad_network.py --model rbm --dataset mnist", "rbm"),
    ("minibatch_network.py --model rbm --dataset mnist --batch-sizes 1 4 16 64 256 --draws 3", "rbm"),
    ("show_stats.py --model rbm --datasets mnist --hidden-units 784 --steps 2000 --gradients 1 --replicates 20", "rbm"),
    ("show_stats.py --weights out/model.safetensors", "layers"),
    ("grad_network.py --dataset mnist --sweep learning-rate 0.01 0.03 0.1 0.3 1.0 --seeds 20 --jobs 2", ""),
    ("claims.py --parts figures/claims_parts.json", ""),
)


def main(names):
    subprocess.run([sys.executable, ROOT / "figures" / "layers" / "model.py"], cwd=ROOT, check=True)
    for command, folder in GALLERY:
        script, *flags = shlex.split(command)
        if not names or script.removesuffix(".py") in names:
            print(f"\n{command}", flush=True)
            subprocess.run([sys.executable, ROOT / script, *flags, "--out", ROOT / "figures" / folder], cwd=ROOT,
                           check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
