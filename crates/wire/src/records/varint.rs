//! Variable-length integers as record batches use them: seven bits a byte, lowest first; signed
//! values in zigzag. A reader takes at most 5 (int) or 10 (long) bytes.

/// Reads at `*pos` and moves it; `None` when the bytes end first or the number does not.
#[inline]
pub fn read_unsigned_varint(bytes: &[u8], pos: &mut usize) -> Option<u32> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = *bytes.get(*pos)?;
        *pos += 1;
        // What does not fit into the fifth byte's four bits is dropped, as Kafka drops it.
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[inline]
pub fn read_varint(bytes: &[u8], pos: &mut usize) -> Option<i32> {
    let value = read_unsigned_varint(bytes, pos)?;
    Some((value >> 1) as i32 ^ -((value & 1) as i32))
}

#[inline]
pub fn read_varlong(bytes: &[u8], pos: &mut usize) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*pos)?;
        *pos += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

pub fn write_unsigned_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn write_varint(out: &mut Vec<u8>, value: i32) {
    write_unsigned_varint(out, ((value << 1) ^ (value >> 31)) as u32);
}

pub fn write_varlong(out: &mut Vec<u8>, value: i64) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`write_varint`] takes.
pub fn size_of_varint(value: i32) -> usize {
    size_of_unsigned_varlong(u64::from(((value << 1) ^ (value >> 31)) as u32))
}

/// Bytes that [`write_varlong`] takes.
pub fn size_of_varlong(value: i64) -> usize {
    size_of_unsigned_varlong(((value << 1) ^ (value >> 63)) as u64)
}

fn size_of_unsigned_varlong(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_encodings() {
        let check = |value: i32, expected: &[u8]| {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            assert_eq!(out, expected, "{value}");
        };
        check(0, &[0]);
        check(-1, &[1]);
        check(1, &[2]);
        check(63, &[0x7e]);
        check(-64, &[0x7f]);
        check(64, &[0x80, 1]);
        check(i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]);
        check(i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]);
        let mut out = Vec::new();
        write_varlong(&mut out, i64::MIN);
        assert_eq!(out, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    }

    #[test]
    fn endless_and_cut_numbers_are_refused() {
        assert_eq!(read_varint(&[0x80; 5], &mut 0), None);
        assert_eq!(read_varlong(&[0x80; 10], &mut 0), None);
        assert_eq!(read_varint(&[0x80, 0x80], &mut 0), None);
        assert_eq!(read_varlong(&[], &mut 0), None);
        assert_eq!(read_varint(&[1], &mut 7), None);
    }

    proptest! {
        #[test]
        fn round_trip(int: i32, long: i64, shift in 0..63u32) {
            for (int, long) in [(int, long), (int >> (shift / 2), long >> shift)] {
                let mut out = Vec::new();
                write_varint(&mut out, int);
                prop_assert_eq!(out.len(), size_of_varint(int));
                write_varlong(&mut out, long);
                prop_assert_eq!(out.len(), size_of_varint(int) + size_of_varlong(long));
                let mut pos = 0;
                prop_assert_eq!(read_varint(&out, &mut pos), Some(int));
                prop_assert_eq!(read_varlong(&out, &mut pos), Some(long));
                prop_assert_eq!(pos, out.len());
            }
        }
    }
}
