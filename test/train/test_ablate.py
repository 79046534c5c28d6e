# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_set import plane_sample, write_shard

from dmd_ros.core.records import RawSample
from train import checkpoint
from train.ablate import data, runs
from train.ablate.__main__ import main
from train.ablate.experiments import (
    DATA,
    EXPERIMENTS,
    MODELS,
    TESTS,
    Claim,
    Point,
    chosen,
    points_of,
)
from train.ablate.plots import plot
from train.ablate.runs import Deadline, OutOfTimeError, Work, config_of
from train.ablate.scales import SCALES
from train.ablate.verdict import CONTRARY, REPRODUCED, T_975, UNDECIDED, interval, judge_claim
from train.errors import TrainError
from train.evaluate import mistold
from train.worlds import generate
from train.worlds.cache import claim_folder

HERE, THERE = Point('indoor'), Point('outdoor')
CLAIM = Claim('a beats b', ('a', HERE), ('b', HERE))


@pytest.fixture(scope='module')
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with finished data sets: planes seen through several lenses."""
    out = tmp_path_factory.mktemp('worlds')
    for name in DATA:
        raws = [
            replace(raw, camera=replace(raw.camera, fx=focal, fy=focal))
            for raw, focal in zip(map(plane_sample, range(6)), range(30, 90, 10), strict=True)
        ]
        folder = data.folder(out, name)
        claim_folder(folder, data.facts(data.world_config(name, SCALES['smoke']), ''))
        write_shard(folder, raws)
    return out


@pytest.fixture
def out(worlds: Path, tmp_path: Path) -> Path:
    shutil.copytree(worlds, tmp_path / 'out')
    return tmp_path / 'out'


def command(out: Path, *more: str) -> list[str]:
    return ['--scale', 'smoke', '--out', str(out), '--threads', '1', '--workers', '0', *more]


def results(*pairs: tuple[float, float], point: Point = HERE) -> dict:
    return {
        seed: {'a': {point.key: {'abs_rel': a}}, 'b': {point.key: {'abs_rel': b}}}
        for seed, (a, b) in enumerate(pairs)
    }


def test_every_experiment_from_nothing_to_the_page(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(out, '--seeds', '1')) == 0
    page = (out / 'ablations.md').read_text()
    assert 'Smoke test: these numbers are meaningless' in page
    assert 'not run' not in page
    assert '1 of 1 seeds have results' in page
    for name, experiment in EXPERIMENTS.items():
        assert f'## {experiment.title}' in page
        assert (out / 'images' / 'ablations' / f'{name}.png').stat().st_size > 5_000
    verdicts = sum(page.count(f'**{verdict}**') for verdict in (REPRODUCED, CONTRARY, UNDECIDED))
    assert verdicts == sum(len(e.claims) for e in EXPERIMENTS.values())
    found = json.loads((out / 'results.json').read_text())
    assert set(found['results']) == {'0'}
    assert set(found['results']['0']) == set(MODELS)
    assert main(command(out, '--seeds', '1', '--dry-run')) == 0
    assert 'left: 0 frames to render, 0 runs with 0 samples, 0 eval' in capsys.readouterr().out


class Countdown(Deadline):
    """A deadline that passes after a number of checks."""

    left = 0

    def check(self) -> None:
        type(self).left -= 1
        if self.left < 0:
            raise OutOfTimeError


def test_resuming_after_any_stop_gives_the_same_results(
    out: Path, worlds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the same relative --out, as a resumed command has
    shutil.copytree(worlds, 'whole')
    only = ('--only', 'end_to_end', '--seeds', '1')
    assert main(command(Path('whole'), *only)) == 0
    monkeypatch.setattr('train.ablate.__main__.Deadline', Countdown)
    codes = []
    for looks in (1, 2, 4, *[5] * 20):
        Countdown.left = looks
        codes.append(main(command(Path('out'), *only)))
        if codes[-1] == 0:
            break
    assert codes[-1] == 0
    assert codes[:-1] == [3] * (len(codes) - 1)
    assert len(codes) >= 4
    whole, sliced = (json.loads(Path(p, 'results.json').read_text()) for p in ('whole', 'out'))
    assert sliced['results'] == whole['results']
    for name in ('base', 'tuned', 'tuned-end-to-end'):
        ends = [checkpoint.find(Path(p) / 'runs' / f'{name}-0')['ema'] for p in ('whole', 'out')]
        assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_a_slice_that_only_measures_keeps_to_its_threads(out: Path) -> None:
    only = ('--only', 'perturbation', '--seeds', '1')
    assert main(command(out, *only)) == 0
    first = (out / 'results.json').read_bytes()
    (out / 'runs' / 'base-0' / 'evaluation.json').unlink()
    torch.set_num_threads(2)
    assert main(command(out, *only)) == 0
    assert torch.get_num_threads() == 1
    assert (out / 'results.json').read_bytes() == first


def test_a_slice_without_time_does_nothing_and_reports_it(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(out, '--max-minutes', '1e-9')) == 3
    assert 'time is up; run the same command to continue' in capsys.readouterr().out
    assert not (out / 'runs').exists()
    page = (out / 'ablations.md').read_text()
    assert f'{UNDECIDED}' in page
    assert 'not run' in page


def test_dry_run_writes_nothing(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(out.rglob('*'))
    assert main(command(out, '--dry-run')) == 0
    printed = capsys.readouterr().out
    assert 'estimated time: 0:' in printed
    assert '22 runs with' in printed
    assert sorted(out.rglob('*')) == before


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (('--only', 'depth,colour'), "experiment 'colour' is unknown; allowed: depth, fov"),
        (('--scale', 'huge'), "scale 'huge' is unknown; allowed: smoke, reduced, full"),
        (('--docs', 'docs'), 'results of scale smoke are meaningless'),
        (('--scale', 'reduced', '--docs', f'{__file__}/docs'), 'choose another --docs'),
        (('--seeds', '0'), '--seeds 0 must be >= 1'),
        (('--report-only',), 'new has no measurements; run the command without it'),
        (('--max-minutes', '-1'), '--max-minutes -1 must be >= 0'),
        (('--max-minutes', 'nan'), '--max-minutes nan must be >= 0'),
    ],
)
def test_refuses(
    tmp_path: Path, more: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tmp_path / 'new', *more)) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'new').exists()


@pytest.mark.parametrize(
    ('option', 'least'), [('--threads', 0), ('--workers', 0), ('--render-workers', 1)]
)
def test_invalid_process_counts_are_refused_before_rendering(
    tmp_path: Path, option: str, least: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(command(tmp_path / 'new', option, '-1'))
    assert f'argument {option}: -1 must be >= {least}' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('left', 'named'), [('runs/base-0', 'runs'), ('data/wide/shard-00000', 'shard-00000')]
)
def test_output_of_an_older_version_is_not_mixed_in(
    tmp_path: Path, left: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It recorded its scale in scale.txt and its settings in facts.json."""
    (tmp_path / left).mkdir(parents=True)
    (tmp_path / 'scale.txt').write_text('smoke\n')
    assert main(command(tmp_path, '--only', 'perturbation')) == 1
    error = capsys.readouterr().err
    assert f'{named} exists without ' in error and 'choose another --out' in error


def test_an_invalid_folder_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'file'
    out.touch()
    assert main(command(out)) == 1
    printed = capsys.readouterr().err
    assert printed.startswith('error: ') and str(out) in printed and printed.count('\n') == 1


def test_two_scales_do_not_mix_in_one_folder(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(out, '--max-minutes', '0')) == 3
    assert main([*command(out)[2:], '--scale', 'reduced', '--max-minutes', '1e-9']) == 1
    assert 'has other settings: {"scale": "smoke"}' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('pairs', 'verdict'),
    [
        (((0.10, 0.20), (0.11, 0.21), (0.12, 0.22)), REPRODUCED),
        (((0.20, 0.10), (0.21, 0.11), (0.22, 0.12)), CONTRARY),
        (((0.10, 0.20), (0.20, 0.10), (0.15, 0.16)), UNDECIDED),
        (((0.10, 0.20), (0.10, 0.90)), UNDECIDED),  # two seeds far apart: t = 12.7
        (((0.10, 0.20),), UNDECIDED),
        (((0.10, math.nan), (0.10, 0.2)), UNDECIDED),
        (((0.10, 0.10), (0.10, 0.10)), UNDECIDED),
        ((), UNDECIDED),
    ],
)
def test_verdict(pairs: tuple[tuple[float, float], ...], verdict: str) -> None:
    assert judge_claim(CLAIM, results(*pairs)).verdict == verdict


def test_pairing_by_seed_cancels_differences_between_seeds() -> None:
    # The seeds differ far more than the models, and the models differ equally for each seed.
    shared = results((0.10, 0.11), (0.20, 0.22), (0.40, 0.44), (0.80, 0.88))
    judged = judge_claim(CLAIM, shared)
    assert judged.verdict == REPRODUCED
    assert judged.effect.mean == pytest.approx(math.log(1.1))


def test_verdict_beyond_another_comparison() -> None:
    claim = Claim('more here', ('a', HERE), ('b', HERE),
                  beyond=(('a', THERE), ('b', THERE)))  # fmt: skip
    here = results((0.1, 0.2), (0.1, 0.21), (0.1, 0.22))
    there = results((0.1, 0.11), (0.1, 0.11), (0.1, 0.12), point=THERE)
    both = {s: {m: {**here[s][m], **there[s][m]} for m in 'ab'} for s in here}
    assert judge_claim(claim, both).verdict == REPRODUCED
    turned = Claim('less here', ('a', THERE), ('b', THERE),
                   beyond=(('a', HERE), ('b', HERE)))  # fmt: skip
    assert judge_claim(turned, both).verdict == CONTRARY


def test_interval_is_students() -> None:
    stats = pytest.importorskip('scipy.stats')
    quantiles = [stats.t.ppf(0.975, degrees) for degrees in range(1, 21)]
    assert list(T_975) == pytest.approx(quantiles, abs=1e-4)
    values = [0.3, 0.1, 0.4, 0.15]
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    found = interval(values)
    assert found.mean - found.half == pytest.approx(low, abs=1e-4)
    assert found.mean + found.half == pytest.approx(high, abs=1e-4)


def test_the_table_is_sound() -> None:
    points = points_of(EXPERIMENTS.values())
    assert set(points) == set(MODELS), 'a model that no experiment uses'
    for experiment in EXPERIMENTS.values():
        xs = {tuple(x for x, _ in series.terms) for series in experiment.series}
        assert len(xs) == 1, 'the series of an experiment share their x values'
        for model, point in experiment.terms():
            assert model in MODELS
            assert point.test in TESTS
    # A model is trained after the one that it starts from, even if that is not itself measured.
    names = list(points_of([EXPERIMENTS['rays'], *chosen('end_to_end').values()]))
    assert names.index('base') < names.index('tuned')
    for size in SCALES:
        for name in MODELS:
            config = config_of(name, 0, Work(Path('out'), SCALES[size]))
            assert config.total_samples % config.batch == 0


def test_a_mistold_camera_differs_only_in_the_field_of_view() -> None:
    raw: RawSample = plane_sample(0)
    told = mistold(raw, 1.4)
    assert told.camera.tan_half_vfov == pytest.approx(1.4 * raw.camera.tan_half_vfov)
    assert told.rgb is raw.rgb
    assert told.depth is raw.depth
    assert mistold(raw, 1.0) is raw


def test_frames_of_two_kinds_do_not_mix_and_leftovers_are_deleted(out: Path) -> None:
    leftover = data.folder(out, 'wide') / '.shard-00001-17'
    leftover.mkdir()
    data.render(out, 'wide', SCALES['smoke'], '', 1)
    assert not leftover.exists()
    with pytest.raises(TrainError, match='choose another --out, or delete the folder'):
        data.render(out, 'wide', SCALES['smoke'], 'some/assets', 1)


def test_missing_assets_do_not_claim_the_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match='--assets expects DIR'):
        data.render(tmp_path, 'wide', SCALES['smoke'], str(tmp_path / 'none'), 1)
    assert not data.folder(tmp_path, 'wide').exists()


@pytest.mark.parametrize(
    ('factor', 'lens'),
    [(1.0, ''), (1.14, ''), (0.88, ''), (1.2, 'other'), (0.81, 'other'), (1.49, 'other'),
     (0.79, 'far'), (1.51, 'far'), (3.0, 'far')],
)  # fmt: skip
def test_other_lenses_are_those_that_augmentation_covers(factor: float, lens: str) -> None:
    assert data.lens_of(0.4625 * factor, 'indoor') == lens


def test_frames_through_other_lenses(out: Path) -> None:
    everything = data.test_frames(out, 'indoor', SCALES['reduced'])
    for lens in ('other', 'far'):
        frames = data.test_frames(out, f'indoor, {lens} lenses', SCALES['reduced'])
        assert 0 < len(frames) < len(everything)
        assert {data.lens_of(frame.camera.tan_half_vfov, 'indoor') for frame in frames} == {lens}


def test_worlds_through_one_lens(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flat:
        kind, scene, pose = 'indoor', None, staticmethod(lambda rng, camera: None)

    monkeypatch.setattr(generate, 'build_world', lambda *args: Flat)
    monkeypatch.setattr(generate, 'scene_arrays', lambda *args: None)
    monkeypatch.setattr(generate, 'render_cpu', lambda *args: (None, None, None))
    monkeypatch.setattr(generate, 'expose', lambda *args: None)
    config = data.world_config('two cameras', SCALES['smoke'])
    lenses = [generate.Worlds(0, config)[i].camera.tan_half_vfov for i in range(4)]
    assert lenses == pytest.approx([0.4625] * 4)
    drawn = data.world_config('wide', SCALES['smoke'])
    assert len({generate.Worlds(0, drawn)[i].camera.tan_half_vfov for i in range(4)}) == 4


def test_evaluation_of_another_training_length_is_ignored(tmp_path: Path) -> None:
    runs.write_json(tmp_path / 'evaluation.json', {'total_samples': 8, 'points': {'x': {}}})
    assert runs.evaluation(tmp_path, 8)['points'] == {'x': {}}
    assert runs.evaluation(tmp_path, 16)['points'] == {}
    with pytest.raises(TrainError, match='unknown'):
        chosen('nonsense')


def test_without_matplotlib_the_error_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    setup = (Path(__file__).parents[2] / 'setup.py').read_text()
    assert 'matplotlib' in setup.partition('\nTRAIN = [')[2].partition(']')[0]
    with pytest.raises(TrainError, match=r'pip install dmd_ros\[train\]$'):
        plot(EXPERIMENTS['fov'], {}, tmp_path / 'plot.png')
