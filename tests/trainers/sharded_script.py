"""A program that a test launches: two processes with weights sharded by FSDP2, of which one has a video and the other none."""

import sys
from types import SimpleNamespace

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from vidalign.families import FAMILIES
from vidalign.prefix import RowBatch, SharedPrefix, generate, token_logps
from vidalign.trainers.online.sharded import whole_root

name = sys.argv[1]
dist.init_process_group("gloo")
rank = dist.get_rank()
family = FAMILIES[name]
model, processor = family.tiny_model(), family.tiny_processor()
clip = SimpleNamespace(
    frames=np.random.default_rng(0).integers(0, 255, (4, 56, 56, 3)).astype("uint8"),
    timestamps=np.arange(4) / 2,
    duration=2.0,
    fps=2.0,
)
mark = family.video_placeholder(processor)
prompts = [family.encode(processor, f"{mark} what", [clip]), family.encode(processor, "only text")]
prompt = prompts[rank]


def everything(share=True):
    with torch.no_grad():
        said = generate(model, [prompt], samples=2, run_idle_towers=True, max_new_tokens=4, do_sample=False)
        ids = torch.tensor([prompt.input_ids + row for row in said[0]])
        labels = ids.clone()
        labels[:, : len(prompt.input_ids)] = -100
        rows = RowBatch(ids, torch.ones_like(ids), labels, torch.zeros(2, dtype=torch.long), [prompt.media])
        prefix = SharedPrefix(model, run_idle_towers=True)
        return said, token_logps(model, rows, prefix=prefix)


expected, logps = everything()
mesh = init_device_mesh("cpu", (2,))
for block in [*model.model.language_model.layers, *model.model.visual.blocks]:
    fully_shard(block, mesh=mesh)
fully_shard(model, mesh=mesh)
with torch.no_grad(), whole_root(model):
    said, sharded = everything()
assert said == expected, (said, expected)
torch.testing.assert_close(sharded, logps, atol=1e-5, rtol=0)
print(f"process {rank} is the same", flush=True)
dist.destroy_process_group()
