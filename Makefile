# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
# Needs make, Python 3.10 or later and pip; everything else goes into virtual environments here.
#
#   PYTHON    the interpreter to build the environments with
#   PIP_ARGS  options for every pip install, for example a package index with CPU-only torch
#   GPU_PYTHON  the interpreter that has TensorRT and pycuda, for gpu-check
#   TORCH_PYTHON  one with torch on the GPU, if that is another
#   JOBS      how many tests run at a time; one for each core, eight at most, if not said
#   BAG       a bag for the demo     MODEL  an .onnx file instead of the shipped model
PYTHON ?= python3
PIP_ARGS ?=
BAG ?=
MODEL ?=
BENCH_ARGS ?=
PYTEST_ARGS ?=
JOBS ?= auto --maxprocesses 8
# The tests of one file share what they have made and stay together. Each process may take 1 GB.
PYTEST = -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
GPU_PYTHON ?= .venv/bin/python
TORCH_PYTHON ?= $(GPU_PYTHON)
PARTS := setup.py package.xml $(wildcard constraints/*.txt)
# Debian splits ensurepip off its Python; pip can then be copied into the environment instead.
venv = $(PYTHON) -m venv $(1) || { $(PYTHON) -m venv --without-pip $(1) && $(PYTHON) -m pip install --target "$$($(1)/bin/python -c 'import site; print(site.getsitepackages()[0])')" pip; }
# A name with spaces stays one word; not quoted, so that the shell knows ~.
space := $(subst ,, )
whole = $(subst $(space),\ ,$(1))
install = $(1)/bin/python -m pip install $(PIP_ARGS) -c constraints/$(2).txt

.PHONY: help setup test test-kilted test-jazzy lint bench gpu-check demo sample-bag wheel clean
.DEFAULT_GOAL := help

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/.ready: $(PARTS)
	$(call venv,.venv)
	$(call install,.venv,kilted) -e '.[ros,cpu,eval,train,data,dev]'
	touch $@

.venv-jazzy/.ready: $(PARTS)
	$(call venv,.venv-jazzy)
	$(call install,.venv-jazzy,jazzy) -e '.[ros-jazzy,cpu,eval,test]'
	touch $@

.venv-demo/.ready: $(PARTS)
	$(call venv,.venv-demo)
	$(call install,.venv-demo,kilted) -e '.[ros,cpu,eval]'
	touch $@

setup: .venv/.ready  ## make .venv, with everything for development and training

test: lint test-jazzy test-kilted  ## set up everything and run all tests

test-kilted: .venv/.ready  ## all tests, on ROS 2 Kilted and NumPy 2
	.venv/bin/python $(PYTEST)

test-jazzy: .venv-jazzy/.ready  ## what runs on the robot, on ROS 2 Jazzy and NumPy 1.26
	.venv-jazzy/bin/python $(PYTEST) test/core test/runtime test/ros test/eval

lint: .venv/.ready  ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/mypy

demo: .venv-demo/.ready  ## a bag through the real node over DDS, results in out/demo (BAG=..., MODEL=...)
	.venv-demo/bin/python -m dmd_ros.ros.demo --out out/demo $(if $(BAG),--bag $(call whole,$(BAG))) $(if $(MODEL),--model $(call whole,$(MODEL)))

bench: .venv/.ready out/bench/oracle.onnx  ## what things cost on this machine, in out/bench (BENCH_ARGS=...)
	.venv/bin/python -m dmd_ros.ros.bench --out out/bench --oracle out/bench/oracle.onnx $(if $(MODEL),--model $(call whole,$(MODEL))) $(BENCH_ARGS)

out/bench/oracle.onnx: .venv/.ready test/oracle_model.py
	mkdir -p $(@D) && PYTHONPATH=test .venv/bin/python -c 'import pathlib, oracle_model; oracle_model.write_oracle(pathlib.Path("$@"))'

gpu-check:  ## TensorRT built, proved and timed on this GPU, in out/gpu (GPU_PYTHON=..., TORCH_PYTHON=..., MODEL=...)
	$(GPU_PYTHON) -m train.gpu --out out/gpu --torch-python $(TORCH_PYTHON) $(if $(MODEL),--model $(call whole,$(MODEL)))

sample-bag: .venv/.ready  ## render another test/data/sample_bag, a room of the procedural worlds as they are now
	.venv/bin/python -m train.sample_bag test/data/sample_bag

wheel: .venv/.ready  ## build the Python package into out/wheel
	.venv/bin/python -m pip wheel --no-deps --no-build-isolation -w out/wheel .

clean:  ## remove the environments and everything in out/
	rm -rf .venv .venv-jazzy .venv-demo out build install log *.egg-info
