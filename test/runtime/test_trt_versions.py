# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT versions are distinguished only by number."""

import pytest

from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.trt_versions import check_precision, dialect, parse, remarks


@pytest.mark.parametrize(
    ('version', 'batch_flag', 'strong', 'typed_flag', 'monitor', 'memory'),
    [
        ('8.6.1', True, False, False, False, 'device_memory_size'),
        ('9.3.0', True, False, False, True, 'device_memory_size'),
        ('10.0.1', False, True, True, True, 'device_memory_size'),
        ('10.3.0.post1', False, True, True, True, 'device_memory_size_v2'),
        ('10.16.1.11', False, True, True, True, 'device_memory_size_v2'),
        ('11.1.0.106', False, True, False, True, 'device_memory_size_v2'),
    ],
)
def test_each_version_has_its_properties(
    version: str, batch_flag: bool, strong: bool, typed_flag: bool, monitor: bool, memory: str
) -> None:
    spoken = dialect(version)
    assert spoken.explicit_batch_flag is batch_flag
    assert spoken.strong_types is strong
    assert spoken.typed_flag is typed_flag
    assert spoken.progress_monitor is monitor
    assert spoken.memory_attribute == memory
    assert spoken.plain_norms is not strong
    assert spoken.own_tactics_only is not strong


def test_too_old_versions_are_refused_with_the_fix() -> None:
    with pytest.raises(BackendError, match=r'8\.5\.2 is older than 8\.6.*JetPack 6'):
        dialect('8.5.2')


def test_an_invalid_version_is_refused() -> None:
    with pytest.raises(BackendError, match='not a version number'):
        parse('unknown')


def test_bf16_needs_10() -> None:
    check_precision('bf16', dialect('10.0.1'))
    with pytest.raises(BackendError, match='bf16 needs TensorRT 10'):
        check_precision('bf16', dialect('8.6.1'))
    for none in ('int8', 'auto'):  # auto is a wish of `select.decide`, of no engine
        with pytest.raises(BackendError, match='allowed: fp32, fp16, bf16'):
            check_precision(none, dialect('10.0.1'))


def test_known_problems_and_unknown_versions_give_remarks() -> None:
    assert 'scale' in remarks(dialect('10.3.0'))[0]
    assert 'newer than' in remarks(dialect('12.0.0'))[0]
    assert remarks(dialect('10.16.0')) == remarks(dialect('11.4.0.106')) == []
