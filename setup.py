# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build as a ROS 2 package (ament_python, colcon) and as a Python package (pip)."""

import xml.etree.ElementTree as ElementTree
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'dmd_ros'
HERE = Path(__file__).resolve().parent
PACKAGE = ElementTree.parse(HERE / 'package.xml').getroot()

ROS = ['ros-diagnostic-msgs', 'ros-lifecycle-msgs', 'ros-rmw-fastrtps-cpp', 'ros-std-srvs']
ROS_KILTED = ['ros-kilted-rclpy', 'ros-kilted-sensor-msgs', *ROS]
ROS_JAZZY = ['ros-jazzy-rclpy', 'ros-jazzy-sensor-msgs', *ROS]
CPU = ['onnxruntime>=1.17']
# apsw, lz4 and zstd recover damaged bags; only some versions of rosbags depend on them.
EVAL = [
    'apsw',
    'backports.zstd; python_version < "3.14"',
    'lz4',
    'pillow>=10.1',
    'pyyaml',
    'rosbags>=0.11.8',
    'tqdm',
]
TRAIN = [
    'matplotlib>=3.5',
    'numba>=0.58',
    'onnx>=1.15',
    'pyyaml',
    'tensorboard',
    'torch>=2.5',
    'tqdm',
    *CPU,
]
DATA = ['h5py', 'pyarrow', 'scipy']
TEST = [
    'hypothesis>=6',
    'mcap',
    'onnx>=1.15',
    'pytest>=7',
    'pytest-xdist>=3',
    'setuptools>=64',
    'trimesh',
    'wheel',
]

setup(
    name=NAME,
    version=PACKAGE.findtext('version'),
    description=' '.join((PACKAGE.findtext('description') or '').split()),
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    maintainer=PACKAGE.findtext('maintainer'),
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        (f'share/{NAME}/launch', sorted(glob('launch/*.launch.py'))),
        (f'share/{NAME}/config', sorted(glob('config/*'))),
        (f'share/{NAME}/models', sorted(glob('models/*'))),
    ],
    # OpenCV 4.5.4 raises an error for a valid image of one pixel.
    install_requires=['numpy>=1.24', 'opencv-python-headless>=4.5.5'],
    extras_require={
        'ros': ROS_KILTED,
        'ros-jazzy': ROS_JAZZY,
        'cpu': CPU,
        'gpu': ['onnx>=1.15', 'pycuda', 'tensorrt>=10.3'],
        'eval': EVAL,
        'train': TRAIN,
        # besides train: worlds rendered on the GPU. numba-cuda 0.30 does not support NumPy 2.5
        'train-gpu': ['numba-cuda', 'numpy<2.5'],
        'data': DATA,
        'test': TEST,
        'dev': [*TEST, 'mypy', 'ruff'],
    },
    entry_points={
        'console_scripts': ['dmd_node = dmd_ros.ros.node:main'],
    },
    zip_safe=True,
)
