"""What each row adds to the Fisher information of a growing design."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from skal_deep._compiled import are_compiled
from skal_deep._threads import for_each_part, threads_given_back
from skal_deep.functional._card import (
    LARGEST_SIDE,
    design_step,
    has_loops,
    inverse_root,
)
from skal_deep.functional._chunks import chunks, memory_budget, slices

# Largest side of an information matrix: 800 MB in float64, of which a few are held.
_MAX_N_WEIGHTS = 10_000
# Numbers of rows that take a thread some tenths of a millisecond.
_NUMBERS_OF_A_PART = 2**16
# Parts of a product have so many columns and products of two numbers at least, and
# there are so many at most: of few columns each takes longer than its share of all.
_LEAST_COLUMNS, _LEAST_PRODUCTS, _MOST_PARTS = 128, 2**23, 8
# Roots of matrices of so few weights take threads longer to begin than to run.
_FEW_WEIGHTS = 1024


def is_too_large(n_weights: int) -> bool:
    """Return whether the information matrix of so many weights does not fit."""
    return n_weights > _MAX_N_WEIGHTS


def check_n_weights(n_weights: int) -> None:
    """Raise if the information matrix of so many weights does not fit into memory."""
    if is_too_large(n_weights):
        raise ValueError(
            f"The last layer has {n_weights} free weights; their information matrix of "
            f"{n_weights} x {n_weights} numbers is too large (limit: "
            f"{_MAX_N_WEIGHTS}). Use the binary form, or reduce the embeddings."
        )


def product(left_RW: Tensor, right_WW: Tensor) -> Tensor:
    """Return a product of matrices, whose columns the threads of a processor share."""
    if not left_RW.is_cpu:
        return left_RW @ right_WW
    result_RW = left_RW.new_empty(len(left_RW), right_WW.shape[1])

    def work_on(part: slice) -> None:
        torch.mm(left_RW, right_WW[:, part], out=result_RW[:, part])

    for_each_part(_parts_of(right_WW, len(left_RW)), lambda: work_on, left_RW.device)
    return result_RW


def _parts_of(matrix_WW: Tensor, n_rows: int) -> Iterator[slice]:
    """Yield columns, or rows, of a matrix that so many rows are multiplied with.

    On a card, or where a product takes no longer than to wait for a thread, these are
    all.
    """
    n_weights = len(matrix_WW)
    size = max(1, n_weights)
    if matrix_WW.is_cpu:
        least = max(_LEAST_COLUMNS, _LEAST_PRODUCTS // max(1, n_rows * n_weights))
        size = max(least, -(-n_weights // _MOST_PARTS))
    return slices(n_weights, size)


class Factored:
    """Rows with Fisher information ``S' S (x) h h'``, kept as the factors.

    Parameters
    ----------
    factor_NRK : Tensor of shape (N, R, K)
        S of each row.
    embedding_ND : Tensor of shape (N, D)
        h of each row.
    """

    def __init__(self, factor_NRK: Tensor, embedding_ND: Tensor):
        dtype = torch.promote_types(factor_NRK.dtype, embedding_ND.dtype)
        self.factor_NRK = factor_NRK.to(dtype)
        self.embedding_ND = embedding_ND.to(dtype)

    def __len__(self) -> int:
        return len(self.embedding_ND)

    def at(self, rows: Any) -> "Factored":
        """Return some of the rows."""
        return Factored(self.factor_NRK[rows], self.embedding_ND[rows])

    def double(self) -> "Factored":
        """Return the same rows in float64."""
        return Factored(self.factor_NRK.double(), self.embedding_ND.double())

    def largest(self) -> float:
        """Return the trace of the information of the row that tells most."""
        if not len(self):
            return 0.0
        factor_N = self.factor_NRK.double().square().sum((1, 2))
        length_N = torch.linalg.vector_norm(
            self.embedding_ND, dim=1, dtype=torch.float64
        )
        return float((factor_N * length_N.square()).max())

    def gradients(self) -> Tensor:
        """Return ``V = S (x) h'`` of each row, of shape (N, R, K D)."""
        gradient_NRKD = self.factor_NRK[..., None] * self.embedding_ND[:, None, None]
        return gradient_NRKD.flatten(2)

    def information(self) -> Tensor:
        """Return the sum of the information of all rows, of shape (K D, K D)."""
        n_factors, n_dims = self.factor_NRK.shape[2], self.embedding_ND.shape[1]
        total = self.embedding_ND.new_zeros(n_factors, n_dims, n_factors, n_dims)

        def add_blocks(part: slice) -> None:
            k = part.start  # blocks (k, k) ... (k, K) at once
            for rows in chunks(len(self), n_factors * n_dims, total.device):
                factor_BRK, embedding_BD = (
                    self.factor_NRK[rows],
                    self.embedding_ND[rows],
                )
                gram_B1L = factor_BRK[..., k, None].mT @ factor_BRK[..., k:]
                weighted = gram_B1L.mT * embedding_BD[:, None]
                blocks = embedding_BD.T @ weighted.flatten(1)
                total[k, :, k:] += blocks.reshape(n_dims, n_factors - k, n_dims)

        for_each_part(slices(n_factors, 1), lambda: add_blocks, total.device)
        for k in range(1, n_factors):  # each block is symmetric
            total[k, :, :k] = total[:k, :, k].permute(1, 0, 2)
        return total.reshape(n_factors * n_dims, n_factors * n_dims).double()

    def seen_through(self, matrix: Tensor) -> Tensor:
        """Return ``V matrix V'`` with ``V = S (x) h'`` for each row, (N, R, R).

        The matrix is symmetric, of shape (K D, K D).
        """
        n_factors, n_dims = self.factor_NRK.shape[2], self.embedding_ND.shape[1]
        n, n_rows = self.factor_NRK.shape[:2]
        form_NRR = matrix.new_empty(n, n_rows, n_rows)
        matrix = matrix.to(self.embedding_ND.dtype)

        def work_on(part: slice) -> None:
            factor_BRK, embedding_BD = self.factor_NRK[part], self.embedding_ND[part]
            form_BKK = factor_BRK.new_empty(len(factor_BRK), n_factors, n_factors)
            for k in range(n_factors):
                strip = matrix[k * n_dims : (k + 1) * n_dims, k * n_dims :]
                image = (embedding_BD @ strip).unflatten(1, (n_factors - k, n_dims))
                form_BKK[:, k, k:] = (image @ embedding_BD[..., None])[..., 0]
                form_BKK[:, k + 1 :, k] = form_BKK[:, k, k + 1 :]
            form_NRR[part] = factor_BRK @ form_BKK @ factor_BRK.mT

        for_each_part(
            chunks(n, n_factors * n_dims, matrix.device), lambda: work_on, matrix.device
        )
        return form_NRR

    def seen_through_both(
        self, covariance: Tensor, information: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return ``V C V'`` and ``V C F C V'`` for each row, (N, R, R) each.

        Of a single factor, one product with what makes both matrices diagonal does:
        with ``C = T T'`` and ``T' F T`` diagonal they are weighted squares of ``h' T``.
        """
        if self.factor_NRK.shape[1:] != (1, 1):
            outer = product(covariance, product(information, covariance))
            return self.seen_through(covariance), self.seen_through(outer)
        with _threads_of_many(len(covariance)):
            root = torch.linalg.cholesky(covariance)
            value_D, turn_DD = torch.linalg.eigh(root.T @ information @ root)
            root_DD = (root @ turn_DD).to(self.embedding_ND)
        weight_D2 = torch.stack([torch.ones_like(value_D), value_D.clamp_min(0)], 1)
        weight_D2 = weight_D2.to(self.embedding_ND)
        square_N2 = covariance.new_empty(len(self), 2)

        def work_on(part: slice) -> None:
            turned_BD = self.embedding_ND[part] @ root_DD
            square_N2[part] = (turned_BD.square_() @ weight_D2).to(square_N2)

        parts = chunks(len(self), len(root_DD), covariance.device)
        for_each_part(parts, lambda: work_on, covariance.device)
        square_N2 *= self.factor_NRK[:, 0].double().square()
        inner_N, outer_N = square_N2.unbind(1)
        return inner_N[:, None, None].clone(), outer_N[:, None, None].clone()


def _threads_of_many(n_weights: int) -> AbstractContextManager[None]:
    """Return a context for roots, and the like, of matrices of so many weights.

    Those of many are shared by torch's threads.
    """
    return threads_given_back() if n_weights > _FEW_WEIGHTS else nullcontext()


def design_matrices(
    labeled: Factored, everything: Factored, regularization: float, of_labeled: float
) -> tuple[Tensor, Tensor]:
    """Return F, and M before a row is added, in float64; see :class:`Design`.

    Raises
    ------
    ValueError
        If they do not fit into memory.
    """
    n_weights = everything.factor_NRK.shape[2] * everything.embedding_ND.shape[1]
    check_n_weights(n_weights)
    information = everything.information()
    precision = regularization * torch.eye(n_weights).to(information)
    if len(labeled):
        of_all_labeled = labeled.information()
        information += of_all_labeled
        precision += of_all_labeled * (of_labeled / len(labeled))
    return information / (len(everything) + len(labeled)), precision


class Design:
    """The trace ``tr(M^-1 F)`` of a design, and how rows would change it.

    ``M = regularization 1 + of_labeled mean_labeled I + of_new sum_added I``, and F is
    the mean of I over everything and the labelled rows. With ``I = V' V``,
    ``inner_NRR`` holds ``V M^-1 V'`` of each row and ``outer_NRR``
    ``V M^-1 F M^-1 V'``.

    Adding a row (sign = 1; removing: -1) changes ``M^-1`` by ``- sign U' U`` with
    ``U = L^-1 V M^-1``, ``L L' = 1 / of_new + sign V M^-1 V'`` (Woodbury), so

    ``inner -= sign a a'``, ``outer -= sign (a b' + b a')``, where ``a = V_x U'`` and
    ``b = V_x (U F M^-1 - sign/2 U F U' U)'`` are R x R matrices of a row x. As only
    traces of products of ``outer`` with symmetric matrices are asked for, ``2 a b'``
    stands for ``a b' + b a'``.
    """

    def __init__(
        self,
        rows: Factored,
        labeled: Factored,
        everything: Factored,
        regularization: float,
        of_labeled: float,
        of_new: float,
    ):
        self._rows = rows
        self._of_new = of_new
        n_weights = rows.factor_NRK.shape[2] * rows.embedding_ND.shape[1]
        with _threads_of_many(n_weights):
            self._mean_information, precision = design_matrices(
                labeled, everything, regularization, of_labeled
            )
            root = torch.linalg.cholesky(precision)
            self._covariance = torch.cholesky_inverse(root)
        self._inner_NRR, self._outer_NRR = rows.seen_through_both(
            self._covariance, self._mean_information
        )
        is_small = max(rows.factor_NRK.shape[1:]) <= LARGEST_SIDE
        #: Whether a row is added by loops on a card, which need not be waited for.
        self.is_on_card = is_small and has_loops(rows.embedding_ND)
        is_for_loops = rows.embedding_ND.is_cpu and are_compiled()
        self._has_loops = is_small and (self.is_on_card or is_for_loops)
        self._diagonal_1 = self._inner_NRR.new_full((1,), 1 / of_new)
        # what rows would change at their addition, 1, or removal, -1; 0: not known
        self._sign, self._change_N = 0, self._inner_NRR.new_empty(len(rows))

    @property
    def trace(self) -> float:
        """``tr(M^-1 F)``."""
        return float((self._covariance * self._mean_information).sum())

    def most_change(self) -> float:
        """Return what a row would change the trace by, were it not for its own share.

        The most of all rows, of which round-off in what changes later is a share.
        """
        most_N = self._outer_NRR.diagonal(dim1=-2, dim2=-1).sum(-1)
        return self._of_new * float(most_N.max())

    def at(self, rows: Any) -> "Design":
        """Return the same design, looking at some of the rows only."""
        part = object.__new__(Design)
        part.__dict__.update(self.__dict__)
        part._rows = self._rows.at(rows)
        part._inner_NRR, part._outer_NRR = self._inner_NRR[rows], self._outer_NRR[rows]
        part._sign, part._change_N = 0, self._change_N[rows]
        return part

    def among(self, rows: Tensor) -> "Design":
        """Return the same design, looking at some of the rows only, in float64.

        ``1 / of_new - V M^-1 V'`` of a row that was added is a small difference.
        """
        part = self.at(rows)
        part._rows = Factored(
            part._rows.factor_NRK.double(), part._rows.embedding_ND.double()
        )
        n_numbers = part._rows.at(slice(1)).gradients().numel()
        for rows_B in chunks(len(part._rows), n_numbers, rows.device):
            gradient_BRW = part._rows.at(rows_B).gradients()
            image_BRW = product(gradient_BRW.flatten(0, 1), self._covariance)
            seen_BRW = product(image_BRW, self._mean_information)
            image_BRW, seen_BRW = (
                each.view_as(gradient_BRW) for each in (image_BRW, seen_BRW)
            )
            part._inner_NRR[rows_B] = image_BRW @ gradient_BRW.mT
            part._outer_NRR[rows_B] = seen_BRW @ image_BRW.mT
        return part

    def gains(self) -> Tensor:
        """Return by how much each row would lower the trace, of shape (N,)."""
        return self._changes(1)

    def losses(self, rows: list[int]) -> Tensor:
        """Return by how much the trace would grow without each of some added rows."""
        if self.is_on_card:  # a look at all takes no longer
            return self._changes(-1)[torch.tensor(rows).to(self._inner_NRR.device)]
        return self.at(rows)._changes(-1)

    def add(self, at_1: Tensor) -> None:
        """Add a row to the design."""
        self._update(at_1, 1)

    def remove(self, at_1: Tensor) -> None:
        """Remove a row from the design."""
        self._update(at_1, -1)

    def _changes(self, sign: int) -> Tensor:
        """Return ``tr[(1 / of_new + sign inner)^-1 outer]``, of shape (N,)."""
        change_N, n_columns = self._change_N, 2 * self._inner_NRR[:1].numel()
        if self._has_loops:
            if self._sign != sign:
                look = self._look(sign)
                self._for_rows(n_columns, lambda part: look(part, None))
            return change_N

        def work_on(part: slice) -> None:
            root_BRR = self._root(self._inner_NRR[part], sign)
            inverse_BRR = torch.cholesky_inverse(root_BRR)
            change_N[part] = (inverse_BRR * self._outer_NRR[part]).sum((-2, -1))

        self._for_rows(n_columns, work_on)
        return change_N

    def _for_rows(self, n_columns: int, work_on: Callable[[slice], None]) -> None:
        """Work on all rows in parts that fit into memory, and that threads share."""
        device = self._inner_NRR.device
        most = memory_budget(device)
        if device.type == "cpu":
            most = min(most, _NUMBERS_OF_A_PART)
        size = max(1, most // max(1, n_columns))
        for_each_part(slices(len(self._rows), size), lambda: work_on, device)

    def _root(self, inner: Tensor, sign: int) -> Tensor:
        """Return L of ``L L' = 1 / of_new + sign inner``."""
        eye_RR = torch.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device)
        root: Tensor = torch.linalg.cholesky(eye_RR / self._of_new + sign * inner)
        return root

    def _look(self, sign: int) -> Callable[[slice, Tensor | None], None]:
        """Return a loop that brings some rows up to date, if forms are given.

        It writes what they would change. Threads would wait for each other in every
        operation of torch, be it a view, and in none of NumPy's.
        """
        self._sign = sign
        tensors = self._inner_NRR, self._outer_NRR, self._change_N
        if self.is_on_card:

            def look_on_card(part: slice, form_NQK: Tensor | None) -> None:
                inner, outer, change = (each[part] for each in tensors)
                factor, one = self._rows.factor_NRK[part], self._diagonal_1
                design_step(factor, form_NQK, inner, outer, change, one, sign)

            return look_on_card
        from skal_deep.functional import _loops

        factors, diagonal = self._rows.factor_NRK.numpy(), 1 / self._of_new
        arrays, no_forms = [each.numpy() for each in tensors], factors[:, :0]

        def look(part: slice, form_NQK: Tensor | None) -> None:
            inner, outer, change = (each[part] for each in arrays)
            forms = no_forms[part] if form_NQK is None else form_NQK.numpy()
            factor = factors[part]
            _loops.design_step(factor, forms, inner, outer, change, diagonal, sign)

        return look

    def _gradient(self, at_1: Tensor) -> tuple[Tensor, Tensor]:
        """Return V and ``V M^-1`` of a row, in float64."""
        gradient_RW = torch.einsum(
            "rk,d->rkd",
            self._rows.factor_NRK.index_select(0, at_1)[0].double(),
            self._rows.embedding_ND.index_select(0, at_1)[0].double(),
        ).flatten(1)
        return gradient_RW, product(gradient_RW, self._covariance)

    def _update(self, at_1: Tensor, sign: int) -> None:
        """Change everything by one row."""
        gradient_RW, image_RW = self._gradient(at_1)
        inner_RR = image_RW @ gradient_RW.T
        if self.is_on_card:
            square_RR = sign * inner_RR
            square_RR.diagonal().add_(1 / self._of_new)
            change_RW = inverse_root(square_RR) @ image_RW
        else:
            root_RR = self._root(inner_RR, sign)
            change_RW = torch.linalg.solve_triangular(root_RR, image_RW, upper=False)
        seen_RW = product(change_RW, self._mean_information)
        image_RW = product(seen_RW, self._covariance)
        image_RW -= sign / 2 * (seen_RW @ change_RW.T) @ change_RW

        def take_from(rows: slice) -> None:
            self._covariance[rows].addmm_(change_RW[:, rows].T, change_RW, alpha=-sign)

        covariance = self._covariance
        for_each_part(
            _parts_of(covariance, len(change_RW)), lambda: take_from, covariance.device
        )
        n_rows, n_factors = self._rows.factor_NRK.shape[1:]
        embedding_ND = self._rows.embedding_ND
        both = torch.cat([change_RW, image_RW]).to(embedding_ND.dtype)
        both = both.reshape(2 * n_rows * n_factors, embedding_ND.shape[1])

        look = self._look(sign) if self._has_loops else None

        def work_on(part: slice) -> None:
            forms = embedding_ND[part] @ both.T
            forms = forms.reshape(len(forms), 2 * n_rows, n_factors)
            if look:
                look(part, forms)
                return
            both_BRR = (self._rows.factor_NRK[part] @ forms.mT).double()
            a_BRR, b_BRR = both_BRR[..., :n_rows], both_BRR[..., n_rows:]
            self._inner_NRR[part].baddbmm_(a_BRR, a_BRR.mT, alpha=-sign)
            self._outer_NRR[part].baddbmm_(a_BRR, b_BRR.mT, alpha=-2 * sign)

        self._for_rows(len(both), work_on)
