"""Write the files of this folder with PyTorch, and the values that PyTorch reads from them: python write.py."""
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parent

torch.manual_seed(0)
weights = torch.randn(4, 6)
net = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(6, 5).bfloat16())
optimizer = torch.optim.Adam(net.parameters())
net[0].weight.sum().backward()
optimizer.step()
torch.save(net.state_dict(), FOLDER / "state.pt")
torch.save({"epoch": 3, "state_dict": net.state_dict(), "optimizer": optimizer.state_dict(), "loss": [0.5, 0.25],
            "best": np.float64(0.9), "device": torch.device("cpu"), "shape": weights.shape}, FOLDER / "training.ckpt")
views = {"weights": weights, "turned": weights.T, "part": weights[1:3, ::2], "parameter": torch.nn.Parameter(weights),
         "half": weights.half(), "bfloat16": weights.bfloat16(), "e4m3fn": weights.to(torch.float8_e4m3fn),
         "e5m2": weights.to(torch.float8_e5m2), "double": weights.double(), "integers": torch.arange(6).reshape(2, 3),
         "bytes": torch.arange(6, dtype=torch.uint8).reshape(2, 3), "uint16": torch.ones(2, 2, dtype=torch.uint16),
         "flags": weights > 0, "complex": weights.to(torch.complex64), "empty": torch.zeros(0, 3),
         "single": torch.tensor(3.0), "nested": {"inner": [weights, {"deep": weights[0]}]}}
for protocol in (2, 4, 5):
    torch.save(views, FOLDER / f"views{protocol}.pth", pickle_protocol=protocol)
torch.save(net.state_dict(), FOLDER / "old.pt", _use_new_zipfile_serialization=False)
torch.save(net, FOLDER / "model.pt")
torch.jit.script(torch.nn.Linear(3, 2)).save(FOLDER / "script.pt")
names = {**{f"views/{name}": tensor for name, tensor in views.items() if torch.is_tensor(tensor)},
         "views/nested.inner.0": weights, "views/nested.inner.1.deep": weights[0],
         **{f"state/{name}": tensor for name, tensor in net.state_dict().items()}}
np.savez(FOLDER / "values.npz", **{name: tensor.detach().to(torch.complex64 if tensor.is_complex() else torch.float64)
                                   .numpy() for name, tensor in names.items()})
