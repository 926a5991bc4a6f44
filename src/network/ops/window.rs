//! Where the windows of a convolution or pool lie.

/// Sliding windows over a map: sizes and steps per axis, rows first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows, columns.
    pub kernel: [usize; 2],
    /// Rows, columns.
    pub stride: [usize; 2],
    /// Added at top, left, bottom, right.
    pub pads: [usize; 4],
    /// Round the number of windows up; the last one must still start inside the map or its leading padding.
    pub ceil: bool,
}

impl Window {
    /// Number of windows along both axes over a map of `size` rows and columns, `None` when none fits or when
    /// a window could lie in the padding alone.
    pub fn output(&self, size: (usize, usize)) -> Option<(usize, usize)> {
        Some((self.along(0, size.0)?, self.along(1, size.1)?))
    }

    fn along(&self, axis: usize, size: usize) -> Option<usize> {
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        let (before, after) = (self.pads[axis], self.pads[axis + 2]);
        if kernel == 0 || stride == 0 || size == 0 || before >= kernel || after >= kernel {
            return None;
        }
        let room = (size + before + after).checked_sub(kernel)?;
        if !self.ceil {
            return Some(room / stride + 1);
        }
        let n = room.div_ceil(stride) + 1;
        let starts_behind = (n - 1) * stride >= size + before;
        Some(n - usize::from(starts_behind))
    }

    /// The part of window `idx` along `axis` that lies on a map of `size`: first element and one past the last.
    pub fn span(&self, axis: usize, idx: usize, size: usize) -> (usize, usize) {
        let start = idx * self.stride[axis];
        let end = (start + self.kernel[axis]).saturating_sub(self.pads[axis]);
        (start.saturating_sub(self.pads[axis]), end.min(size))
    }

    /// 1 / (number of elements that a window's mean counts), one per window, row-major. Elements on the map
    /// always count, elements of the padding only with `include_pad`, what lies behind the padding never.
    pub fn inverse_counts(&self, size: (usize, usize), include_pad: bool) -> Option<Vec<f32>> {
        let (rows, cols) = self.output(size)?;
        let count = |axis: usize, idx: usize, size: usize| {
            if include_pad {
                let room = self.pads[axis] + size + self.pads[axis + 2];
                self.kernel[axis].min(room - idx * self.stride[axis])
            } else {
                let (start, end) = self.span(axis, idx, size);
                end - start
            }
        };
        let mut inverse = Vec::with_capacity(rows * cols);
        for row in 0..rows {
            let n_rows = count(0, row, size.0);
            inverse.extend((0..cols).map(|col| 1.0 / (n_rows * count(1, col, size.1)) as f32));
        }
        Some(inverse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(kernel: usize, stride: usize, pad: usize, ceil: bool) -> Window {
        Window {
            kernel: [kernel; 2],
            stride: [stride; 2],
            pads: [pad; 4],
            ceil,
        }
    }

    #[test]
    fn sizes_follow_floor_and_ceil() {
        // (112 - 3) / 2 = 54.5: 55 windows when rounded down, 56 when rounded up.
        assert_eq!(square(3, 2, 0, false).output((112, 112)), Some((55, 55)));
        assert_eq!(square(3, 2, 0, true).output((112, 112)), Some((56, 56)));
        // 7×7 stride 2 with 3 zeros around 224: (224 + 6 - 7) / 2 + 1 = 112.
        assert_eq!(square(7, 2, 3, false).output((224, 224)), Some((112, 112)));
        // Rounded up there would be a third window, but it would start at 4, behind the map.
        assert_eq!(square(1, 2, 0, true).output((4, 4)), Some((2, 2)));
        assert_eq!(square(3, 1, 0, false).output((2, 2)), None);
        assert_eq!(square(2, 1, 2, false).output((9, 9)), None);
    }

    #[test]
    fn spans_leave_padding_out() {
        let window = square(3, 1, 1, false);
        assert_eq!(window.span(0, 0, 5), (0, 2));
        assert_eq!(window.span(0, 2, 5), (1, 4));
        assert_eq!(window.span(0, 4, 5), (3, 5));
        let counts = window.inverse_counts((3, 3), false).unwrap();
        // A corner's window has four elements on the map, an edge's six, the middle's nine.
        let counts: Vec<f32> = counts.iter().map(|inverse| 1.0 / inverse).collect();
        for (found, expected) in counts.iter().zip([4.0, 6.0, 4.0, 6.0, 9.0]) {
            assert!((found - expected).abs() < 1e-5, "{counts:?}");
        }
    }
}
