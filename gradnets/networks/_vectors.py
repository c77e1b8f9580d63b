"""Operations on rows of bits, eight words at a time as one vector, for the compiled kernels."""
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

WORDS = 8  # of 64 bits: one vector of AVX-512; on other processors the compiler takes it apart
VECTOR = ir.VectorType(ir.IntType(64), WORDS)


def _load(context, builder, array_type, array, index):
    """Return the vector that begins at an index of a flat array, and the pointer to it."""
    data = arrayobj.make_array(array_type)(context, builder, array).data
    pointer = builder.bitcast(builder.gep(data, [index]), VECTOR.as_pointer())
    vector = builder.load(pointer)
    vector.align = 8  # of one word, where LLVM would assume that of a vector
    return vector, pointer


def _ones(builder, vector):
    """Return the number of ones in each word of a vector."""
    count = builder.module.declare_intrinsic(f"llvm.ctpop.v{WORDS}i64", (), ir.FunctionType(VECTOR, [VECTOR]))
    return builder.call(count, [vector])


def _sum(builder, vector):
    add = builder.module.declare_intrinsic(f"llvm.vector.reduce.add.v{WORDS}i64", (),
                                           ir.FunctionType(VECTOR.element, [VECTOR]))
    return builder.call(add, [vector])


@intrinsic
def ones_in_common(context, left, left_start, right, right_start, words):
    """Count the ones of left[left_start:][:words] & right[right_start:][:words]; words is a multiple of WORDS."""
    def build(context, builder, signature, arguments):
        left, left_start, right, right_start, words = arguments
        total = cgutils.alloca_once_value(builder, ir.Constant(VECTOR, None))
        with cgutils.for_range_slice(builder, words.type(0), words, words.type(WORDS)) as (word, _):
            first, second = (_load(context, builder, array_type, array, builder.add(start, word))[0]
                             for array_type, array, start in ((signature.args[0], left, left_start),
                                                              (signature.args[2], right, right_start)))
            ones = _ones(builder, builder.and_(first, second))
            builder.store(builder.add(builder.load(total), ones), total)
        return _sum(builder, builder.load(total))
    return types.int64(left, types.int64, right, types.int64, types.int64), build


@intrinsic
def unite(context, target, target_start, source, source_starts, first, end, offset):
    """Do target[target_start:][:WORDS] |= source[source_starts[k] + offset:][:WORDS] for first <= k < end.

    The target stays in a register until all are in. Returns the number of its ones.
    """
    def build(context, builder, signature, arguments):
        target, target_start, source, source_starts, first, end, offset = arguments
        before, pointer = _load(context, builder, signature.args[0], target, target_start)
        total = cgutils.alloca_once_value(builder, before)
        starts = arrayobj.make_array(signature.args[3])(context, builder, source_starts).data
        with cgutils.for_range_slice(builder, first, end, first.type(1)) as (k, _):
            start = builder.add(builder.load(builder.gep(starts, [k])), offset)
            added, _ = _load(context, builder, signature.args[2], source, start)
            builder.store(builder.or_(builder.load(total), added), total)
        after = builder.load(total)
        builder.store(after, pointer).align = 8
        return _sum(builder, _ones(builder, after))
    return types.int64(target, types.int64, source, source_starts, types.int64, types.int64, types.int64), build
