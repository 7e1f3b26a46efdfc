"""Captions and answers from a model on this machine or on a server, behind one protocol.

    from vidalign.generate import LocalModel, Sampling

    model = LocalModel.load("Qwen/Qwen2.5-VL-7B-Instruct")
    [[sample]] = model.samples([{"videos": ["a.mp4"], "prompt": "Describe the video."}])

    model = ServedModel(LLMJudge("Qwen/Qwen2.5-VL-72B-Instruct", api_base="http://localhost:8000/v1", sees=("video",)))

The names, listed in `__init__.pyi`, load on first use: a command line that only shows its help must not load torch.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
