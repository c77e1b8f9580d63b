"""Operations on 16 neighbouring numbers as one vector, and two functions that vectorise, for the compiled kernels."""
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from gradnets.sparse.packing import BLOCK_WIDTH


def _vector_pointer(context, builder, array_type, array, index):
    """Return the place where 16 neighbours of an array begin, as a pointer to a vector."""
    data = arrayobj.make_array(array_type)(context, builder, array).data
    vector = ir.VectorType(data.type.pointee, BLOCK_WIDTH)
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _align(instruction, array_type):
    """Return a load or store that assumes the alignment of one number, where LLVM would assume that of a vector."""
    instruction.align = array_type.dtype.bitwidth // 8
    return instruction


def _repeat(builder, vector, number):
    """Return a vector whose 16 entries are one number."""
    lane = ir.IntType(32)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, lane(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(lane, BLOCK_WIDTH), [0] * BLOCK_WIDTH))


@intrinsic
def add_16(typing, target, target_start, factor, source, source_start):
    """Do target[target_start:][:16] += factor * source[source_start:][:16]."""
    def build(context, builder, signature, arguments):
        target, target_start, factor, source, source_start = arguments
        array_type = signature.args[0]
        target_at, source_at = (_vector_pointer(context, builder, array_type, *pair)
                                for pair in ((target, target_start), (source, source_start)))
        factors = _repeat(builder, target_at.type.pointee, factor)
        product = builder.fmul(factors, _align(builder.load(source_at), array_type), flags=("contract",))
        total = builder.fadd(_align(builder.load(target_at), array_type), product, flags=("contract",))
        _align(builder.store(total, target_at), array_type)
        return context.get_dummy_value()
    return types.void(target, types.int64, source.dtype, source, types.int64), build


@intrinsic
def dot_16(typing, left, left_start, right, right_start):
    """Return left[left_start:][:16] @ right[right_start:][:16]."""
    def build(context, builder, signature, arguments):
        left, left_start, right, right_start = arguments
        array_type = signature.args[0]
        pointers = [_vector_pointer(context, builder, array_type, *pair)
                    for pair in ((left, left_start), (right, right_start))]
        vector = pointers[0].type.pointee
        product = builder.fmul(*[_align(builder.load(pointer), array_type) for pointer in pointers])
        add = builder.module.declare_intrinsic(
            f"llvm.vector.reduce.fadd.v{BLOCK_WIDTH}f{array_type.dtype.bitwidth}", (),
            ir.FunctionType(vector.element, [vector.element, vector]))
        return builder.call(add, [vector.element(0.0), product], fastmath=("reassoc",))
    return left.dtype(left, types.int64, right, types.int64), build


def _weighted_sum(vectors):
    """Return an intrinsic that sums `vectors` neighbouring vectors of 16, each in a register.

    target[target_start:][:16 * vectors] += sum over k < count of
        factors[factor_start + k * factor_step] * source[source_start + k * source_step:][:16 * vectors],
    with all arrays read as flat.
    """
    @intrinsic
    def weighted_sum(typing, target, target_start, factors, factor_start, factor_step, source, source_start,
                     source_step, count):
        def build(context, builder, signature, arguments):
            (target, target_start, factors, factor_start, factor_step, source, source_start, source_step,
             count) = arguments
            target_type, factor_type, source_type = (signature.args[k] for k in (0, 2, 5))
            targets = [_vector_pointer(context, builder, target_type, target,
                                       builder.add(target_start, target_start.type(BLOCK_WIDTH * part)))
                       for part in range(vectors)]
            vector = targets[0].type.pointee
            totals = [cgutils.alloca_once(builder, vector) for _ in targets]
            for total, pointer in zip(totals, targets, strict=True):
                builder.store(_align(builder.load(pointer), target_type), total)
            data = arrayobj.make_array(factor_type)(context, builder, factors).data
            with cgutils.for_range(builder, count) as loop:
                at = builder.add(factor_start, builder.mul(loop.index, factor_step))
                repeated = _repeat(builder, vector, builder.load(builder.gep(data, [at])))
                row = builder.add(source_start, builder.mul(loop.index, source_step))
                for part, total in enumerate(totals):
                    pointer = _vector_pointer(context, builder, source_type, source,
                                              builder.add(row, row.type(BLOCK_WIDTH * part)))
                    product = builder.fmul(repeated, _align(builder.load(pointer), source_type), flags=("contract",))
                    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
            for total, pointer in zip(totals, targets, strict=True):
                _align(builder.store(builder.load(total), pointer), target_type)
            return context.get_dummy_value()
        return types.void(target, types.int64, factors, types.int64, types.int64, source, types.int64, types.int64,
                          types.int64), build
    return weighted_sum


weighted_sum_16, weighted_sum_64 = _weighted_sum(1), _weighted_sum(4)


@intrinsic
def weighted_sum_of_blocks(typing, target, target_start, factors, places, source, blocks, first, end):
    """Add to target[target_start:][:16] the sum of factors[places[k]] * source[16 * blocks[k]:][:16], first <= k < end.
    """
    def build(context, builder, signature, arguments):
        target, target_start, _, _, source, _, first, end = arguments
        target_type, source_type = signature.args[0], signature.args[4]
        pointer = _vector_pointer(context, builder, target_type, target, target_start)
        vector = pointer.type.pointee
        total = cgutils.alloca_once_value(builder, _align(builder.load(pointer), target_type))

        def entry(position, index):
            data = arrayobj.make_array(signature.args[position])(context, builder, arguments[position]).data
            return builder.load(builder.gep(data, [index]))

        with cgutils.for_range_slice(builder, first, end, first.type(1)) as (k, _):
            factor = entry(2, builder.zext(entry(3, k), first.type))
            start = builder.mul(builder.zext(entry(5, k), first.type), first.type(BLOCK_WIDTH))
            block = _align(builder.load(_vector_pointer(context, builder, source_type, source, start)), source_type)
            product = builder.fmul(_repeat(builder, vector, factor), block, flags=("contract",))
            builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
        _align(builder.store(builder.load(total), pointer), target_type)
        return context.get_dummy_value()
    return types.void(target, types.int64, factors, places, source, blocks, types.int64, types.int64), build


@intrinsic
def floor(typing, x):
    """Return the largest whole number that is not above x, as a float."""
    def build(context, builder, signature, arguments):
        instruction = builder.module.declare_intrinsic("llvm.floor", [arguments[0].type])
        return builder.call(instruction, arguments)
    return x(x), build


@intrinsic
def power_of_two(typing, exponent):
    """Return 2 to a whole exponent of ordinary size, by writing the bits of the float."""
    def build(context, builder, signature, arguments):
        bits, bias, shift = (32, 127, 23) if exponent == types.float32 else (64, 1023, 52)
        integer = ir.IntType(bits)
        biased = builder.add(builder.fptosi(arguments[0], integer), integer(bias))
        return builder.bitcast(builder.shl(biased, integer(shift)), arguments[0].type)
    return exponent(exponent), build
