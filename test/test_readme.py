# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""README and docs are correct: commands parse, files exist, tables agree with the code."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
PARAMETERS = (ROOT / 'docs' / 'parameters.md').read_text(encoding='utf-8')
MAKEFILE = (ROOT / 'Makefile').read_text(encoding='utf-8')
PAGES = sorted(page for folder in ('docs', 'models') for page in (ROOT / folder).glob('*.md'))
# Files that the reader writes.
PLACES = ('/path/to/', '/camera/', '~', '$', 'out/', 'runs/', 'models/first', '/dev/')


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```', text, re.S | re.M)


def commands(text: str = README) -> list[str]:
    lines = '\n'.join(blocks('sh', text)).replace('\\\n', ' ').splitlines()
    return [part.strip() for line in lines if line for part in line.split('&&')]


def faults(command: str) -> list[str]:
    """Return the problem of one command of the README, if any."""
    words = shlex.split(command)
    while words and re.fullmatch(r'[A-Z_]+=.*', words[0]):
        words.pop(0)
    name = Path(words[0]).name if words else 'export'
    found = missing_files(words)
    if name == 'make':
        found += make_faults(words[1:])
    elif name.startswith('python') and words[1] == '-m':
        found += module_faults(words[2], words[3:])
    elif name == 'ros2':
        found += ros2_faults(words[1:])
    elif name not in ('export', 'source', 'colcon', 'rosdep', 'mkdir', 'ln', 'cd', 'sudo'):
        found.append(f'{name} is not a command that this test knows')
    return found


def missing_files(words: list[str]) -> list[str]:
    paths = [w for w in words if '/' in w and not w.startswith('-') and ':=' not in w]
    ours = [p for p in paths if '=' not in p and not any(place in p for place in PLACES)]
    ours = [p for p in ours if not p.startswith(('.venv', 'install/'))]
    return [f'{path} does not exist' for path in ours if not (ROOT / path).exists()]


def make_faults(words: list[str]) -> list[str]:
    targets = set(re.findall(r'^([a-z-]+):', MAKEFILE, re.M))
    variables = set(re.findall(r'^([A-Z_]+) \?=', MAKEFILE, re.M))
    return [
        f'make knows no {word}'
        for word in words
        if word.partition('=')[0] not in (variables if '=' in word else targets)
    ]


@cache
def help_of(module: str) -> str:
    command = [sys.executable, '-m', module, '--help']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    return done.stdout if done.returncode == 0 else ''


def module_faults(module: str, arguments: list[str]) -> list[str]:
    if module == 'venv':
        return []
    if module == 'pip':
        return [f'no extra {e}' for e in extras_in(arguments) if e not in extras()]
    if module == 'dmd_ros.ros.node':
        return ros_argument_faults(arguments)
    shown = help_of(module)
    if not shown:
        return [f'python -m {module} --help fails']
    options = [a.partition('=')[0] for a in arguments if a.startswith('--')]
    return [f'{module} has no {o}' for o in options if not re.search(rf'{o}\b', shown)]


def extras_in(arguments: list[str]) -> list[str]:
    return [e for a in arguments for group in re.findall(r'\[(.*)\]', a) for e in group.split(',')]


def extras() -> set[str]:
    section = (ROOT / 'setup.py').read_text().partition('extras_require={')[2].partition('},')[0]
    return set(re.findall(r"'([a-z-]+)':", section))


def ros2_faults(words: list[str]) -> list[str]:
    verb, package, what, *arguments = words
    if package != 'dmd_ros':
        return [f'ros2 {verb} of {package}']
    if verb == 'run':
        return ros_argument_faults(arguments) + ([] if what == 'dmd_node' else [f'no {what}'])
    path = ROOT / 'launch' / what
    if not path.is_file():
        return [f'no launch file {what}']
    names = [argument.partition(':=')[0] for argument in arguments]
    text = path.read_text()
    if 'NODE_LAUNCH' in text:  # it takes the other's arguments too
        text += (ROOT / 'launch' / 'dmd.launch.py').read_text()
    known = {*re.findall(r"'(\w+)':", text), *parameters()}
    return [f'{what} has no argument {name}' for name in names if name not in known]


def ros_argument_faults(arguments: list[str]) -> list[str]:
    given = [b for a, b in itertools.pairwise(arguments) if a == '-p']
    return [f'no parameter {g}' for g in given if g.partition(':=')[0] not in parameters()]


def parameters() -> set[str]:
    return set(re.findall(r'^\| `(\w+)` \| `', PARAMETERS, re.M))


@pytest.mark.parametrize('command', commands())
def test_each_command_works(command: str) -> None:
    assert faults(command) == []


@pytest.mark.parametrize(
    ('command', 'fault'),
    [
        ('make nothing', 'make knows no nothing'),
        ('make demo BAGS=x', 'make knows no BAGS=x'),
        ('.venv/bin/python -m dmd_ros.eval.replay --none x', 'dmd_ros.eval.replay has no --none'),
        ('python3 -m dmd_ros.nothing', 'python -m dmd_ros.nothing --help fails'),
        ("python3 -m pip install '.[tpu]'", 'no extra tpu'),
        ('ros2 launch dmd_ros dmd.launch.py picture:=x', 'dmd.launch.py has no argument picture'),
        ('ros2 run dmd_ros dmd_node --ros-args -p speed:=1', 'no parameter speed:=1'),
        ('cd test/nowhere', 'test/nowhere does not exist'),
        ('conda install', 'conda is not a command that this test knows'),
    ],
)
def test_the_check_finds_planted_faults(command: str, fault: str) -> None:
    assert faults(command) == [fault]


def test_there_are_two_commands_at_the_top() -> None:
    assert commands()[:2] == ['make demo', 'make test']


def test_names_with_spaces_are_not_split() -> None:
    make = ['make', '--no-print-directory', '-n', '-o', '.venv-demo/.ready', 'demo']
    done = subprocess.run(
        [*make, 'BAG=/a/my bag', 'MODEL=/a/b  c.onnx'],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shlex.split(done.stdout)[-4:] == ['--bag', '/a/my bag', '--model', '/a/b  c.onnx']


def unknown_options(module: str, rest: str) -> list[str]:
    """Return the options of `python -m MODULE REST` that are not in its source."""
    path = ROOT / module.replace('.', '/')
    path = path / '__main__.py' if path.is_dir() else path.with_suffix('.py')
    if not path.is_file():
        return [f'no module {module}']
    source = path.read_text()
    if 'add_model_options' in source:
        source += (ROOT / 'dmd_ros' / 'eval' / 'options.py').read_text()
    return [option for option in re.findall(r' (--[a-z-]+)', rest) if f"'{option}'" not in source]


@pytest.mark.parametrize('page', PAGES)
def test_commands_of_the_pages_are_known(page: Path) -> None:
    text = page.read_text(encoding='utf-8').replace('\\\n', ' ')
    for module, rest in re.findall(r'python\s+-m\s+([\w.]+)([^`\n]*)', text):
        assert unknown_options(module, rest) == [], module


def unexplained(source: str) -> list[str]:
    """Return the options that a parser in `source` adds without help."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [
        str(call.args[0].value)
        for call in calls
        if getattr(call.func, 'attr', getattr(call.func, 'id', '')) in ('add_argument', 'add')
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and str(call.args[0].value).startswith('--')
        and 'help' not in {keyword.arg for keyword in call.keywords}
    ]


def test_each_option_of_each_command_is_explained() -> None:
    for path in itertools.chain(*((ROOT / top).rglob('*.py') for top in ('dmd_ros', 'train'))):
        assert unexplained(path.read_text(encoding='utf-8')) == [], path
    assert unexplained("add('--seed', type=int)\nadd('--out', help='x')\nadd('x')") == ['--seed']


def test_unknown_options_are_found() -> None:
    assert unknown_options('train.run', ' --out x --none') == ['--none']
    assert unknown_options('train.run', ' --steps 2') == ['--steps']
    assert unknown_options('train.nothing', '') == ['no module train.nothing']


def prose(page: Path) -> str:
    return re.sub(r'^```.*?^```', '', page.read_text(encoding='utf-8'), flags=re.S | re.M)


@cache
def anchors(page: Path) -> set[str]:
    """Return GitHub's anchors of the headings."""
    headings = re.findall(r'^#+ (.*)', prose(page), re.M)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', [ROOT / 'README.md', *PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r'\]\(([^)]+)\)', prose(page)):
        if '://' not in target:
            file, _, anchor = target.partition('#')
            there = (page.parent / file).resolve() if file else page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target


def test_missing_anchors_are_found() -> None:
    assert 'is-the-model-any-good-judge-it-with-a-bag' in anchors(ROOT / 'README.md')
    assert 'nowhere' not in anchors(ROOT / 'README.md')


@pytest.mark.parametrize('page', [page for page in PAGES if page.parent.name == 'docs'])
def test_each_page_is_found_from_the_readme(page: Path) -> None:
    assert f'](docs/{page.name}' in README


@pytest.mark.parametrize('page', [ROOT / 'README.md', *PAGES])
def test_mentioned_files_exist(page: Path) -> None:
    for named in set(re.findall(r'`([\w./]+)`', page.read_text(encoding='utf-8'))):
        folder = named.partition('/')[0]
        if '/' in named and folder in ('config', 'dmd_ros', 'docs', 'launch', 'test', 'train'):
            assert (ROOT / named).exists(), named


def test_the_table_of_parameters_matches_the_node() -> None:
    pytest.importorskip('rclpy')
    from parameter_table import parameter_table

    assert parameter_table() in PARAMETERS, 'run test/parameter_table.py --write'


def rows_of(page: str) -> dict[str, list[str]]:
    """Return the rows of all tables by their first cell, the first row of each name."""
    rows: dict[str, list[str]] = {}
    for line in re.findall(r'^\| (.*) \|$', page, re.M):
        name, *cells = (cell.strip() for cell in line.split('|'))
        rows.setdefault(name, cells)
    return rows


def test_the_accuracy_of_the_model_is_the_same_on_every_page() -> None:
    card, other, log = (
        (ROOT / page).read_text(encoding='utf-8')
        for page in ('models/dmd_worlds.md', 'models/dmd_fov.md', 'docs/training-log.md')
    )
    *_, measured = (rows_of(part) for part in card.split('| frames '))  # of real cameras
    readme = {name.partition(' (')[0]: cells for name, cells in rows_of(README).items()}
    names = {'indoor': 'indoors', 'table top': 'table tops', 'outdoor': 'outdoors'}
    shipped = re.search(r'^.*\*\*shipped as dmd_worlds\*\*(.*)$', log, re.M)
    assert shipped is not None
    for group, name in names.items():
        _, abs_rel, delta1, *rest = measured[group]
        best, constant = rest[-2], rest[-4]
        short = [number.removeprefix('0') for number in (abs_rel, delta1, best, constant)]
        assert readme[f'real, {name}'] == short
        assert rows_of(other.partition('dmd_worlds: AbsRel')[2])[f'frames, {group}'][1] == (
            f'{abs_rel} / {delta1}'
        )
        assert f'| {short[0]} ' in shipped[1]


def test_the_table_of_topics_matches_the_node() -> None:
    pytest.importorskip('rclpy')
    from dmd_ros.ros.outputs import TOPICS

    for topic, kind in TOPICS.items():
        assert f'| `{topic}` | {kind.__module__.split(".")[0]}/{kind.__name__} |' in README


def test_the_encodings_are_all_named() -> None:
    from dmd_ros.core.image_msg import COLOR_ENCODINGS

    said = README.replace('Bayer 8 and 16 bit', 'bayer')
    for encoding in COLOR_ENCODINGS:
        name = 'bayer' if encoding.startswith('bayer') else encoding
        if encoding not in ('uyvy', 'yuyv'):  # the other names of yuv422 and yuv422_yuy2
            assert name in said


def test_the_limit_of_millimetres_is_documented() -> None:
    from dmd_ros.core.image_msg import millimetres_from_depth

    codes = np.empty((1, 2), np.uint16)
    millimetres_from_depth(np.array([[65.535, 65.536]], np.float32), codes)
    assert codes.tolist() == [[65535, 0]]
    for text in (README, (ROOT / 'config' / 'dmd.yaml').read_text(encoding='utf-8')):
        assert re.search(r'beyond[\s#]+65\.535 m', text)


def test_the_python_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fov_oracle import tan_of, write_fov_oracle
    from oracle_model import write_oracle

    from dmd_ros.runtime.shared_files import DEFAULT_FOV_MODEL

    calibrated, uncalibrated, mounted = blocks('python')
    oracles = {
        None: write_oracle(tmp_path / 'model.onnx'),
        DEFAULT_FOV_MODEL: write_fov_oracle(tmp_path / 'fov.onnx'),
    }
    monkeypatch.setattr('dmd_ros.loading.find_model', lambda model=None: oracles[model])
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('picture.png', np.full((480, 640, 3), 128, np.uint8))
    scope: dict[str, object] = {}
    exec(compile(calibrated, 'README.md', 'exec'), scope)
    assert scope['frame'].depth.shape == (480, 640)
    assert scope['points'].shape == (480, 640, 3)
    assert capsys.readouterr().out.startswith('[[')
    exec(compile(uncalibrated, 'README.md', 'exec'), scope)
    tan, source = capsys.readouterr().out.split()
    assert float(tan) == pytest.approx(tan_of(128), abs=1e-4)
    assert source == 'estimate'
    exec(compile(mounted, 'README.md', 'exec'), scope)
    assert capsys.readouterr().out == 'FloorReading(scale=None, seen=False)\n'
