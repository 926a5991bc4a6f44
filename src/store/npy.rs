//! The `.npy` format, version 1.0, as strictly as numpy writes it: little-endian numbers, one or two axes.
//!
//! Tables are stored column by column (`fortran_order`), because the numbers of one column resemble each other and
//! compress better side by side; numpy undoes it by itself, and [`parse`] does too.

/// The element types of an atlas file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dtype {
    U8,
    I8,
    U16,
    U32,
    F16,
    F32,
}

impl Dtype {
    pub(super) const ALL: [Self; 6] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::U32,
        Self::F16,
        Self::F32,
    ];

    /// numpy's name of it.
    pub(super) fn descr(self) -> &'static str {
        match self {
            Self::U8 => "|u1",
            Self::I8 => "|i1",
            Self::U16 => "<u2",
            Self::U32 => "<u4",
            Self::F16 => "<f2",
            Self::F32 => "<f4",
        }
    }

    /// Bytes of one element.
    pub(super) fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::F16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }

    /// The narrowest unsigned type for numbers up to `largest`.
    pub(super) fn unsigned_for(largest: u32) -> Self {
        match largest {
            0..=0xFF => Self::U8,
            0x100..=0xFFFF => Self::U16,
            _ => Self::U32,
        }
    }
}

/// A type that is one of [`Dtype`].
pub(super) trait Element: Copy + Default {
    /// Which one.
    const DTYPE: Dtype;
    /// Appends its little-endian bytes.
    fn put(self, bytes: &mut Vec<u8>);
    /// Reads it from exactly its bytes.
    fn get(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($($type:ty => $dtype:ident),*) => {$(
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$dtype;
            fn put(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
            fn get(bytes: &[u8]) -> Self {
                bytes.try_into().map_or_else(|_| Self::default(), Self::from_le_bytes)
            }
        }
    )*};
}
element!(u8 => U8, i8 => I8, u16 => U16, u32 => U32, f32 => F32, half::f16 => F16);

/// Longest header that is read; what is written here has 128 bytes.
pub(super) const MAX_HEADER: usize = 1024;

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// An array as stored: its elements' bytes, row by row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Array {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

impl Array {
    /// The elements, row by row; empty when the type is another one.
    pub(super) fn elements<T: Element>(&self) -> Vec<T> {
        if self.dtype != T::DTYPE {
            return Vec::new();
        }
        self.bytes
            .chunks_exact(size_of::<T>())
            .map(T::get)
            .collect()
    }

    /// The elements of any unsigned type.
    pub(super) fn unsigned(&self) -> Vec<u32> {
        match self.dtype {
            Dtype::U8 => self.bytes.iter().map(|&v| u32::from(v)).collect(),
            Dtype::U16 => self.elements::<u16>().into_iter().map(u32::from).collect(),
            _ => self.elements::<u32>(),
        }
    }
}

/// One axis.
pub(super) fn column<T: Element>(values: impl ExactSizeIterator<Item = T>) -> Vec<u8> {
    let mut bytes = header(T::DTYPE, &[values.len()], false);
    values.for_each(|value| value.put(&mut bytes));
    bytes
}

/// One axis of unsigned numbers in the narrowest type that holds `largest`.
pub(super) fn unsigned(values: &[u32], largest: u32) -> Vec<u8> {
    match Dtype::unsigned_for(largest) {
        Dtype::U8 => column(values.iter().map(|&v| v as u8)),
        Dtype::U16 => column(values.iter().map(|&v| v as u16)),
        _ => column(values.iter().copied()),
    }
}

/// Two axes, stored row by row.
pub(super) fn rows<T: Element>(table: &ndarray::Array2<T>) -> Vec<u8> {
    let mut bytes = header(T::DTYPE, table.shape(), false);
    table.iter().for_each(|value| value.put(&mut bytes));
    bytes
}

/// Two axes, stored column by column.
pub(super) fn columns<T: Element>(table: &ndarray::Array2<T>) -> Vec<u8> {
    let mut bytes = header(T::DTYPE, table.shape(), true);
    table.t().iter().for_each(|value| value.put(&mut bytes));
    bytes
}

fn header(dtype: Dtype, shape: &[usize], by_columns: bool) -> Vec<u8> {
    let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let order = if by_columns { "True" } else { "False" };
    let mut text = format!(
        "{{'descr': '{}', 'fortran_order': {order}, 'shape': ({}{comma}), }}",
        dtype.descr(),
        sides.join(", "),
    );
    // Data starts at a multiple of 64 and the header ends in a line break.
    let length = (MAGIC.len() + 2 + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(
        ' ',
        length - MAGIC.len() - 2 - text.len() - 1,
    ));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Reads an array.
///
/// # Errors
/// What is wrong with it, in words. Nothing is allocated beyond the size of `bytes`.
pub(super) fn parse(bytes: Vec<u8>) -> Result<Array, String> {
    if !bytes.starts_with(MAGIC) {
        return Err("it is no .npy of version 1.0".to_owned());
    }
    let length = bytes
        .get(8..10)
        .map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])));
    let header = (length <= MAX_HEADER)
        .then(|| bytes.get(10..10 + length))
        .flatten();
    let text = header
        .and_then(|header| std::str::from_utf8(header).ok())
        .ok_or("its header is cut short")?;
    let (dtype, by_columns, shape) = parse_header(text)?;
    let n_bytes = shape
        .iter()
        .try_fold(dtype.size(), |product, &side| product.checked_mul(side));
    if n_bytes != Some(bytes.len() - 10 - length) {
        return Err(format!(
            "its header says {shape:?} but {} bytes of data follow",
            bytes.len() - 10 - length
        ));
    }
    let mut bytes = bytes;
    bytes.drain(..10 + length);
    if by_columns && shape.len() == 2 {
        bytes = transposed(&bytes, (shape[0], shape[1]), dtype.size());
    }
    Ok(Array {
        dtype,
        shape,
        bytes,
    })
}

fn parse_header(text: &str) -> Result<(Dtype, bool, Vec<usize>), String> {
    let after = |key: &str| {
        let at = text
            .find(key)
            .ok_or_else(|| format!("its header has no {key}"))?;
        Ok::<&str, String>(text[at + key.len()..].trim_start())
    };
    let descr = after("'descr':")?
        .strip_prefix('\'')
        .and_then(|rest| rest.split('\'').next())
        .unwrap_or("");
    let dtype = Dtype::ALL.into_iter().find(|dtype| dtype.descr() == descr);
    let dtype =
        dtype.ok_or_else(|| format!("its element type {descr:?} is not one of an atlas"))?;
    let by_columns = after("'fortran_order':")?.starts_with("True");
    let sides = after("'shape':")?
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'));
    let (sides, _) = sides.ok_or("its header has no shape")?;
    let shape: Result<Vec<usize>, _> = sides
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(str::parse)
        .collect();
    match shape {
        Ok(shape) if (1..=2).contains(&shape.len()) => Ok((dtype, by_columns, shape)),
        _ => Err(format!("its shape ({sides}) is not one of an atlas")),
    }
}

/// From column by column to row by row, in blocks that stay in the cache.
fn transposed(bytes: &[u8], (n_rows, n_cols): (usize, usize), size: usize) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut out = vec![0; bytes.len()];
    for row_start in (0..n_rows).step_by(BLOCK) {
        let row_end = (row_start + BLOCK).min(n_rows);
        for col in 0..n_cols {
            let from = &bytes[(col * n_rows + row_start) * size..(col * n_rows + row_end) * size];
            match size {
                1 => (row_start..row_end)
                    .zip(from)
                    .for_each(|(row, v)| out[row * n_cols + col] = *v),
                _ => {
                    for (row, v) in (row_start..row_end).zip(from.chunks_exact(size)) {
                        let at = (row * n_cols + col) * size;
                        out[at..at + size].copy_from_slice(v);
                    }
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;
    use ndarray::Array2;

    fn table() -> Array2<u16> {
        Array2::from_shape_fn((130, 7), |(r, c)| (r * 7 + c) as u16)
    }

    #[test]
    fn both_orders_read_back_the_same() {
        let by_rows = parse(rows(&table())).unwrap();
        assert_eq!(by_rows, parse(columns(&table())).unwrap());
        assert_eq!(by_rows.shape, [130, 7]);
        assert_eq!(by_rows.elements::<u16>(), (0..910).collect::<Vec<u16>>());
        let small = Array2::from_shape_fn((3, 2), |(r, c)| f16::from_f32(r as f32 - c as f32));
        assert_eq!(
            parse(columns(&small)).unwrap().elements::<f16>(),
            small.iter().copied().collect::<Vec<_>>()
        );
    }

    #[test]
    fn another_reader_agrees() {
        let file = npyz::NpyFile::new(std::io::Cursor::new(columns(&table()))).unwrap();
        assert_eq!(
            (file.shape(), file.order()),
            (&[130, 7][..], npyz::Order::Fortran)
        );
        assert_eq!(
            file.into_vec::<u16>().unwrap(),
            table().t().iter().copied().collect::<Vec<_>>()
        );
        let file =
            npyz::NpyFile::new(std::io::Cursor::new(unsigned(&[1, 70_000], 70_000))).unwrap();
        assert_eq!(file.into_vec::<u32>().unwrap(), [1, 70_000]);
    }

    #[test]
    fn data_starts_at_a_multiple_of_64() {
        for n in [0, 1, 99_999, 1_000_000_000] {
            assert_eq!(header(Dtype::U8, &[n], false).len() % 64, 0);
        }
    }

    #[test]
    fn unsigned_numbers_take_the_narrowest_type() {
        for (largest, dtype) in [(255, Dtype::U8), (256, Dtype::U16), (65_536, Dtype::U32)] {
            let array = parse(unsigned(&[0, largest], largest)).unwrap();
            assert_eq!((array.dtype, array.unsigned()), (dtype, vec![0, largest]));
        }
    }

    #[test]
    fn hostile_headers_are_errors() {
        let with = |dict: &str| {
            let mut bytes = MAGIC.to_vec();
            bytes.extend_from_slice(&(dict.len() as u16).to_le_bytes());
            bytes.extend_from_slice(dict.as_bytes());
            bytes
        };
        let cases = [
            "",
            "{}",
            "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 4), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 0, 0), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (",
        ];
        for dict in cases {
            assert!(parse(with(dict)).is_err(), "{dict}");
        }
        assert!(parse(Vec::new()).is_err());
        assert!(parse(MAGIC.to_vec()).is_err());
        assert!(parse([MAGIC, &[255, 255]].concat()).is_err());
    }
}
