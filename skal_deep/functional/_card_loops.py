"""Loops for a card, compiled by Triton, where a row of operations would read again.

They take pointers, so that :mod:`skal_deep.functional._card` alone calls them.
"""

import triton
from triton import language as tl
from triton.language.extra import libdevice


@triton.jit
def _log(positive):
    """Return logarithms: of float32 by the card's own operation, off by about 2e-7."""
    if positive.dtype == tl.float32:
        return libdevice.fast_logf(positive)
    else:  # noqa: RET505 (what is not compiled must stand in a branch)
        return tl.log(positive)


@triton.jit(do_not_specialize=["n_rows", "rows_a_part"])
def plogp_sums(
    proba_RF,
    weight_R,
    mean_PF,
    plogp_PF,
    n_rows,
    n_columns,
    stride,
    rows_a_part,
    tiny: tl.constexpr,
    has_weights: tl.constexpr,
    is_whole: tl.constexpr,
    n_classes: tl.constexpr,
    side: tl.constexpr,
    height: tl.constexpr,
    width: tl.constexpr,
):
    """Write ``m = sum_r w_r p_rf`` and ``sum_r w_r p_rf log p_rf`` of parts of rows.

    Without weights they are ``1 / R``. Where there is one part, the latter less
    ``m log m`` is written alone. With a number of classes, which lie side by side, its
    sums over them are, not below 0: a program's columns are those of ``width / side``
    points, and what lacks in a side is nothing.
    """
    part = tl.program_id(1)
    in_block_w = tl.arange(0, width)
    if n_classes:
        class_w = in_block_w % side
        point_w = tl.program_id(0).to(tl.int64) * (width // side) + in_block_w // side
        column_w = point_w * n_classes + class_w
        is_column_w = (class_w < n_classes) & (point_w < n_columns // n_classes)
    else:
        column_w = tl.program_id(0).to(tl.int64) * width + in_block_w
        is_column_w = column_w < n_columns
    begin = part * rows_a_part
    end = tl.minimum(begin + rows_a_part, n_rows)
    dtype = mean_PF.dtype.element_ty
    mean_w = tl.zeros([width], dtype=dtype)
    plogp_w = tl.zeros([width], dtype=dtype)
    for first in range(begin, end, height):
        row_h = first + tl.arange(0, height)
        is_row_h = row_h < end
        at_hw = row_h.to(tl.int64)[:, None] * stride + column_w[None]
        is_there_hw = is_row_h[:, None] & is_column_w[None]
        p_hw = tl.load(proba_RF + at_hw, mask=is_there_hw, other=0)
        # NaN and infinity stay what they are by the product
        plogp_hw = p_hw * _log(tl.maximum(p_hw, tiny))
        if has_weights:
            weight_h = tl.load(weight_R + row_h, mask=is_row_h, other=0)
            p_hw *= weight_h[:, None]
            plogp_hw *= weight_h[:, None]
        mean_w += tl.sum(p_hw, 0)
        plogp_w += tl.sum(plogp_hw, 0)
    if not has_weights:
        n = tl.cast(n_rows, dtype)
        mean_w /= n
        plogp_w /= n
    out_w = part.to(tl.int64) * n_columns + column_w
    if is_whole:
        mean_w = tl.where(mean_w < 0, 0, mean_w)  # by round-off
        plogp_w -= mean_w * _log(tl.maximum(mean_w, tiny))
    else:
        tl.store(mean_PF + out_w, mean_w, mask=is_column_w)
    if n_classes:
        sum_n = tl.sum(tl.reshape(plogp_w, [width // side, side]), 1)
        sum_n = tl.where(sum_n < 0, 0, sum_n)  # by round-off; NaN stays
        point_n = tl.program_id(0).to(tl.int64) * (width // side)
        point_n += tl.arange(0, width // side)
        tl.store(plogp_PF + point_n, sum_n, mask=point_n * n_classes < n_columns)
    else:
        tl.store(plogp_PF + out_w, plogp_w, mask=is_column_w)


@triton.jit
def _half_unit(largest):
    """Return what is 1 in half precision, whose largest is then four times as large."""
    return tl.maximum(largest, 1e-18) / 16384


@triton.jit(do_not_specialize=["n_rows", "n_columns", "n_across"])
def halves(
    value_RS,
    largest_1,
    high_RS,
    low_RS,
    n_rows,
    n_columns,
    stride_R,
    stride_S,
    stride,
    n_across,
    height: tl.constexpr,
    width: tl.constexpr,
):
    """Write numbers as sums of two in half precision, and zeros around them."""
    block = tl.program_id(0).to(tl.int64)
    row_h = block // n_across * height + tl.arange(0, height)
    column_w = block % n_across * width + tl.arange(0, width)
    is_there_hw = (row_h < n_rows)[:, None] & (column_w < n_columns)[None]
    at_hw = row_h[:, None] * stride_R + column_w[None] * stride_S
    value_hw = tl.load(value_RS + at_hw, mask=is_there_hw, other=0)
    value_hw /= _half_unit(tl.load(largest_1))
    high_hw = value_hw.to(tl.float16)
    low_hw = (value_hw - high_hw.to(tl.float32)).to(tl.float16)
    out_hw = row_h[:, None] * stride + column_w[None]
    tl.store(high_RS + out_hw, high_hw)
    tl.store(low_RS + out_hw, low_hw)


@triton.jit(do_not_specialize=["n_rows", "n_draws", "n_columns", "rows_a_part"])
def product_sums(
    high_RS,
    low_RS,
    high_SF,
    low_SF,
    largest_R1,
    largest_F1,
    weight_R,
    mean_PF,
    plogp_PF,
    n_rows,
    n_draws,
    n_columns,
    stride_R,
    stride_S,
    rows_a_part,
    tiny: tl.constexpr,
    height: tl.constexpr,
    depth: tl.constexpr,
    width: tl.constexpr,
):
    """Write ``sum_r w_r q_rf`` and ``sum_r w_r q_rf log q_rf`` of parts of rows.

    The product q is that of numbers in :func:`halves`, ``(A + a)(B + b)``, brought back
    to their scale; ``a b`` is below the last digit.
    """
    part = tl.program_id(1)
    column_w = tl.program_id(0).to(tl.int64) * width + tl.arange(0, width)
    begin = part * rows_a_part
    end = tl.minimum(begin + rows_a_part, n_rows)
    unit = _half_unit(tl.load(largest_R1)) * _half_unit(tl.load(largest_F1))
    mean_w = tl.zeros([width], dtype=tl.float32)
    plogp_w = tl.zeros([width], dtype=tl.float32)
    for first in range(begin, end, height):
        row_h = first + tl.arange(0, height)
        sum_hw = tl.zeros([height, width], dtype=tl.float32)
        for first_draw in range(0, n_draws, depth):
            draw_d = first_draw + tl.arange(0, depth)
            at_hd = row_h.to(tl.int64)[:, None] * stride_R + draw_d[None]
            at_dw = draw_d.to(tl.int64)[:, None] * stride_S + column_w[None]
            high_hd, low_hd = tl.load(high_RS + at_hd), tl.load(low_RS + at_hd)
            high_dw, low_dw = tl.load(high_SF + at_dw), tl.load(low_SF + at_dw)
            sum_hw = tl.dot(low_hd, high_dw, sum_hw)
            sum_hw = tl.dot(high_hd, low_dw, sum_hw)
            sum_hw = tl.dot(high_hd, high_dw, sum_hw)
        weight_h = tl.load(weight_R + row_h, mask=row_h < end, other=0)
        product_hw = sum_hw * unit
        share_hw = weight_h[:, None] * product_hw
        mean_w += tl.sum(share_hw, 0)
        plogp_w += tl.sum(share_hw * tl.log(tl.maximum(product_hw, tiny)), 0)
    is_column_w = column_w < n_columns
    out_w = part.to(tl.int64) * n_columns + column_w
    tl.store(mean_PF + out_w, mean_w, mask=is_column_w)
    tl.store(plogp_PF + out_w, plogp_w, mask=is_column_w)


@triton.jit(do_not_specialize=["n_rows", "n_dims"])
def join_center(
    rows_ND,
    center_D,
    nearest_N,
    owner_N,
    name_1,
    n_rows,
    n_dims,
    stride,
    has_owners: tl.constexpr,
    height: tl.constexpr,
    width: tl.constexpr,
):
    """Take squared distances to a centre where they are below those to the nearest."""
    row_h = tl.program_id(0).to(tl.int64) * height + tl.arange(0, height)
    is_row_h = row_h < n_rows
    squared_hw = tl.zeros([height, width], dtype=nearest_N.dtype.element_ty)
    for first in range(0, n_dims, width):
        dim_w = first + tl.arange(0, width)
        is_dim_w = dim_w < n_dims
        center_w = tl.load(center_D + dim_w, mask=is_dim_w, other=0)
        row_hw = tl.load(
            rows_ND + row_h[:, None] * stride + dim_w[None],
            mask=is_row_h[:, None] & is_dim_w[None],
            other=0,
        )
        difference_hw = row_hw - center_w[None]
        squared_hw += difference_hw * difference_hw
    squared_h = tl.sum(squared_hw, 1)
    nearest_h = tl.load(nearest_N + row_h, mask=is_row_h, other=0)
    is_closer_h = is_row_h & (squared_h < nearest_h)
    tl.store(nearest_N + row_h, squared_h, mask=is_closer_h)
    if has_owners:
        name = tl.load(name_1)
        owner_h = tl.zeros([height], dtype=tl.int64) + name
        tl.store(owner_N + row_h, owner_h, mask=is_closer_h)


@triton.jit(do_not_specialize=["n_rows", "n_steps", "n_blocks", "turn"])
def take_farthest(
    rows_ND,
    name_N,
    nearest_N,
    outside_1,
    outside_name_1,
    value_TP,
    place_TP,
    step_T,
    pick_B,
    farthest_B,
    n_rows,
    n_dims,
    stride,
    n_steps,
    n_blocks,
    turn,
    is_first: tl.constexpr,
    most_blocks: tl.constexpr,
    height: tl.constexpr,
    width: tl.constexpr,
):
    """Take the row farthest from its nearest centre as a centre, if it is decided.

    All programs find it from what each left of its own rows in the start before, and
    leave theirs for the next: starts take turns with two sets of numbers, as none may
    write what another of the same start reads. It is decided if it is farther than
    what is outside, or as far with a lower name. The first start takes none.
    """
    block = tl.program_id(0)
    row_h = block.to(tl.int64) * height + tl.arange(0, height)
    is_row_h = row_h < n_rows
    nearest_h = tl.load(nearest_N + row_h, mask=is_row_h, other=float("-inf"))
    if not is_first:
        block_p = tl.arange(0, most_blocks)
        is_block_p = block_p < n_blocks
        at_p = turn * n_blocks + block_p
        value_p = tl.load(value_TP + at_p, mask=is_block_p, other=float("-inf"))
        place_p = tl.load(place_TP + at_p, mask=is_block_p, other=2**62)
        farthest = tl.max(value_p, 0)
        at = tl.min(tl.where(value_p == farthest, place_p, 2**62), 0)
        outside = tl.load(outside_1)
        is_lower = tl.load(name_N + at) < tl.load(outside_name_1)
        step = tl.load(step_T + turn)
        is_decided = (farthest > outside) | ((farthest == outside) & is_lower)
        is_decided = is_decided & (step < n_steps)
        if is_decided:
            squared_hw = tl.zeros([height, width], dtype=nearest_N.dtype.element_ty)
            for first in range(0, n_dims, width):
                dim_w = first + tl.arange(0, width)
                is_dim_w = dim_w < n_dims
                center_w = tl.load(
                    rows_ND + at * stride + dim_w, mask=is_dim_w, other=0
                )
                row_hw = tl.load(
                    rows_ND + row_h[:, None] * stride + dim_w[None],
                    mask=is_row_h[:, None] & is_dim_w[None],
                    other=0,
                )
                difference_hw = row_hw - center_w[None]
                squared_hw += difference_hw * difference_hw
            nearest_h = tl.minimum(nearest_h, tl.sum(squared_hw, 1))
            nearest_h = tl.where(row_h == at, float("-inf"), nearest_h)
            tl.store(nearest_N + row_h, nearest_h, mask=is_row_h)
        if block == 0:
            tl.store(step_T + 1 - turn, step + is_decided.to(tl.int64))
            if is_decided:
                tl.store(pick_B + step, at)
                tl.store(farthest_B + step, farthest)
    largest = tl.max(tl.where(is_row_h, nearest_h, float("-inf")), 0)
    is_largest_h = is_row_h & (nearest_h == largest)
    left_at = (1 - turn) * n_blocks + block
    tl.store(value_TP + left_at, largest)
    tl.store(place_TP + left_at, tl.min(tl.where(is_largest_h, row_h, 2**62), 0))


@triton.jit(do_not_specialize=["n_rows", "n_columns", "rows_a_part"])
def clamped_sums(
    kernel_MN,
    low_M,
    high_M,
    weight_M,
    sums_PN,
    n_rows,
    n_columns,
    stride,
    rows_a_part,
    height: tl.constexpr,
    width: tl.constexpr,
):
    """Write ``sum_m w_m (min(max(k, low), high) - low)`` of parts of the rows m.

    Rows in which ``high`` is not above ``low`` are not read.
    """
    part = tl.program_id(1)
    column_w = tl.program_id(0).to(tl.int64) * width + tl.arange(0, width)
    is_column_w = column_w < n_columns
    begin = part * rows_a_part
    end = tl.minimum(begin + rows_a_part, n_rows)
    sum_w = tl.zeros([width], dtype=sums_PN.dtype.element_ty)
    for first in range(begin, end, height):
        row_h = first + tl.arange(0, height)
        is_row_h = row_h < end
        low_h = tl.load(low_M + row_h, mask=is_row_h, other=0)
        high_h = tl.load(high_M + row_h, mask=is_row_h, other=0)
        is_open_h = high_h > low_h
        if tl.max(is_open_h.to(tl.int32), 0) > 0:
            weight_h = tl.load(weight_M + row_h, mask=is_open_h, other=0)
            at_hw = row_h.to(tl.int64)[:, None] * stride + column_w[None]
            is_there_hw = is_open_h[:, None] & is_column_w[None]
            kernel_hw = tl.load(kernel_MN + at_hw, mask=is_there_hw, other=0)
            capped_hw = tl.minimum(
                tl.maximum(kernel_hw, low_h[:, None]), high_h[:, None]
            )
            sum_w += tl.sum(weight_h[:, None] * (capped_hw - low_h[:, None]), 0)
    tl.store(
        sums_PN + part.to(tl.int64) * n_columns + column_w, sum_w, mask=is_column_w
    )


@triton.jit
def _differences_and_sums(
    row_ND,
    at,
    among_h,
    is_there_h,
    n_dims,
    row_stride,
    dim_stride,
    height: tl.constexpr,
    width: tl.constexpr,
):
    """Return ``|a - b|^2``, ``|a + b|^2`` and their product ``|a|^2 - |b|^2``.

    Of a row a and some others b.
    """
    dtype = row_ND.dtype.element_ty
    difference_hw = tl.zeros([height, width], dtype=dtype)
    sum_hw = tl.zeros([height, width], dtype=dtype)
    both_hw = tl.zeros([height, width], dtype=dtype)
    for first in range(0, n_dims, width):
        dim_w = first + tl.arange(0, width)
        is_dim_w = dim_w < n_dims
        one_w = row_ND + at * row_stride + dim_w * dim_stride
        others_h = row_ND + among_h * row_stride
        a_w = tl.load(one_w, mask=is_dim_w, other=0)
        b_hw = tl.load(
            others_h[:, None] + dim_w[None] * dim_stride,
            mask=is_there_h[:, None] & is_dim_w[None],
            other=0,
        )
        d_hw, s_hw = a_w[None] - b_hw, a_w[None] + b_hw
        difference_hw += d_hw * d_hw
        sum_hw += s_hw * s_hw
        both_hw += d_hw * s_hw
    return tl.sum(difference_hw, 1), tl.sum(sum_hw, 1), tl.sum(both_hw, 1)


@triton.jit
def _of_pairs(
    error_NC,
    embedding_ND,
    at,
    among_h,
    is_there_h,
    n_classes,
    n_dims,
    row_stride,
    class_stride,
    embedding_stride,
    dim_stride,
    height: tl.constexpr,
    class_width: tl.constexpr,
    width: tl.constexpr,
):
    """Return squared distances of an outer product and some others, by differences.

    ``2 (a (x) h - b (x) k) = (a - b) (x) (h + k) + (a + b) (x) (h - k)``.
    """
    da_h, sa_h, both_a_h = _differences_and_sums(
        error_NC,
        at,
        among_h,
        is_there_h,
        n_classes,
        row_stride,
        class_stride,
        height,
        class_width,
    )
    dh_h, sh_h, both_h_h = _differences_and_sums(
        embedding_ND,
        at,
        among_h,
        is_there_h,
        n_dims,
        embedding_stride,
        dim_stride,
        height,
        width,
    )
    squared_h = da_h * sh_h
    squared_h += sa_h * dh_h
    squared_h += 2 * both_a_h * both_h_h
    return tl.where(squared_h < 0, 0, squared_h / 4)


@triton.jit(do_not_specialize=["n_others", "n_classes"])
def gradient_differences(
    error_NC,
    embedding_ND,
    at_K,
    among_M,
    squared_KM,
    n_others,
    n_classes,
    n_dims,
    row_stride,
    class_stride,
    embedding_stride,
    dim_stride,
    stride,
    height: tl.constexpr,
    class_width: tl.constexpr,
    width: tl.constexpr,
):
    """Write squared distances of some outer products and some others."""
    row = tl.program_id(0)
    other_h = tl.program_id(1) * height + tl.arange(0, height)
    is_other_h = other_h < n_others
    squared_h = _of_pairs(
        error_NC,
        embedding_ND,
        tl.load(at_K + row),
        tl.load(among_M + other_h, mask=is_other_h, other=0),
        is_other_h,
        n_classes,
        n_dims,
        row_stride,
        class_stride,
        embedding_stride,
        dim_stride,
        height,
        class_width,
        width,
    )
    out_h = squared_KM + row.to(tl.int64) * stride + other_h
    tl.store(out_h, squared_h, mask=is_other_h)


@triton.jit
def _smaller(left, right):
    return tl.minimum(left, right)


@triton.jit(do_not_specialize=["n_rows", "n_columns", "n_classes"])
def gradient_distances(
    product_KN,
    inner_KN,
    norm_N,
    at_K,
    nearest_N,
    error_NC,
    embedding_ND,
    sure,
    n_rows,
    n_columns,
    n_classes,
    n_dims,
    stride,
    inner_stride,
    row_stride,
    class_stride,
    embedding_stride,
    dim_stride,
    adds_up: tl.constexpr,
    height: tl.constexpr,
    width: tl.constexpr,
    class_width: tl.constexpr,
    dim_width: tl.constexpr,
):
    """Write ``|g_k|^2 + |g_n|^2 - 2 a b`` of products a and b, over the former.

    0 where n is k, and not below 0. Those below ``sure`` times ``|g_n|^2`` are computed
    from differences, one after another, as they are few. If they add up, the smallest
    of a distance, those in the rows before it and ``nearest_N`` is written.
    """
    start = tl.program_id(0).to(tl.int64) * width
    i_w, i_h = tl.arange(0, width), tl.arange(0, height)
    column_w = start + i_w
    is_column_w = column_w < n_columns
    norm_w = tl.load(norm_N + column_w, mask=is_column_w, other=0)
    place_hw = i_h[:, None] * width + i_w[None]
    if adds_up:
        nearest_w = tl.load(nearest_N + column_w, mask=is_column_w, other=0)
    for first in range(tl.program_id(1) * height, n_rows, height * tl.num_programs(1)):
        row_h = first + i_h
        is_row_h = row_h < n_rows
        is_there_hw = is_row_h[:, None] & is_column_w[None]
        own_h = tl.load(at_K + row_h, mask=is_row_h, other=0)
        norm_h = tl.load(norm_N + own_h, mask=is_row_h, other=0)
        row_h = row_h.to(tl.int64)
        out_hw = product_KN + row_h[:, None] * stride + column_w[None]
        product_hw = tl.load(out_hw, mask=is_there_hw, other=0)
        inner_hw = tl.load(
            inner_KN + row_h[:, None] * inner_stride + column_w[None],
            mask=is_there_hw,
            other=0,
        )
        squared_hw = norm_h[:, None] + (norm_w[None] - 2 * product_hw * inner_hw)
        is_own_hw = own_h[:, None] == column_w[None]
        is_close_hw = (squared_hw < sure * norm_w[None]) & (is_own_hw == 0)
        is_close_hw = is_close_hw & is_there_hw
        squared_hw = tl.where(is_own_hw | (squared_hw < 0), 0, squared_hw)
        n_close = tl.sum(tl.sum(is_close_hw.to(tl.int32), 1), 0)
        for _ in range(n_close):
            place_w = tl.min(tl.where(is_close_hw, place_hw, height * width), 0)
            place = tl.min(place_w, 0)
            squared_1 = _of_pairs(
                error_NC,
                embedding_ND,
                tl.load(at_K + first + place // width),
                start + place % width + tl.arange(0, 1),
                tl.arange(0, 1) == 0,
                n_classes,
                n_dims,
                row_stride,
                class_stride,
                embedding_stride,
                dim_stride,
                1,
                class_width,
                dim_width,
            )
            squared_hw = tl.where(place_hw == place, squared_1[:, None], squared_hw)
            is_close_hw = is_close_hw & (place_hw != place)
        if adds_up:
            squared_hw = tl.minimum(squared_hw, nearest_w[None])
            squared_hw = tl.associative_scan(squared_hw, 0, _smaller)
            nearest_w = tl.min(squared_hw, 0)
        tl.store(out_hw, squared_hw, mask=is_there_hw)


@triton.jit(do_not_specialize=["n_rows", "sign"])
def design_step(
    factor_NRK,
    form_NQK,
    inner_NRR,
    outer_NRR,
    change_N,
    diagonal_1,
    n_rows,
    sign,
    has_forms: tl.constexpr,
    n_own: tl.constexpr,
    n_factors: tl.constexpr,
    together: tl.constexpr,
    side: tl.constexpr,
):
    """Bring what rows tell up to date, and write what each would change.

    With ``a_l`` and ``b_l`` the images of a row's factors S in the forms l and R + l,
    ``inner -= sign sum_l a_l a_l'``, ``outer -= 2 sign sum_l a_l b_l'``, and the change
    is ``tr[(diagonal_1 + sign inner)^-1 outer]``, by Gauss-Jordan steps.
    """
    row_b = tl.program_id(0).to(tl.int64) * together + tl.arange(0, together)
    i_r = tl.arange(0, side)
    is_row_b, is_own_r, is_factor_r = row_b < n_rows, i_r < n_own, i_r < n_factors
    is_pair_rr = is_own_r[:, None] & is_own_r[None]
    is_there_brr = is_row_b[:, None, None] & is_pair_rr[None]
    at_brr = (
        row_b[:, None, None] * (n_own * n_own)
        + i_r[None, :, None] * n_own
        + i_r[None, None, :]
    )
    inner_brr = tl.load(inner_NRR + at_brr, mask=is_there_brr, other=0)
    outer_brr = tl.load(outer_NRR + at_brr, mask=is_there_brr, other=0)
    if has_forms:
        factor_brk = tl.load(
            factor_NRK
            + row_b[:, None, None] * (n_own * n_factors)
            + i_r[None, :, None] * n_factors
            + i_r[None, None, :],
            mask=is_row_b[:, None, None]
            & (is_own_r[:, None] & is_factor_r[None])[None],
            other=0,
        )
        start_bk = form_NQK + row_b[:, None] * (2 * n_own * n_factors) + i_r[None, :]
        is_form_bk = is_row_b[:, None] & is_factor_r[None]
        for form in range(n_own):
            first_bk = tl.load(start_bk + form * n_factors, mask=is_form_bk, other=0)
            second_bk = tl.load(
                start_bk + (n_own + form) * n_factors, mask=is_form_bk, other=0
            )
            a_br = tl.sum(factor_brk * first_bk[:, None], 2).to(inner_brr.dtype)
            b_br = tl.sum(factor_brk * second_bk[:, None], 2).to(inner_brr.dtype)
            inner_brr -= sign * a_br[:, :, None] * a_br[:, None]
            outer_brr -= 2 * sign * a_br[:, :, None] * b_br[:, None]
        tl.store(inner_NRR + at_brr, inner_brr, mask=is_there_brr)
        tl.store(outer_NRR + at_brr, outer_brr, mask=is_there_brr)
    is_diagonal_rr = i_r[:, None] == i_r[None]
    diagonal = tl.load(diagonal_1)
    left_brr = sign * inner_brr + tl.where(is_diagonal_rr, diagonal, 0)[None]
    right_brr = outer_brr
    for pivot in range(n_own):
        is_pivot_r = i_r == pivot
        row_br = tl.sum(tl.where(is_pivot_r[None, :, None], left_brr, 0), 1)
        other_br = tl.sum(tl.where(is_pivot_r[None, :, None], right_brr, 0), 1)
        column_br = tl.sum(tl.where(is_pivot_r[None, None, :], left_brr, 0), 2)
        value_b = tl.sum(tl.where(is_pivot_r[None], row_br, 0), 1)
        # the pivot's own row is divided by it, the others lose their share of it
        share_br = tl.where(
            is_pivot_r[None], 1 - 1 / value_b[:, None], column_br / value_b[:, None]
        )
        left_brr -= share_br[:, :, None] * row_br[:, None]
        right_brr -= share_br[:, :, None] * other_br[:, None]
    solved_brr = tl.where((is_diagonal_rr & is_pair_rr)[None], right_brr, 0)
    tl.store(change_N + row_b, tl.sum(tl.sum(solved_brr, 2), 1), mask=is_row_b)


@triton.jit(do_not_specialize=["n"])
def largest_of_blocks(value_N, left_N, value_P, place_P, n, width: tl.constexpr):
    """Write the largest number that is left in each block, and its lowest place."""
    block = tl.program_id(0)
    place_w = block.to(tl.int64) * width + tl.arange(0, width)
    is_left_w = tl.load(left_N + place_w, mask=place_w < n, other=0) != 0
    value_w = tl.load(value_N + place_w, mask=is_left_w, other=float("-inf"))
    # NaN is the largest, so that it is found
    value_w = tl.where(value_w == value_w, value_w, float("inf"))
    largest = tl.max(value_w, 0)
    is_largest_w = (value_w == largest) & is_left_w
    tl.store(value_P + block, largest)
    tl.store(place_P + block, tl.min(tl.where(is_largest_w, place_w, n), 0))


@triton.jit(do_not_specialize=["n_blocks"])
def largest_of_all(
    value_P,
    place_P,
    at_1,
    left_N,
    pick_B,
    utility_B,
    step_1,
    n_blocks,
    takes: tl.constexpr,
    keeps_utility: tl.constexpr,
    width: tl.constexpr,
):
    """Write the lowest place of the largest number of all blocks, and take it."""
    block_w = tl.arange(0, width)
    is_block_w = block_w < n_blocks
    value_w = tl.load(value_P + block_w, mask=is_block_w, other=float("-inf"))
    value_w = tl.where(value_w == value_w, value_w, float("inf"))
    place_w = tl.load(place_P + block_w, mask=is_block_w, other=2**62)
    largest = tl.max(value_w, 0)
    is_largest_w = is_block_w & (value_w == largest)
    at = tl.min(tl.where(is_largest_w, place_w, 2**62), 0)
    tl.store(at_1, at)
    if takes:
        step = tl.load(step_1)
        tl.store(left_N + at, 0)
        tl.store(pick_B + step, at)
        tl.store(step_1, step + 1)
        if keeps_utility:
            tl.store(utility_B + step, largest.to(utility_B.dtype.element_ty))


@triton.jit(do_not_specialize=["n"])
def cluster_sizes(nearest_N, owner_N, left_N, size_K, n_left_K, n, width: tl.constexpr):
    """Add up squared distances of each cluster, and how many rows of it are left."""
    row_w = tl.program_id(0).to(tl.int64) * width + tl.arange(0, width)
    is_row_w = row_w < n
    owner_w = tl.load(owner_N + row_w, mask=is_row_w, other=0)
    nearest_w = tl.load(nearest_N + row_w, mask=is_row_w, other=0)
    left_w = tl.load(left_N + row_w, mask=is_row_w, other=0)
    tl.atomic_add(size_K + owner_w, nearest_w.to(tl.float64), mask=is_row_w)
    one_w = tl.where(left_w != 0, 1, 0).to(tl.float64)
    tl.atomic_add(n_left_K + owner_w, one_w, mask=is_row_w)


@triton.jit(do_not_specialize=["n"])
def inverse_root(square_RR, inverse_RR, n, side: tl.constexpr):
    """Write the inverse of L, for ``L L'`` that is given."""
    i_r = tl.arange(0, side)
    is_there_rr = (i_r < n)[:, None] & (i_r < n)[None]
    at_rr = i_r[:, None] * n + i_r[None]
    is_diagonal_rr = i_r[:, None] == i_r[None]
    left_rr = tl.load(square_RR + at_rr, mask=is_there_rr, other=0)
    right_rr = tl.where(is_diagonal_rr, 1, 0).to(left_rr.dtype)
    for pivot in range(n):
        is_pivot_r = i_r == pivot
        row_r = tl.sum(tl.where(is_pivot_r[:, None], left_rr, 0), 0)
        other_r = tl.sum(tl.where(is_pivot_r[:, None], right_rr, 0), 0)
        column_r = tl.sum(tl.where(is_pivot_r[None], left_rr, 0), 1)
        value = tl.sum(tl.where(is_pivot_r, row_r, 0), 0)
        # rows below lose their share of the pivot's
        share_r = tl.where(i_r > pivot, column_r / value, 0)
        left_rr -= share_r[:, None] * row_r[None]
        right_rr -= share_r[:, None] * other_r[None]
    length_r = tl.sqrt(tl.sum(tl.where(is_diagonal_rr, left_rr, 0), 1))
    tl.store(inverse_RR + at_rr, right_rr / length_r[:, None], mask=is_there_rr)
