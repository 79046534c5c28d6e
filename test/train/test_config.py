# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from small_set import FAST, set_options, write_set

from train.config import TrainConfig, check_resumable, make_config
from train.errors import TrainError
from train.presets import preset
from train.run import main


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (['nonsense=1'], "unknown setting 'nonsense'; allowed: .*batch"),
        (['preset=tiny'], "unknown setting 'preset'; allowed: .*precision, rays"),
        (['batch'], 'not key=value'),
        (['batch=four'], "batch='four' is not a int"),
        (['batch=0'], 'batch=0 must be >= 1'),
        (['rays=maybe'], 'must be true or false'),
        (['sizes=100x128'], 'size 100x128 is impossible.*multiples of 16; nearest: 96x128'),
        (['sizes=0x128'], 'size 0x128 is impossible.*nearest: 16x128'),
        (['sizes=large'], 'not HEIGHTxWIDTH'),
        (['sizes=32x32@inf'], 'weights must be > 0'),
        (['stage=both'], "stage='both'; allowed: diffusion, end_to_end"),
        (['precision=fp8'], 'allowed: auto, bf16, fp32'),
        (['optimizer=sgd'], "optimizer='sgd'; allowed: adamw, muon"),
        (['schedule=step'], "schedule='step'; allowed: cosine, constant"),
        (['infill=magic'], "infill='magic'; allowed: nearest"),
        (['t1_fraction=2'], 'share in 0..1'),
        (['unroll=2'], 'unroll=2.0 must be a share in 0..1'),
        (['cooldown=2'], 'cooldown=2.0 must be a share in 0..1'),
        (['depth_codec=cubic'], 'allowed: log, linear'),
        (['depth_min_m=90'], 'depth range 90'),
        (['fov_scale_min=2'], 'fov_scale'),
        (['fov_scale_min=0'], 'must be 0 < min <= max'),
        (['total_samples=0'], 'total_samples=0 must be >= 1'),
        (['keep_checkpoints=0'], 'keep_checkpoints=0 must be >= 1'),
        (['reuse=0'], 'reuse=0.0 must be >= 1'),
        (['store_parts=0'], 'store_parts=0 must be >= 1'),
        (['total_samples=1e19'], r'must be >= 1 and <= 1e\+18'),
        (['lr=nan'], 'lr=nan must be >= 0 and <='),
        (['minutes=-1'], 'minutes=-1.0 must be >= 0'),
        (['centre_jitter=inf'], 'centre_jitter=inf must be >= 0'),
        (['picture_every=0'], 'picture_every=0 must be >= 1'),
        (['validation_frames=0'], 'validation_frames=0 must be >= 1'),
        (['clip=0'], 'clip=0 would prevent learning'),
        (['max_broken_share=2'], 'share in 0..1'),
        (['batch=1e400'], "batch='1e400' is not a int"),
        (['batch=15e-1'], "batch='15e-1' is not a int"),
        (['seed=4294967296'], 'seed=4294967296 must be < 4294967296: larger seeds are held out'),
    ],
)
def test_bad_settings_name_value_and_fix(settings: list[str], message: str) -> None:
    with pytest.raises(TrainError, match=message):
        make_config('nano', settings)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(TrainError, match=r"preset 'huge' is unknown; allowed: .*nano"):
        make_config('huge', [])


def test_settings_are_read_by_type() -> None:
    config = make_config('tiny', ['batch=8', 'lr=1e-3', 'total_samples=1e6', 'rays=TRUE', 'fov=0'])
    assert (config.batch, config.lr, config.total_samples) == (8, 1e-3, 10**6)
    assert (config.rays, config.fov) == (True, False)
    assert make_config('tiny', []).lr == preset('tiny').lr


def test_sizes_and_kinds_have_shares() -> None:
    kinds = 'kinds=indoor=3, outdoor=1'
    config = make_config('nano', ['sizes=32x32@3, 64x48', 'worlds_on=device', kinds])
    assert config.size_list == ((32, 32), (64, 48))
    assert config.size_shares == (0.75, 0.25)
    assert config.kind_shares == {'indoor': 0.75, 'outdoor': 0.25}


def test_config_survives_json() -> None:
    config = make_config('tiny', ['stage=end_to_end', 'steps=4', 'samples=2'])
    assert TrainConfig.from_json(config.to_json()) == config
    contract = config.contract()
    assert (contract.noise, contract.steps, contract.samples) == ('zeros', 1, 1)
    with pytest.raises(TrainError, match=r"settings \['new'\] that this version does not know"):
        TrainConfig.from_json('{"new": 1}')


def test_resume_allows_longer_runs_and_nothing_else() -> None:
    config = make_config('nano', [])
    check_resumable(config, make_config('nano', ['total_samples=2000000', 'threads=1']))
    message = r'lr: 0.001 -> 0.01\n.*--init CHECKPOINT; train\.finetune: --model'
    with pytest.raises(TrainError, match=message):
        check_resumable(config, make_config('nano', ['lr=0.01']))


def test_command_line_reports_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--out', 'unused', '--set', 'bogus=1']) == 1
    assert "unknown setting 'bogus'" in capsys.readouterr().err


def test_resuming_without_a_checkpoint_starts_no_new_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / 'typo'
    assert main(['--out', str(run), '--resume']) == 1
    assert 'contains no checkpoint to resume from; start the run again' in capsys.readouterr().err
    assert not run.exists()


def test_a_file_where_the_run_should_be_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'file').write_text('mine')
    sources = f'sources=folder:{write_set(tmp_path / "set")}'
    assert main(['--out', str(tmp_path / 'file'), '--preset', 'micro', '--set', sources]) == 1
    assert f"File exists: '{tmp_path}/file'; fix that" in capsys.readouterr().err
    assert (tmp_path / 'file').read_text() == 'mine'


def test_a_full_disk_is_reported_with_the_file_being_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / 'run'
    run.mkdir()
    (run / 'losses.jsonl').symlink_to('/dev/full')
    sources = f'sources=folder:{write_set(tmp_path / "set")}'
    settings = set_options(sources, *FAST, 'total_samples=4')
    assert main(['--out', str(run), '--preset', 'micro', *settings]) == 1
    message = 'No space left on device (in losses, train/report.py); fix that'
    assert message in capsys.readouterr().err
