//! Operators that move values: shapes, slices, joints, pads, sizes.

use super::super::array::{Array, MOST_COMPUTED};
use super::super::fold::{
    axes_of, axis_of, flatten_axis, order_of, reshape_dims, shape_of, slices, split_sizes,
    squeezed, tuples,
};
use super::super::import::{Import, Tap, Value, Why, text};
use super::super::proto::Node;
use super::{Inputs, constant_input, need_constant, tap};
use crate::network::Op;
use crate::network::ops::{
    Binary, Coordinates, Expand, Interpolation, Pad, Part, Resize, Rounding, Slice, WithConstant,
};
use std::rc::Rc;

pub(super) fn lower(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
) -> Why<Option<Vec<Value>>> {
    let x = || tap(inputs, 0);
    let y = match node.op {
        "Shape" => {
            let shape = shape_of(node, &x()?.dims);
            return Ok(Some(vec![Value::Const(Rc::new(shape))]));
        }
        "Size" => {
            let n: usize = x()?.dims.iter().product();
            let size = Array::ints(vec![n as i64]).reshaped(Vec::new());
            return Ok(Some(vec![Value::Const(Rc::new(size))]));
        }
        "Split" => return split(import, node, inputs).map(Some),
        "Identity" | "Dropout" => x()?,
        "Reshape" => {
            let (x, target) = (x()?, need_constant(inputs, 1)?.to_ints());
            let target = reshape_dims(&x.dims, &target, node.int("allowzero", 0) == 1)?;
            import.reshape(&x, &target)?
        }
        "Flatten" => {
            let x = x()?;
            let at = flatten_axis(node, x.rank())?;
            let target = [x.dims[..at].iter().product(), x.dims[at..].iter().product()];
            import.reshape(&x, &target)?
        }
        "Squeeze" | "Unsqueeze" => {
            let x = x()?;
            let axes = axes_of(node, constant_input(inputs, 1)?.as_deref());
            let target = squeezed(node.op, &x.dims, axes.as_deref())?;
            import.reshape(&x, &target)?
        }
        "Transpose" => transpose(import, node, &x()?)?,
        "Slice" => {
            let constants = (1..inputs.len())
                .map(|idx| constant_input(inputs, idx))
                .collect::<Why<Vec<_>>>()?;
            let mut all = vec![None];
            all.extend(constants.iter().map(|found| found.as_deref()));
            let mut y = x()?;
            for (axis, part) in slices(node, &all, y.rank(), import.opset)? {
                y = cut(import, &y, axis, part)?;
            }
            y
        }
        "Gather" => gather(import, node, &x()?, &*need_constant(inputs, 1)?)?,
        "GatherND" => gather_nd(import, node, &x()?, &*need_constant(inputs, 1)?)?,
        "Concat" => concat(import, node, inputs)?,
        "Pad" => pad(import, node, inputs)?,
        "Expand" => expand(import, &x()?, &need_constant(inputs, 1)?.to_ints())?,
        "Tile" => tile(import, &x()?, &need_constant(inputs, 1)?.to_ints())?,
        "Resize" | "Upsample" => resize(import, node, inputs)?,
        "DepthToSpace" | "SpaceToDepth" => depth_and_space(import, node, &x()?)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![Value::Node(y)]))
}

fn transpose(import: &mut Import<'_>, node: &Node<'_>, x: &Tap) -> Why<Tap> {
    let order = order_of(node, x.rank())?;
    let mut x = x.clone();
    if x.led && order[0] != 0 {
        x = import.unled(&x)?;
    }
    let ours: Vec<usize> = if x.led {
        order
    } else {
        let moved = order.iter().map(|&axis| axis + 1);
        std::iter::once(0).chain(moved).collect()
    };
    if ours.is_sorted() {
        return Ok(x);
    }
    let y = import.led(Op::Transpose(ours), &x)?;
    import.settle(y)
}

/// Part of an axis of the file's value.
fn cut(import: &mut Import<'_>, x: &Tap, axis: usize, part: Part) -> Why<Tap> {
    let size = x.dims[axis];
    let whole = Slice {
        axis: axis + 1,
        part,
    };
    let elements = whole
        .elements(size)
        .ok_or_else(|| format!("{:?} of {size} elements", whole.part))?;
    if elements.iter().copied().eq(0..size) {
        return Ok(x.clone());
    }
    if x.led && axis == 0 {
        return Err("it cuts the batch".into());
    }
    // An end at the axis's end stays there at other image sizes.
    let part = match whole.part {
        Part::Range { start, end, step } if step > 0 && end >= size as i64 => Part::Range {
            start,
            end: i64::MAX,
            step,
        },
        other => other,
    };
    let axis = Import::axis(x, axis as i64)?;
    import.led(Op::Slice(Slice { axis, part }), x)
}

fn gather(import: &mut Import<'_>, node: &Node<'_>, x: &Tap, indices: &Array) -> Why<Tap> {
    let axis = axis_of(node.int("axis", 0), x.rank())?;
    let size = x.dims[axis];
    let mut elements = Vec::new();
    for index in indices.to_ints() {
        elements.push(axis_of(index, size).map_err(|_| format!("element {index} of {size}"))?);
    }
    let mut dims = x.dims[..axis].to_vec();
    dims.extend(&indices.dims);
    dims.extend(&x.dims[axis + 1..]);
    let taken = match elements.as_slice() {
        [first, ..] if elements.windows(2).all(|pair| pair[1] == pair[0] + 1) => {
            let start = *first as i64;
            let end = start + elements.len() as i64;
            let part = Part::Range {
                start,
                end,
                step: 1,
            };
            cut(import, x, axis, part)?
        }
        _ => cut(import, x, axis, Part::Elements(elements))?,
    };
    import.reshape(&taken, &dims)
}

/// Slices at index tuples: elements of the tuples' axes taken as one.
fn gather_nd(import: &mut Import<'_>, node: &Node<'_>, x: &Tap, indices: &Array) -> Why<Tap> {
    if node.int("batch_dims", 0) != 0 {
        return Err("batch_dims are not supported".into());
    }
    let x = import.unled(x)?;
    let (places, n) = tuples(&x.dims, indices)?;
    let dims = [&indices.dims[..indices.dims.len() - 1], &x.dims[n..]].concat();
    let all: usize = x.dims[..n].iter().product();
    let flat = import.reshape(&x, &[&[all], &x.dims[n..]].concat())?;
    let taken = cut(import, &flat, 0, Part::Elements(places))?;
    import.reshape(&taken, &dims)
}

fn split(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Vec<Value>> {
    let x = tap(inputs, 0)?;
    let axis = axis_of(node.int("axis", 0), x.rank())?;
    let sizes = constant_input(inputs, 1)?;
    let mut start = 0i64;
    let mut parts = Vec::new();
    for size in split_sizes(node, sizes.as_deref(), x.dims[axis])? {
        let end = start + size as i64;
        // A part that nobody reads need not be cut out.
        let wanted = node.outputs.get(parts.len());
        let is_read = wanted.is_some_and(|name| import.uses.contains_key(name));
        parts.push(if is_read {
            let part = Part::Range {
                start,
                end,
                step: 1,
            };
            Value::Node(cut(import, &x, axis, part)?)
        } else {
            Value::Const(Rc::new(Array::ints(Vec::new())))
        });
        start = end;
    }
    Ok(parts)
}

fn concat(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let first = inputs.iter().flatten().find_map(|value| match value {
        Value::Node(tap) => Some(tap.clone()),
        Value::Const(_) => None,
    });
    let first = first.ok_or("it joins constants")?;
    let axis = axis_of(node.int("axis", 0), first.rank())?;
    // What stands before, between and behind the nodes.
    let (mut nodes, mut constants) = (Vec::new(), Vec::new());
    let mut at = 0;
    for value in inputs.iter().flatten() {
        let dims = match value {
            Value::Node(tap) => {
                nodes.push((at, tap.clone()));
                &tap.dims
            }
            Value::Const(array) => {
                constants.push((at, array.clone()));
                &array.dims
            }
        };
        at += dims
            .get(axis)
            .copied()
            .ok_or("its parts have different ranks")?;
    }
    let all_led = nodes.iter().all(|(_, tap)| tap.led);
    let mut parts = Vec::new();
    for (_, tap) in &nodes {
        parts.push(if all_led {
            tap.clone()
        } else {
            import.unled(tap)?
        });
    }
    let ours = Import::axis(&parts[0], axis as i64)?;
    let y = joined(import, &parts, ours)?;
    if constants.is_empty() {
        return import.settle(y);
    }
    let behind = nodes[0].0 + y.dims[axis];
    let one_run = constants
        .iter()
        .all(|&(from, _)| from < nodes[0].0 || from >= behind);
    if !one_run {
        return Err("constants between the values it joins".into());
    }
    // Zeros where the constants go, then the constants added.
    let mut ends = vec![(0, 0); y.inner().len() + 1];
    ends[ours] = (nodes[0].0 as isize, (at - behind) as isize);
    let padded = import.led(Op::Pad(Pad { ends, value: 0.0 }), &y)?;
    let mut dims = padded.inner().to_vec();
    let inner: usize = dims[ours..].iter().product();
    let outer: usize = dims[..ours - 1].iter().product();
    let n = outer.checked_mul(at).and_then(|n| n.checked_mul(inner));
    let n = n
        .filter(|&n| n <= MOST_COMPUTED)
        .ok_or("it joins absurd shapes")?;
    let mut values = vec![0f32; n];
    for (from, array) in constants {
        let floats = array.to_floats();
        let n = floats.len() / outer.max(1);
        for (idx, row) in floats.chunks_exact(n.max(1)).enumerate() {
            let start = (idx * at + from) * inner;
            let to = values.get_mut(start..start + n);
            to.ok_or("a constant of another shape")?
                .copy_from_slice(row);
        }
    }
    dims.insert(0, 1);
    let op = WithConstant {
        binary: Binary::Add,
        constant: import.tensor(values, &dims)?,
        constant_first: false,
    };
    let y = import.led(Op::WithConstant(op), &padded)?;
    import.settle(y)
}

/// Joined along an axis of ours.
fn joined(import: &mut Import<'_>, parts: &[Tap], axis: usize) -> Why<Tap> {
    let [first, rest @ ..] = parts else {
        return Err("it joins nothing".into());
    };
    if rest.is_empty() {
        return Ok(first.clone());
    }
    // Our own concatenation is along the first axis: others are brought there and back.
    // The others keep their order, so that rows and columns stay known as such.
    let rank = first.inner().len() + 1;
    let others = (1..rank).filter(|&at| at != axis);
    let order: Vec<usize> = [0, axis].into_iter().chain(others).collect();
    let mut back = vec![0; rank];
    for (to, &from) in order.iter().enumerate() {
        back[from] = to;
    }
    let mut moved = Vec::new();
    for part in parts {
        moved.push(if axis == 1 {
            part.clone()
        } else {
            import.led(Op::Transpose(order.clone()), part)?
        });
    }
    let id = import.emit(Op::Concat, &moved.iter().collect::<Vec<_>>())?;
    let y = import.tap(id, first.led);
    if axis == 1 {
        Ok(y)
    } else {
        import.led(Op::Transpose(back), &y)
    }
}

fn pad(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let mut x = tap(inputs, 0)?;
    let given = match constant_input(inputs, 1)? {
        Some(array) => array.to_ints(),
        None => node.ints("pads").ok_or("it has no pads")?.to_vec(),
    };
    let axes: Vec<i64> = match constant_input(inputs, 3)? {
        Some(axes) => axes.to_ints(),
        None => (0..x.rank() as i64).collect(),
    };
    let absurd = given.iter().any(|pad| pad.abs() > 1 << 20);
    if given.len() != 2 * axes.len() || absurd {
        return Err(format!("pads {given:?} for {} axes", axes.len()));
    }
    let value = match constant_input(inputs, 2)? {
        Some(array) => array.scalar().ok_or("its value is not one number")?,
        None => node.float("value", 0.0),
    };
    let mode = node.text("mode").unwrap_or("constant");
    let mut ends = vec![(0isize, 0isize); x.inner().len() + 1];
    for (idx, &axis) in axes.iter().enumerate() {
        let (before, after) = (given[idx], given[idx + axes.len()]);
        if (before, after) == (0, 0) {
            continue;
        }
        let ours = Import::axis(&x, axis)?;
        if mode == "constant" {
            ends[ours] = (before as isize, after as isize);
            continue;
        }
        let (Ok(before), Ok(after)) = (usize::try_from(before), usize::try_from(after)) else {
            return Err(format!("mode {mode} with negative pads"));
        };
        let part = match mode {
            "reflect" => Part::Mirrored { before, after },
            "edge" => Part::Stretched { before, after },
            _ => return Err(format!("mode {mode} is not supported")),
        };
        x = import.led(Op::Slice(Slice { axis: ours, part }), &x)?;
    }
    if ends.iter().all(|&end| end == (0, 0)) {
        return Ok(x);
    }
    import.led(Op::Pad(Pad { ends, value }), &x)
}

fn expand(import: &mut Import<'_>, x: &Tap, target: &[i64]) -> Why<Tap> {
    let sizes = target
        .iter()
        .map(|&size| usize::try_from(size).map_err(text));
    let sizes = sizes.collect::<Why<Vec<usize>>>()?;
    let mut x = x.clone();
    let batched = sizes.len() == x.rank() && x.led && sizes[0] > 1 && x.dims[0] == 1;
    if batched || sizes.len() > x.rank() {
        x = import.unled(&x)?;
        x = super::conv::stretched(import, &x, sizes.len())?;
    }
    let rank = x.inner().len();
    let kept = &sizes[sizes.len().saturating_sub(rank)..];
    let mut dims = vec![1; rank - kept.len()];
    dims.extend(kept);
    let grows = dims.iter().zip(x.inner()).any(|(&to, &from)| to > from);
    if !grows {
        return import.settle(x);
    }
    let y = import.led(Op::Expand(Expand { dims }), &x)?;
    import.settle(y)
}

fn tile(import: &mut Import<'_>, x: &Tap, repeats: &[i64]) -> Why<Tap> {
    if repeats.len() != x.rank() {
        return Err(format!("{repeats:?} repeats of {:?}", x.dims));
    }
    let mut x = x.clone();
    for (axis, &n) in repeats.iter().enumerate() {
        if n == 1 {
            continue;
        }
        let size = x.dims[axis];
        let n = usize::try_from(n).map_err(text)?;
        if n.checked_mul(size).is_none_or(|all| all > 1 << 24) {
            return Err(format!("{n} repeats of {size} elements"));
        }
        let elements = (0..n).flat_map(|_| 0..size).collect();
        x = cut(import, &x, axis, Part::Elements(elements))?;
    }
    Ok(x)
}

fn resize(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let x = tap(inputs, 0)?;
    if !x.led || x.rank() != 4 {
        return Err(format!("of {:?}, only maps are resized", x.dims));
    }
    // Upsample and the first Resize have the scales second, later ones behind a region of interest.
    let early = node.op == "Upsample" || import.opset < 11;
    let filled = |idx: usize| -> Why<Option<Rc<Array>>> {
        Ok(constant_input(inputs, idx)?.filter(|array| array.len() > 0))
    };
    let scales = match filled(if early { 1 } else { 2 })? {
        Some(array) => Some(array.to_floats()),
        None => node.attribute("scales").map(|found| found.floats.clone()),
    };
    let sizes = if early { None } else { filled(3)? };
    let axes = node
        .ints("axes")
        .map_or_else(|| (0..4).collect(), <[i64]>::to_vec);
    let mut scale = [1f64; 4];
    for (idx, &axis) in axes.iter().enumerate() {
        let axis = axis_of(axis, 4)?;
        scale[axis] = match (&scales, &sizes) {
            (Some(scales), _) => f64::from(*scales.get(idx).ok_or("too few scales")?),
            (_, Some(sizes)) => {
                let size = *sizes.to_ints().get(idx).ok_or("too few sizes")?;
                size as f64 / x.dims[axis] as f64
            }
            _ => return Err("it has neither scales nor sizes".into()),
        };
    }
    if scale[..2].iter().any(|&scale| (scale - 1.0).abs() > 1e-6) {
        return Err("it resizes the batch or the channels".into());
    }
    if scale.iter().any(|scale| !(1e-3..=1e3).contains(scale)) {
        return Err(format!("scales {scale:?}"));
    }
    let stretch = node.text("keep_aspect_ratio_policy").unwrap_or("stretch");
    if node.int("antialias", 0) != 0 || stretch != "stretch" {
        return Err("antialias and keep_aspect_ratio_policy are not supported".into());
    }
    let op = Resize {
        scale: [scale[2], scale[3]],
        coordinates: coordinates(node, early)?,
        interpolation: interpolation(node, early)?,
    };
    import.led(Op::Resize(op), &x)
}

fn coordinates(node: &Node<'_>, early: bool) -> Why<Coordinates> {
    if early {
        return Ok(Coordinates::Asymmetric);
    }
    Ok(
        match node
            .text("coordinate_transformation_mode")
            .unwrap_or("half_pixel")
        {
            "asymmetric" => Coordinates::Asymmetric,
            "half_pixel" => Coordinates::HalfPixel,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "align_corners" => Coordinates::AlignCorners,
            other => return Err(format!("coordinate_transformation_mode {other}")),
        },
    )
}

fn interpolation(node: &Node<'_>, early: bool) -> Why<Interpolation> {
    let rounding = match node.text("nearest_mode").unwrap_or("round_prefer_floor") {
        _ if early => Rounding::Floor,
        "floor" => Rounding::Floor,
        "ceil" => Rounding::Ceil,
        "round_prefer_floor" => Rounding::HalfDown,
        "round_prefer_ceil" => Rounding::HalfUp,
        other => return Err(format!("nearest_mode {other}")),
    };
    match node.text("mode").unwrap_or("nearest") {
        "nearest" => Ok(Interpolation::Nearest(rounding)),
        "linear" | "bilinear" => Ok(Interpolation::Linear),
        other => Err(format!(
            "mode {other} is not supported, nearest and linear are"
        )),
    }
}

/// Blocks of neighbouring positions into channels, or back.
fn depth_and_space(import: &mut Import<'_>, node: &Node<'_>, x: &Tap) -> Why<Tap> {
    let block = usize::try_from(node.int("blocksize", 0)).map_err(text)?;
    let &[n, channels, rows, cols] = x.dims.as_slice() else {
        return Err(format!("of {:?}", x.dims));
    };
    let area = block
        .checked_mul(block)
        .filter(|&area| area > 0)
        .ok_or("blocks of 0")?;
    if node.op == "SpaceToDepth" {
        if rows % block != 0 || cols % block != 0 {
            return Err(format!("blocks of {block} in a map of {rows}×{cols}"));
        }
        let cut = [n, channels, rows / block, block, cols / block, block];
        let y = import.reshape(x, &cut)?;
        let y = import.led(Op::Transpose(vec![0, 3, 5, 1, 2, 4]), &y)?;
        return import.reshape(&y, &[n, channels * area, rows / block, cols / block]);
    }
    if channels % area != 0 {
        return Err(format!("{channels} channels for blocks of {block}"));
    }
    let depth = channels / area;
    let (cut, order) = if node.text("mode") == Some("CRD") {
        ([n, depth, block, block, rows, cols], vec![0, 1, 4, 2, 5, 3])
    } else {
        ([n, block, block, depth, rows, cols], vec![0, 3, 4, 1, 5, 2])
    };
    let y = import.reshape(x, &cut)?;
    let y = import.led(Op::Transpose(order), &y)?;
    import.reshape(&y, &[n, depth, rows * block, cols * block])
}
