"""Training and evaluation: SFT, GRPO, rewards, environment, evaluation, and the seedling."""
