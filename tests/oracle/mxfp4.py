"""MXFP4 as OpenAI stores it: 32 values share one E8M0 scale, kept in a tensor of its own.

Format: OCP Microscaling Formats (MX) v1.0, sections 5.3.3 (E2M1), 5.4.1 (E8M0), 6.3 (conversion).
Byte j of a block holds value 2j in its low nibble and value 2j+1 in its high one.
"""

import numpy as np

BLOCK = 32
MAGNITUDES = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
VALUES = np.concatenate([MAGNITUDES, -MAGNITUDES])  # bit 3 is the sign
LARGEST_ELEMENT_EXPONENT = 2  # of 6.0 = 1.5 * 2^2
SCALE_BIAS = 127
NAN_SCALE = 255


def _round_to_e2m1(x):
    """Nibbles of the nearest values, ties to the even mantissa, magnitudes above 6 to 6."""
    midpoints = (MAGNITUDES[1:] + MAGNITUDES[:-1]) / 2
    below = np.searchsorted(midpoints, np.abs(x), side="left")  # a tie goes down
    above = np.searchsorted(midpoints, np.abs(x), side="right")  # a tie goes up
    magnitude = np.where(below % 2 == 0, below, above)
    return (magnitude | np.where(np.signbit(x), 8, 0)).astype(np.uint8)


def quantize(values):
    """[..., k] -> blocks u8 [..., k/32, 16] and scales u8 [..., k/32]; k is a multiple of 32."""
    grouped = np.asarray(values, dtype=np.float64).reshape(*values.shape[:-1], -1, BLOCK)
    largest = np.abs(grouped).max(axis=-1)
    exponent = np.full(largest.shape, -SCALE_BIAS)
    np.subtract(np.frexp(largest)[1] - 1, LARGEST_ELEMENT_EXPONENT, out=exponent, where=largest > 0)
    exponent = np.clip(exponent, -SCALE_BIAS, NAN_SCALE - 1 - SCALE_BIAS)
    nibbles = _round_to_e2m1(grouped * np.exp2(-exponent.astype(np.float64))[..., None])
    blocks = nibbles[..., 0::2] | nibbles[..., 1::2] << 4
    return blocks, (exponent + SCALE_BIAS).astype(np.uint8)


def dequantize(blocks, scales):
    """The inverse: float64 [..., k]; exact, as all values are short and all scales powers of 2."""
    if (scales == NAN_SCALE).any():
        raise ValueError("an E8M0 scale is 0xFF, which is NaN")
    nibbles = np.stack([blocks & 15, blocks >> 4], axis=-1).reshape(*blocks.shape[:-1], BLOCK)
    values = VALUES[nibbles] * np.exp2(scales.astype(np.float64) - SCALE_BIAS)[..., None]
    return values.reshape(*scales.shape[:-1], -1)
