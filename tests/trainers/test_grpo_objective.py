"""AVoCaDO's Eq. 2 as it is written, by hand: the ratio of whole responses' probabilities, and nothing divided by their lengths.

With rho_i = pi(o_i) / pi_old(o_i) = exp(sum_t log pi(o_it) - sum_t log pi_old(o_it)), on a batch that is used once pi = pi_old,
so rho_i = 1, nothing is clipped, and the gradient of (1/G) sum_i min(rho_i A_i, clip(rho_i) A_i) is
(1/G) sum_i A_i sum_t grad log pi(o_it). TRL's token form (`loss_type: grpo`) divides each inner sum by |o_i|.
"""

import pytest
import torch

BETA, EPSILON = 0.04, 0.2


@pytest.fixture
def prepared(grpo_of, online_rows, moved):
    """`prepared(**settings)`: (trainer, inputs) of a batch whose responses have 1 to 6 tokens, a little off the reference."""

    def build(**settings):
        trainer = moved(grpo_of(rows=online_rows(4, media=False), model="qwen2", beta=BETA, **settings))
        trainer.current_gradient_accumulation_steps = 1
        trainer.model.train()
        inputs = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
        lengths = torch.tensor([1, 6, 3, 2, 5, 4, 1, 6])
        places = torch.arange(inputs["completion_ids"].size(1))
        inputs["completion_mask"] = inputs["completion_mask"] * (places < lengths[:, None])
        inputs["num_items_in_batch"] = inputs["completion_mask"].sum()
        return trainer, inputs

    return build


def gradient(model, loss):
    model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def equation_2(trainer, inputs):
    """The loss -J of Eq. 2, each response by itself. D_KL of a response is the sum of Shao et al.'s estimates of its tokens."""
    terms = []
    for row in range(len(inputs["completion_ids"])):
        prompt = inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()]
        response = inputs["completion_ids"][row][inputs["completion_mask"][row].bool()]
        logits = trainer.model(input_ids=torch.cat([prompt, response])[None]).logits[0, len(prompt) - 1 : -1]
        logps = logits.log_softmax(-1).gather(-1, response[:, None])[:, 0]
        ratio = (logps.sum() - logps.sum().detach()).exp()
        advantage = inputs["advantages"][row]
        clipped = ratio.clamp(1 - EPSILON, 1 + EPSILON)
        off = inputs["ref_per_token_logps"][row][: len(response)] - logps
        divergence = (off.exp() - off - 1).sum()
        terms.append(torch.min(ratio * advantage, clipped * advantage) - BETA * divergence)
    return -torch.stack(terms).mean()


FORMS = {
    "as written": (
        {"loss_type": "luspo", "importance_sampling_level": "sequence"},
        lambda trainer, inputs: 1.0,
    ),
    "token ratios": ({"loss_type": "luspo"}, lambda trainer, inputs: 1.0),
    "over the longest response": (
        {"loss_type": "dr_grpo"},
        lambda trainer, inputs: trainer.max_completion_length,
    ),
    "over the batch's mean length": (
        {"loss_type": "dapo"},
        lambda trainer, inputs: inputs["completion_mask"].sum() / len(inputs["completion_mask"]),
    ),
}
"""Settings, and what their gradient is to be multiplied by."""


@pytest.mark.parametrize("form", list(FORMS))
def test_the_equation_as_written(form, prepared):
    settings, scale = FORMS[form]
    trainer, inputs = prepared(**settings, use_bias_correction_kl=False)
    assert inputs["advantages"].abs().max() > 0.1
    assert "old_per_token_logps" not in inputs  # the batch is used once
    expected = gradient(trainer.model, equation_2(trainer, inputs))
    found = gradient(trainer.model, trainer.compute_loss(trainer.model, dict(inputs)))
    assert (found * scale(trainer, inputs) - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize("level", ["token", "sequence"])  # sequence: GSPO
def test_the_token_form_is_not_the_equation_at_any_scale(level, prepared):
    trainer, inputs = prepared(
        loss_type="grpo", importance_sampling_level=level, use_bias_correction_kl=False
    )
    expected = gradient(trainer.model, equation_2(trainer, inputs))
    found = gradient(trainer.model, trainer.compute_loss(trainer.model, dict(inputs)))
    assert torch.cosine_similarity(found, expected, dim=0) < 0.95


def test_trls_default_of_the_divergence_is_another(prepared):
    """It multiplies the estimate by the ratio, which changes the gradient where the ratio is 1, too."""
    trainer, inputs = prepared(loss_type="luspo", importance_sampling_level="sequence")
    assert trainer.args.use_bias_correction_kl
    expected = gradient(trainer.model, equation_2(trainer, inputs))
    found = gradient(trainer.model, trainer.compute_loss(trainer.model, dict(inputs)))
    assert (found - expected).norm() > 1e-3 * expected.norm()
