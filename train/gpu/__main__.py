# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build, prove and time TensorRT engines on this GPU: `python -m train.gpu --out out/gpu`.

Writes gpu.json and gpu.md with device, driver and versions, and ends within nine minutes. The
table gives the reason for everything that could not run, such as a missing library or lack of
time. Torch may be installed in another Python (--torch-python).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from dmd_ros.eval.options import positive, seconds
from dmd_ros.runtime import cuda_driver, select
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.shared_files import DEFAULT_MODEL, find_model
from train.errors import TrainError
from train.gpu.check import LIMIT_S, Check
from train.gpu.sections import SECTIONS, build_only, run
from train.outputs import check_folder


def main(argv: list[str] | None = None) -> int:
    """Run all sections; the exit status is 0 if TensorRT ran, 1 if not, 2 without a GPU."""
    options = _parse(argv)
    if not cuda_driver.gpus():
        print(f'gpu-check needs an NVIDIA GPU: {cuda_driver.look()[1]}; check nvidia-smi')
        return 2
    with tempfile.TemporaryDirectory() as folder:
        engines = options.engine_cache_dir or Path(folder)
        check = Check(
            engines,
            options.out,
            options.torch_python,
            options.limit_s,
            options.optimization_level,
        )
        try:
            select.tensorrt_module()
        except BackendError as error:
            check.say(f'no TensorRT: {error}')
        try:
            if options.build_only:
                build_only(check, options.model, options.presets, options.jobs)
            else:
                run(check, options.model, options.presets, options.sections)
        finally:
            check.save()
            check.say(f'written: {options.out}/gpu.md, gpu.json')
    return 0 if check.proofs else 1


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m train.gpu', description=__doc__)
    parser.add_argument(
        '--out', type=Path, default=Path('out/gpu'), help='output folder (default: %(default)s)'
    )
    parser.add_argument(
        '--model', default=DEFAULT_MODEL, help='.onnx file or name (default: %(default)s)'
    )
    parser.add_argument('--presets', type=Path, help='folder of presets exported by with_torch')
    parser.add_argument('--torch-python', default=sys.executable, help='interpreter with torch')
    parser.add_argument(
        '--limit-s', type=seconds, default=LIMIT_S, help='time limit (default: %(default)s)'
    )
    parser.add_argument(
        '--sections', nargs='+', choices=tuple(SECTIONS), default=tuple(SECTIONS),
        metavar='SECTION', help=f'only these, in this order; default: {" ".join(SECTIONS)}',
    )  # fmt: skip
    parser.add_argument('--engine-cache-dir', type=Path, help='folder to keep the engines in')
    parser.add_argument(
        '--optimization-level',
        type=int,
        default=3,
        choices=range(6),
        help='optimization level of TensorRT (default: %(default)s)',
    )
    parser.add_argument(
        '--build-only', action='store_true', help='only fill --engine-cache-dir, without timing'
    )
    parser.add_argument('--jobs', type=positive, default=1, help='parallel builds (default: 1)')
    options = parser.parse_args(argv)
    try:
        check_folder(options.out)
        options.model = find_model(options.model)
    except (BackendError, TrainError) as error:
        parser.error(str(error))
    if options.build_only and options.engine_cache_dir is None:
        parser.error('--build-only needs --engine-cache-dir, or no engine is kept')
    return options


if __name__ == '__main__':
    sys.exit(main())
