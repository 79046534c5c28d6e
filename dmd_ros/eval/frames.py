# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judge a model on a folder of labelled frames: python -m dmd_ros.eval.frames DIR [--out DIR].

Writes results.json, results.md and sheet.png (with at most 100 of the frames) to --out. If a frame
cannot be read, it is listed there, the others are judged, and the exit status is 2. The layout of
DIR is described in docs/datasets.md, "Your own frames"; metrics and baselines in
`dmd_ros.eval.metrics` and `dmd_ros.eval.baselines`.

With --estimates, no model is run: existing estimates of the pictures are judged in the same way. A
frame without an estimate is treated like one that cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dmd_ros.eval import judge, options
from dmd_ros.eval.errors import EvalError
from dmd_ros.eval.frame_estimates import FileFrames, FrameEstimate, FrameSource, ModelFrames
from dmd_ros.eval.frame_folder import (
    GROUPS,
    LabelledFrame,
    centre_warning,
    find_frames,
    read_frame,
)
from dmd_ros.eval.judge import Limits, Summary, Verdict
from dmd_ros.eval.metrics import valid_mask
from dmd_ros.eval.output import report, sheet
from dmd_ros.eval.paths import real
from dmd_ros.eval.registration import on_grid_of

# Colour scales of the contact sheet, metres.
SCALES_M = {'indoor': (0.5, 10.0), 'table top': (0.3, 4.0), 'outdoor': (2.0, 80.0)}
_OUTPUTS = ('results.json', 'results.md', 'sheet.png')
# Maximum number of rows in the sheet, evenly spread over the frames: image files have size limits.
_MAX_ROWS = 100

_HEADER = (
    'frames', 'n', 'AbsRel', 'd1', 'RMSE m', 'log10', 'SILog', 'scale g/p', 'AbsRel scaled',
    'd1 scaled', 'const AbsRel', 'const d1', 'best_const AbsRel', 'best_const d1',
)  # fmt: skip


def evaluate(
    frames: Iterable[tuple[LabelledFrame, FrameEstimate]],
    limits: Limits,
    shown: Collection[str],
    drawing: sheet.Sheet,
) -> tuple[list[Verdict], list[Mapping[str, float]]]:
    """Judge every frame, and draw those in `shown`; return verdicts and stage times."""
    verdicts, timings = [], []
    for frame, estimate in frames:
        seen = on_grid_of(estimate.settled, frame.truth_m, frame.sample.camera)
        verdict = judge.judge(seen, frame.truth_m, limits, name=frame.name, group=frame.group)
        verdicts.append(verdict)
        timings += [estimate.timings] if estimate.timings else []
        if frame.name in shown:
            # With the infinities, which are judged as the ends of the range.
            drawing.add(_sheet_row(frame, verdict, estimate.raw))
    return verdicts, timings


def summary_table(verdicts: Sequence[Verdict], summaries: Mapping[str, Summary]) -> str:
    """Return Markdown tables of the groups and the total, and of every frame."""
    groups = [_row(name, summary.frames, summary) for name, summary in summaries.items()]
    single = [_row(verdict.name, 1, verdict) for verdict in verdicts]
    total = summaries['total']
    return (
        report.markdown_table(_HEADER, groups)
        + f'\nBetter than const in {total.beats_const} and than best_const in '
        f'{total.beats_best_const} of {total.frames} frames (AbsRel). Coverage '
        f'{report.format_cell(total.score.coverage)}.\n\n'
        + _range_table(summaries)
        + '\n'
        + report.markdown_table(_HEADER, single)
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = _parser()
    args = parser.parse_args(argv)
    limits = options.limits_from(args)
    paths = find_frames(args.folder)
    _check_options(parser, args, paths)
    out: Path = args.out
    old_outputs = options.left_over(out, _OUTPUTS, args.overwrite)
    out.mkdir(parents=True, exist_ok=True)
    source, settings = _source(args, limits)
    frames = _Frames(paths, source, limits, args.quiet)
    shown = {paths[place].name for place in sheet.places(len(paths), _MAX_ROWS)}
    drawing = sheet.Sheet(SCALES_M, labelled=True)
    verdicts, timings = evaluate(frames, limits, shown, drawing)
    if not verdicts:
        raise EvalError(f'no frame of {args.folder} was judged: {"; ".join(frames.warnings)}')
    source.close()
    # Only now that all frames are judged: a typo must not delete an earlier result.
    options.remove(old_outputs)
    frames.warnings += filter(None, [*source.warnings(), judge.inverse_doubt(verdicts)])
    for warning in frames.warnings:
        print(f'warning: {warning}', file=sys.stderr)
    summaries = judge.by_group(verdicts, GROUPS)
    latency = report.stage_latency_ms(timings)
    report.write_json(
        out / 'results.json',
        {
            'settings': settings,
            'frames_in_folder': len(paths),
            'frames_left_out': frames.left_out,
            'frames_without_floor': source.floorless,
            'groups': summaries,
            'frames': verdicts,
            'warnings': frames.warnings,
            'latency_ms': latency,
        },
    )
    table = summary_table(verdicts, summaries) + _left_out(frames.left_out, len(paths))
    table += _floorless(source.floorless, len(verdicts))
    (out / 'results.md').write_text(f'# {_title(settings)}\n\n{table}', encoding='utf-8')
    picture = drawing.draw(_title(settings), _subtitle(summaries['total']))
    sheet.write_picture(out / 'sheet.png', picture)
    print(table)
    if latency:
        print(report.latency_table(latency))
    print(f'written: {out}/{", ".join(_OUTPUTS)}')
    if frames.broken:  # the exit status must tell scripts that frames are missing
        nor = '' if args.estimates is None else ', or have no readable estimate'
        raise EvalError(
            f'{frames.broken} of {len(paths)} frames of {args.folder} cannot be read{nor} (see '
            'the warnings); only the others were judged'
        )


def _check_options(
    parser: argparse.ArgumentParser, args: argparse.Namespace, paths: Sequence[Path]
) -> None:
    """Raise `EvalError` if options contradict each other."""
    if args.estimates is None:
        options.refuse_estimate_options(parser, args, '--estimates')
        return
    options.refuse_model_options(parser, args)
    truths = {args.folder, args.folder / 'depth', *(path.parent for path in paths)}
    if real(args.estimates) in set(map(real, truths)):
        raise EvalError(
            f'--estimates {args.estimates} holds the ground truth; give another folder'
        )


def _source(args: argparse.Namespace, limits: Limits) -> tuple[FrameSource, dict[str, Any]]:
    """Return the source of the depth to judge, and its settings for the record."""
    if args.estimates is None:
        estimator = options.estimator_from(args)
        settings = {**options.settings_of(args, estimator, limits), 'mirror': args.mirror}
        return ModelFrames(estimator, args.mirror), settings
    range_m = options.estimate_range_from(args, limits)
    return FileFrames(args.estimates, range_m, args.estimate_range is None), {
        'estimates': report.as_text(str(args.estimates)),
        'estimate_range_m': range_m,
        'truth_range_m': [limits.min_m, limits.max_m],
    }


class _Frames:
    """Iterable of the frames that can be judged, with their estimates.

    Iterating fills left_out (the reason why a frame is not judged, by its name), broken (how many
    of those cannot be read, or have no readable estimate) and warnings.
    """

    def __init__(
        self, paths: Sequence[Path], source: FrameSource, limits: Limits, quiet: bool
    ) -> None:
        self.left_out: dict[str, str] = {}
        self.broken = 0
        self.warnings: list[str] = []
        self._paths, self._source = paths, source
        self._limits, self._quiet = limits, quiet

    def __iter__(self) -> Iterator[tuple[LabelledFrame, FrameEstimate]]:
        low, high = self._limits.min_m, self._limits.max_m
        for path in tqdm(self._paths, unit='frame', disable=self._quiet):
            try:
                frame = read_frame(path)
            except (EvalError, OSError) as error:
                self.broken += 1
                self._leave_out(path.name, str(error))
                continue
            if not valid_mask(frame.truth_m, low, high).any():
                self._leave_out(frame.name, f'it has no depth between {low:g} and {high:g} m')
                continue
            doubt = self._source.doubt(frame)
            differing = judge.baseline_disagreement(frame)
            found = (differing, centre_warning(frame), doubt and f'{frame.name}: {doubt}')
            self.warnings += filter(None, found)
            try:
                estimate = self._source(frame)
            except EvalError as error:
                self.broken += 1
                self._leave_out(frame.name, str(error))
                continue
            yield frame, estimate

    def _leave_out(self, name: str, reason: str) -> None:
        self.left_out[name] = reason
        self.warnings.append(f'{name} is left out: {reason}')


def _left_out(reasons: Mapping[str, str], count: int) -> str:
    """Return a Markdown table of the frames that are not judged; '' if there are none."""
    if not reasons:
        return ''
    header = (f'left out, {len(reasons)} of {count} frames', 'reason')
    return '\n' + report.markdown_table(header, list(reasons.items()))


def _floorless(names: Sequence[str], count: int) -> str:
    """Return a Markdown table of the frames that the floor did not scale; '' if there are none."""
    if not names:
        return ''
    header = (f'no floor seen, {len(names)} of {count} frames', 'scale')
    return '\n' + report.markdown_table(header, [(name, 'of the model') for name in names])


def _row(name: str, count: int, of: Summary | Verdict) -> list[object]:
    """Return the cells of the columns in `_HEADER`."""
    score, scaled, const, best = of.score, of.scaled, of.const, of.best_const
    return [
        name, count, score.abs_rel, score.delta1, score.rmse, score.log10, score.silog,
        of.median_scale, scaled.abs_rel, scaled.delta1, const.abs_rel, const.delta1,
        best.abs_rel, best.delta1,
    ]  # fmt: skip


def _range_table(summaries: Mapping[str, Summary]) -> str:
    """Return a Markdown table of AbsRel / d1 per range of true depth and group."""
    ranges = list(summaries['total'].buckets)
    rows = [
        [
            name,
            *(
                f'{s.buckets[r].abs_rel:.3f} / {s.buckets[r].delta1:.3f}'
                if r in s.buckets
                else '-'
                for r in ranges
            ),
        ]
        for name, s in summaries.items()
    ]
    return report.markdown_table(('AbsRel / d1 by true depth', *ranges), rows)


def _sheet_row(frame: LabelledFrame, verdict: Verdict, depth_m: Any) -> sheet.Row:
    figures = (
        f'AbsRel {verdict.score.abs_rel:.3f}   d1 {verdict.score.delta1:.2f}   '
        f'RMSE {verdict.score.rmse:.2f} m   scale g/p {verdict.median_scale:.2f}   '
        f'AbsRel scaled {verdict.scaled.abs_rel:.3f}   |   const {verdict.const.abs_rel:.3f}   '
        f'best_const {verdict.best_const.abs_rel:.3f}'
    )
    sample = frame.sample
    return sheet.Row(frame.group, frame.name, figures, sample.rgb, depth_m, sample.depth)


def _title(settings: Mapping[str, Any]) -> str:
    if 'model' not in settings:
        return report.name_of(settings)
    return (
        f'{settings["model"]}: {settings["steps"]} step(s), {settings["samples"]} sample(s), '
        f'{settings["sampler"]}, {settings["backend"]} on {settings["device"]}'
    )


def _subtitle(total: Summary) -> str:
    return (
        f'{total.frames} frames: AbsRel {total.score.abs_rel:.3f}, d1 {total.score.delta1:.3f}; '
        f'after median scaling {total.scaled.abs_rel:.3f}; best constant per frame '
        f'{total.best_const.abs_rel:.3f}'
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m dmd_ros.eval.frames', description=__doc__)
    parser.add_argument('folder', type=Path, metavar='DIR', help='folder of frames')
    parser.add_argument(
        '--out', type=Path, default=Path('out/frames'), help='default: %(default)s'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace the outputs of an earlier run in --out'
    )
    parser.add_argument(
        '--mirror', action='store_true', help='average with the estimate of the mirrored picture'
    )
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    options.add_model_options(parser)
    options.add_mount_options(parser)
    options.add_estimate_options(
        parser, 'folder of <name>.npy (metres), <name>.png (uint16 mm) or <name>/depth.png', 'DIR'
    )
    options.add_limit_options(parser)
    return parser


if __name__ == '__main__':
    sys.exit(options.run_command(main))
