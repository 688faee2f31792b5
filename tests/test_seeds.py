import torch

from lth_cli.core.seeds import generator


def draw(*name: object) -> list[float]:
    seed, purpose, *index = name
    return torch.randn(4, generator=generator(seed, purpose, *index)).tolist()  # type: ignore[arg-type]


def test_a_stream_is_named_by_seed_purpose_and_index() -> None:
    streams = [
        (0, "init"),
        (1, "init"),
        (0, "order"),
        (0, "order", 1),
        (0, "order", 1, 0),
        (0, "order", 0, 1),
        (-1, "x"),
    ]
    assert len({tuple(draw(*name)) for name in streams}) == len(streams)
    assert draw(0, "order", 1) == draw(0, "order", 1)


def test_seed_zero_is_a_seed_and_the_global_generator_is_not_touched() -> None:
    before = torch.get_rng_state()
    assert draw(0, "init") == draw(0, "init")
    assert torch.equal(torch.get_rng_state(), before)
