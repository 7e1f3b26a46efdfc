"""SynPO's loss in a training loop of one's own: only torch is loaded. A table of log-probs stands for the model.

python examples/one_loss.py
"""

import torch

from vidalign import synpo_loss

torch.manual_seed(0)
vocabulary, length = 20, 6
chosen = torch.randint(vocabulary, (8, length))  # token ids [B, T]
rejected = torch.randint(vocabulary, (8, length))
mask = torch.ones(8, length)  # 1 where a token is scored

logits = torch.zeros(vocabulary, requires_grad=True)
optimizer = torch.optim.SGD([logits], lr=2.0)
for step in range(5):
    logps = logits.log_softmax(-1)
    losses = synpo_loss(logps[chosen], logps[rejected], mask, mask, alpha=30.0, beta=0.2)  # [B]
    loss = losses.mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}: loss {loss.item():.4f}")
