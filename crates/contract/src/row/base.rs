//! Avro's primitive encodings, appended to a buffer.

/// A zigzag varint.
pub(super) fn long(value: i64, out: &mut Vec<u8>) {
    let mut z = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while z >= 0x80 {
        let [low, ..] = z.to_le_bytes();
        out.push(low | 0x80);
        z >>= 7;
    }
    let [low, ..] = z.to_le_bytes();
    out.push(low);
}

/// A length, count or index: always positive.
pub(super) fn size(value: usize, out: &mut Vec<u8>) {
    // No slice is longer than `isize::MAX`.
    long(i64::try_from(value).unwrap_or(i64::MAX), out);
}

/// A length and the bytes.
pub(super) fn bytes(value: &[u8], out: &mut Vec<u8>) {
    size(value.len(), out);
    out.extend_from_slice(value);
}
