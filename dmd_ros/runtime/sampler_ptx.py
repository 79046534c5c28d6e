# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One step of the sampler on the device, as PTX, which the driver compiles for the actual GPU.

PTX needs neither nvcc nor NVRTC on the robot. It implements this CUDA kernel (see `sampler_plan`):

    x = (x_z * z[i] + x_v * v[i]) / x_d;
    if (x == x) x = min(max(x, -1), 1);        // NaN stays NaN, as in NumPy
    e = (e_z * z[i] + e_v * v[i]) / e_d;
    z[i] = ((z_z * z[i] + z_x * x) + z_e * e) + z_n * n[i];

Every operation is marked `.rn`, none is an fma and none flushes subnormals. The assembler may not
contract such operations, so each is rounded as in NumPy.

PTX ISA 6.0 and sm_53 (the first Jetson) make it loadable by every driver that supports TensorRT
8.6 to 11; PTX for an old target is compiled for newer GPUs.
"""

from __future__ import annotations

NAME = 'sampler_step'
THREADS = 256
# z, v, n; the coefficients of a `Step`; number of elements: for pycuda's Function.prepare.
ARGUMENTS = 'PPPffffffffffI'

PTX = """
.version 6.0
.target sm_53
.address_size 64

.visible .entry sampler_step(
    .param .u64 p_z, .param .u64 p_v, .param .u64 p_n,
    .param .f32 p_x_z, .param .f32 p_x_v, .param .f32 p_x_d,
    .param .f32 p_e_z, .param .f32 p_e_v, .param .f32 p_e_d,
    .param .f32 p_z_z, .param .f32 p_z_x, .param .f32 p_z_e, .param .f32 p_z_n,
    .param .u32 p_count
)
{
    .reg .pred %outside, %is_nan;
    .reg .u32 %block, %threads, %thread, %i, %count;
    .reg .u64 %offset, %a_z, %a_v, %a_n;
    .reg .f32 %z, %v, %n, %x_z, %x_v, %x_d, %e_z, %e_v, %e_d, %z_z, %z_x, %z_e, %z_n;
    .reg .f32 %x, %e, %c, %out;

    mov.u32 %block, %ctaid.x;
    mov.u32 %threads, %ntid.x;
    mov.u32 %thread, %tid.x;
    mad.lo.u32 %i, %block, %threads, %thread;
    ld.param.u32 %count, [p_count];
    setp.ge.u32 %outside, %i, %count;
    @%outside bra done;

    mul.wide.u32 %offset, %i, 4;
    ld.param.u64 %a_z, [p_z];
    ld.param.u64 %a_v, [p_v];
    ld.param.u64 %a_n, [p_n];
    cvta.to.global.u64 %a_z, %a_z;
    cvta.to.global.u64 %a_v, %a_v;
    cvta.to.global.u64 %a_n, %a_n;
    add.u64 %a_z, %a_z, %offset;
    add.u64 %a_v, %a_v, %offset;
    add.u64 %a_n, %a_n, %offset;
    ld.param.f32 %x_z, [p_x_z];
    ld.param.f32 %x_v, [p_x_v];
    ld.param.f32 %x_d, [p_x_d];
    ld.param.f32 %e_z, [p_e_z];
    ld.param.f32 %e_v, [p_e_v];
    ld.param.f32 %e_d, [p_e_d];
    ld.param.f32 %z_z, [p_z_z];
    ld.param.f32 %z_x, [p_z_x];
    ld.param.f32 %z_e, [p_z_e];
    ld.param.f32 %z_n, [p_z_n];
    ld.global.f32 %z, [%a_z];
    ld.global.f32 %v, [%a_v];
    ld.global.f32 %n, [%a_n];

    mul.rn.f32 %x, %x_z, %z;
    mul.rn.f32 %c, %x_v, %v;
    add.rn.f32 %x, %x, %c;
    div.rn.f32 %x, %x, %x_d;
    setp.nan.f32 %is_nan, %x, %x;
    max.f32 %c, %x, 0fBF800000;
    min.f32 %c, %c, 0f3F800000;
    selp.f32 %x, %x, %c, %is_nan;
    mul.rn.f32 %e, %e_z, %z;
    mul.rn.f32 %c, %e_v, %v;
    add.rn.f32 %e, %e, %c;
    div.rn.f32 %e, %e, %e_d;
    mul.rn.f32 %out, %z_z, %z;
    mul.rn.f32 %c, %z_x, %x;
    add.rn.f32 %out, %out, %c;
    mul.rn.f32 %c, %z_e, %e;
    add.rn.f32 %out, %out, %c;
    mul.rn.f32 %c, %z_n, %n;
    add.rn.f32 %out, %out, %c;
    st.global.f32 [%a_z], %out;
done:
    ret;
}
"""
