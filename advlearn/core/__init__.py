"""The core: five nouns (objective, regularizer, adversary, task, trainer); it imports nothing of the rest."""
