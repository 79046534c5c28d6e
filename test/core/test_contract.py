# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The contract as JSON: round trips, and errors that name the invalid field."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_model import CONTRACT

from dmd_ros.core.contract import Contract
from dmd_ros.core.errors import CoreError

NAMES = [f.name for f in fields(Contract)]


def changed(**changes: object) -> str:
    return json.dumps({**json.loads(CONTRACT.to_json()), **changes})


@given(
    st.integers(1, 64).flatmap(
        lambda stride: st.tuples(
            st.just(stride),
            st.lists(
                st.tuples(st.integers(1, 9), st.integers(1, 9)).map(
                    lambda p: (p[0] * stride, p[1] * stride)
                ),
                min_size=1,
                max_size=3,
            ),
        )
    ),
    st.floats(0.01, 1.0),
    st.floats(2.0, 300.0),
)
def test_there_and_back(sizes: tuple, d_min: float, d_max: float) -> None:
    contract = replace(
        CONTRACT,
        stride=sizes[0],
        train_sizes=tuple(sizes[1]),
        depth_min_m=d_min,
        depth_max_m=d_max,
    )
    again = Contract.from_json(contract.to_json())
    assert again == contract
    assert hash(again) == hash(contract)
    assert again.to_json() == contract.to_json()


def test_equal_contracts_are_equal_strings_however_they_were_written() -> None:
    written = replace(CONTRACT, depth_max_m=80, train_sizes=[[48, 64]])  # type: ignore[arg-type]
    assert written == CONTRACT
    assert written.to_json() == CONTRACT.to_json()
    assert hash(written) == hash(CONTRACT)


@pytest.mark.parametrize('name', NAMES)
def test_a_missing_field_is_named(name: str) -> None:
    raw = json.loads(CONTRACT.to_json())
    del raw[name]
    with pytest.raises(CoreError, match=rf"missing fields \['{name}'\]"):
        Contract.from_json(json.dumps(raw))


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(CoreError, match=r"unknown fields \['colour'\]"):
        Contract.from_json(changed(colour=1))


WRONG_EVERYWHERE = [None, {}, [], True, [[]], [[1]], {'a': 1}]


@pytest.mark.parametrize('value', WRONG_EVERYWHERE, ids=str)
@pytest.mark.parametrize('name', NAMES)
def test_a_field_of_the_wrong_type_is_named(name: str, value: object) -> None:
    with pytest.raises(CoreError, match=name):
        Contract.from_json(changed(**{name: value}))


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('name', 3),
        ('name', ''),
        ('name', ' '),
        ('name', 'two\nlines'),
        ('stride', '16'),
        ('stride', 16.0),
        ('stride', 0),
        ('stride', -16),
        ('train_sizes', [[48, 64, 3]]),
        ('train_sizes', [[48, 65]]),
        ('train_sizes', [[0, 64]]),
        ('train_sizes', ['48x64']),
        ('train_sizes', 48),
        ('rgb_mean', [0.5, 0.5]),
        ('rgb_mean', ['a', 'b', 'c']),
        ('rgb_std', [0.5, 0.0, 0.5]),
        ('depth_codec', 'sqrt'),
        ('depth_min_m', '0.1'),
        ('depth_min_m', 0),
        ('depth_min_m', 90.0),
        ('depth_max_m', 0.1),
        ('depth_max_m', float('nan')),
        ('depth_max_m', float('inf')),
        ('depth_max_m', 10**400),
        ('fov_encoding', 'degrees'),
        ('tan_half_vfov_range', [0.9, 0.2]),
        ('tan_half_vfov_range', [0.0, 0.2]),
        ('tan_half_vfov_range', [0.2]),
        ('parameterisation', 'w'),
        ('schedule', 'linear'),
        ('noise', 'pink'),
        ('steps', 0),
        ('steps', 1.5),
        ('samples', 0),
        ('format', 2),
        ('format', 0),
        ('format', '1'),
    ],
)
def test_an_impossible_value_is_named(name: str, value: object) -> None:
    key = {'depth_min_m': 'depth', 'depth_max_m': 'depth'}.get(name, name)
    with pytest.raises(CoreError, match=f'contract {key}'):
        Contract.from_json(changed(**{name: value}))


def test_a_range_of_one_field_of_view_is_allowed() -> None:
    assert (
        Contract.from_json(changed(tan_half_vfov_range=[0.5, 0.5])).tan_half_vfov_range[1] == 0.5
    )


@pytest.mark.parametrize(('steps', 'samples'), [(2, 1), (1, 8)])
def test_a_deterministic_model_recommends_one_step_and_sample(steps: int, samples: int) -> None:
    """An estimator that follows the recommendation would refuse the others."""
    Contract.from_json(changed(noise='zeros', steps=1, samples=1))
    with pytest.raises(CoreError, match=f'contract steps={steps} and samples={samples} must be 1'):
        Contract.from_json(changed(noise='zeros', steps=steps, samples=samples))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'not JSON'),
        ('{', 'not JSON'),
        ('[' * 100_000, 'not JSON'),
        ('9' * 5000, 'JSON'),
        ('[1, 2]', 'must be a JSON object, got list'),
        ('null', 'got NoneType'),
        ('{}', 'missing fields'),
    ],
    ids=range(7),
)
def test_anything_that_is_not_a_contract_is_refused(text: str, message: str) -> None:
    with pytest.raises(CoreError, match=message):
        Contract.from_json(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    st.sampled_from(NAMES),
)
def test_any_field_value_is_accepted_or_raises_our_error(value: object, name: str) -> None:
    try:
        Contract.from_json(changed(**{name: value}))
    except CoreError as error:
        assert name.split('_')[0] in str(error)
