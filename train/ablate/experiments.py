# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The experiments as data: models to train, points to measure, claims to test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from train.config import TrainConfig
from train.errors import TrainError

# tan(vfov / 2) of the cameras that took NYU (480 / (2 * 518.9)) and KITTI (375 / (2 * 721.5)).
TWO_CAMERAS = {'indoor': 0.4625, 'outdoor': 0.26}
# Factor on the preset's learning rate, for all models: Muon needs a higher one than AdamW.
COMMON_LR = 1.5
# Lenses, as tan(vfov / 2) over that of the kind's training pictures: an "other" one differs by 15
# per cent or more and is in the range that augmentation covers; a "far" one is outside it.
COVERED = (TrainConfig.fov_scale_min, TrainConfig.fov_scale_max)
OTHER_FACTOR = 1.15
OTHER, FAR = 'other', 'far'


@dataclass(frozen=True)
class Data:
    """Worlds to render: weights of kinds, one lens per kind or many, held out or not."""

    kinds: tuple[tuple[str, float], ...]
    two_cameras: bool = False
    held_out: bool = False


@dataclass(frozen=True)
class FrameSet:
    """Frames of a data set; lens: '' = any, or only `OTHER` or `FAR` ones, see `TWO_CAMERAS`."""

    data: str
    lens: str = ''


@dataclass(frozen=True)
class Model:
    """One training run per seed: settings on top of the common ones.

    init: model of the same seed to start from.
    share: share of the scale's samples.
    lr: factor on the learning rate.
    """

    settings: tuple[str, ...] = ()
    data: str = 'wide'
    init: str = ''
    share: float = 1.0
    lr: float = 1.0


@dataclass(frozen=True)
class Point:
    """One measurement of a model: test set, sampler, factor on the tan(vfov / 2) of its input."""

    test: str
    steps: int = 1
    samples: int = 1
    fov_factor: float = 1.0

    @property
    def key(self) -> str:
        """Name in the evaluation file."""
        return f'{self.test} steps={self.steps} samples={self.samples} fov={self.fov_factor:g}'


Term = tuple[str, Point]  # model, point


@dataclass(frozen=True)
class Claim:
    """The error of `better` is below that of `worse`, in a metric where lower is better.

    beyond: (better, worse) of a second comparison whose ratio must be exceeded.
    """

    text: str
    better: Term
    worse: Term
    metric: str = 'abs_rel'
    beyond: tuple[Term, Term] | None = None


@dataclass(frozen=True)
class Series:
    """One line of a plot and row of a table: measurements by x (a number, or a name)."""

    label: str
    terms: tuple[tuple[float | str, Term], ...]


@dataclass(frozen=True)
class Experiment:
    """One question: the paper's statement, the measurements, the claims to test."""

    title: str
    paper: str
    x_label: str
    series: tuple[Series, ...]
    claims: tuple[Claim, ...]
    metrics: tuple[str, ...] = ('abs_rel', 'delta1')

    def terms(self) -> set[Term]:
        """Return all terms to measure."""
        found = {term for series in self.series for _, term in series.terms}
        for claim in self.claims:
            found |= {claim.better, claim.worse, *(claim.beyond or ())}
        return found


_BOTH = ('indoor', 'outdoor')
_OTHERS = ('indoor, other lenses', 'outdoor, other lenses')
_FAR = ('indoor, far lenses', 'outdoor, far lenses')
_STEPS = (1, 2, 4, 8, 64)
_FACTORS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4)
_SAMPLES = (1, 2, 4, 8)

DATA = {
    'wide': Data((('indoor', 0.45), ('tabletop', 0.2), ('outdoor', 0.35))),
    'two cameras': Data((('indoor', 0.5), ('outdoor', 0.5)), two_cameras=True),
    'test indoor': Data((('indoor', 1.0),), held_out=True),
    'test outdoor': Data((('outdoor', 1.0),), held_out=True),
    'test two cameras': Data((('indoor', 0.5), ('outdoor', 0.5)), two_cameras=True, held_out=True),
}
TESTS = {
    'indoor': FrameSet('test indoor'),
    'outdoor': FrameSet('test outdoor'),
    'indoor, other lenses': FrameSet('test indoor', OTHER),
    'outdoor, other lenses': FrameSet('test outdoor', OTHER),
    'indoor, far lenses': FrameSet('test indoor', FAR),
    'outdoor, far lenses': FrameSet('test outdoor', FAR),
    'the two cameras': FrameSet('test two cameras'),
}
# The paper's t and a plain optimiser with the preset's own learning rate.
_UNIFORM, _UNIFORM_LR = ('optimizer=adamw', 'schedule=cosine', 't1_fraction=0'), 1 / COMMON_LR
_NO_AUGMENTATION = ('fov_scale_min=1', 'fov_scale_max=1')
MODELS = {
    'base': Model(),
    'linear': Model(('depth_codec=linear',)),
    # Both with the paper's t: at t = 1, eps learns nothing because its target is its input.
    'v-uniform': Model(_UNIFORM, lr=_UNIFORM_LR),
    'eps': Model((*_UNIFORM, 'parameterisation=eps'), lr=_UNIFORM_LR),
    'rays': Model(('rays=true',)),
    'two': Model(data='two cameras'),
    'two-no-fov': Model(('fov=false',), 'two cameras'),
    'two-no-augmentation': Model(_NO_AUGMENTATION, 'two cameras'),
    'two-neither': Model(('fov=false', *_NO_AUGMENTATION), 'two cameras'),
    'tuned': Model(init='base', share=0.3, lr=0.3),
    'tuned-end-to-end': Model(('stage=end_to_end',), init='base', share=0.3, lr=0.3),
}


def _over(model: str, tests: Iterable[str]) -> tuple[tuple[str, Term], ...]:
    return tuple((test, (model, Point(test))) for test in tests)


def _beats(text: str, better: str, worse: str, tests: Iterable[str]) -> tuple[Claim, ...]:
    """Make the same claim about two models on several test sets."""
    return tuple(
        Claim(f'{text}: {test}', (better, Point(test)), (worse, Point(test))) for test in tests
    )


def _steps(count: int) -> str:
    return f'{count} step{"" if count == 1 else "s"}'


def _fov_claims() -> Iterable[Claim]:
    for test in _BOTH:
        for factor in (0.7, 0.9, 1.1, 1.4):
            right, wrong = Point(test), Point(test, fov_factor=factor)
            text = f'the true field of view beats {factor:g} of it: {test}'
            yield Claim(text, ('base', right), ('base', wrong))


def _step_claims() -> Iterable[Claim]:
    for test in _BOTH:
        for steps in _STEPS[:-1]:
            text = f'v beats eps at {_steps(steps)}: {test}'
            yield Claim(text, ('v-uniform', Point(test, steps)), ('eps', Point(test, steps)))
        many, few = Point(test, _STEPS[-1]), Point(test, _STEPS[-2])
        text = f'eps at {_STEPS[-1]} steps beats eps at {_STEPS[-2]}: {test}'
        yield Claim(text, ('eps', many), ('eps', few))


def _sample_claims() -> Iterable[Claim]:
    for test in _BOTH:
        for steps in (1, 4):
            text = f'8 samples beat 1, at {_steps(steps)}: {test}'
            yield Claim(text, ('base', Point(test, steps, 8)), ('base', Point(test, steps)))


EXPERIMENTS = {
    'depth': Experiment(
        'Log against linear depth',
        'Log depth beats linear depth, most of all indoors.',
        'test set',
        (Series('log', _over('base', _BOTH)), Series('linear', _over('linear', _BOTH))),
        (
            *_beats('log beats linear', 'base', 'linear', _BOTH),
            Claim('log gains more indoors than outdoors',
                  ('base', Point('indoor')), ('linear', Point('indoor')),
                  beyond=(('base', Point('outdoor')), ('linear', Point('outdoor')))),
        ),
        ('abs_rel', 'delta1', 'rmse'),
    ),
    'fov': Experiment(
        'Field-of-view conditioning and augmentation',
        'Trained on two fixed cameras, dropping either the conditioning or the augmentation hurts '
        'on other cameras.',
        'test set',
        tuple(
            Series(label, _over(model, (*_OTHERS, *_FAR, 'the two cameras')))
            for label, model in (
                ('conditioning and augmentation', 'two'),
                ('augmentation alone', 'two-no-fov'),
                ('conditioning alone', 'two-no-augmentation'),
                ('neither', 'two-neither'),
            )
        ),
        (
            *_beats('without conditioning it is worse', 'two', 'two-no-fov', _OTHERS),
            *_beats('without augmentation it is worse', 'two', 'two-no-augmentation', _OTHERS),
            *_beats('with neither it is worse', 'two', 'two-neither', _OTHERS),
        ),
    ),
    'steps': Experiment(
        'v against eps at few steps',
        'Predicting v works in one step; predicting eps needs 64 or more.',
        'steps',
        tuple(
            Series(f'{label}, {test}', tuple((n, (model, Point(test, n))) for n in _STEPS))
            for label, model in (('v', 'v-uniform'), ('eps', 'eps')) for test in _BOTH
        ),
        tuple(_step_claims()),
    ),
    'perturbation': Experiment(
        'A wrong field of view at inference',
        'The error is smallest at the true field of view and grows with the perturbation.',
        'factor on tan(vfov / 2)',
        tuple(
            Series(test, tuple((f, ('base', Point(test, fov_factor=f))) for f in _FACTORS))
            for test in _BOTH
        ),
        tuple(_fov_claims()),
    ),
    'samples': Experiment(
        'Averaging samples',
        'Averaging up to 8 samples lowers the error.',
        'samples',
        tuple(
            Series(
                f'{test}, {_steps(steps)}',
                tuple((n, ('base', Point(test, steps, n))) for n in _SAMPLES),
            )
            for test in _BOTH for steps in (1, 4)
        ),
        tuple(_sample_claims()),
    ),
    'mixture': Experiment(
        'Narrow against wide mixture',
        'The wider mixture (many cameras and kinds of place, as DMD-MIX) helps on unfamiliar '
        'pictures, after as many samples as the narrow one (two cameras, as DMD-NK).',
        'test set',
        (
            Series('wide', _over('base', (*_BOTH, 'the two cameras'))),
            Series('narrow', _over('two', (*_BOTH, 'the two cameras'))),
        ),
        _beats('wide beats narrow', 'base', 'two', _BOTH),
    ),
    'rays': Experiment(
        'Pixel rays as input channels (ours, not the paper\'s)',
        'Ray directions as additional input help a small net.',
        'test set',
        (Series('with rays', _over('rays', _BOTH)), Series('without', _over('base', _BOTH))),
        _beats('rays help', 'rays', 'base', _BOTH),
    ),
    'end_to_end': Experiment(
        'End-to-end fine-tuning (Marigold\'s, not the paper\'s)',
        'Fine-tuned end to end at t = 1 from zeros, one step beats one step of a model whose '
        'diffusion training continued for as many samples.',
        'test set',
        (
            Series('end to end', _over('tuned-end-to-end', _BOTH)),
            Series('diffusion', _over('tuned', _BOTH)),
            Series('before either', _over('base', _BOTH)),
        ),
        _beats('end to end beats diffusion at 1 step', 'tuned-end-to-end', 'tuned', _BOTH),
    ),
}  # fmt: skip


def chosen(names: str) -> dict[str, Experiment]:
    """Pick experiments by 'name,name', '' = all; raises `TrainError` for an unknown one."""
    wanted = [name.strip() for name in names.split(',') if name.strip()] or list(EXPERIMENTS)
    for name in wanted:
        if name not in EXPERIMENTS:
            raise TrainError(f'experiment {name!r} is unknown; allowed: {", ".join(EXPERIMENTS)}')
    return {name: EXPERIMENTS[name] for name in EXPERIMENTS if name in wanted}


def points_of(experiments: Iterable[Experiment]) -> dict[str, list[Point]]:
    """List the points to measure per model, in an order in which models can be trained."""
    terms = {term for experiment in experiments for term in experiment.terms()}
    names = {model for model, _ in terms} | {MODELS[model].init for model, _ in terms}
    return {
        name: sorted((p for model, p in terms if model == name), key=lambda p: p.key)
        for name in MODELS if name in names
    }  # fmt: skip


def data_sets(points: Mapping[str, list[Point]]) -> list[str]:
    """List the data sets that models and points need."""
    used = {MODELS[name].data for name in points}
    used |= {TESTS[point.test].data for listed in points.values() for point in listed}
    return [name for name in DATA if name in used]
