//! PyTorch's own weights files (`.pth`): both the ZIP that `torch.save` writes since version 1.6 and the stream of
//! pickles before it, which most of torchvision's classic weights still are.
//!
//! Only tensors are read. Nothing in the file is executed: candle's reader of pickles knows a few harmless opcodes and
//! builds a tree of plain values, in which we look for the calls that rebuild a tensor.

use super::{NetworkError, Result};
use candle_core::pickle::{Object, Stack};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::io::{Cursor, Read as _};

/// How a stream of pickles begins: a pickle of PyTorch's magic number and one of the version 1001.
const LEGACY: &[u8] =
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02M\xe9\x03.";

/// True when `bytes` begin as a `.pth` file does.
pub(super) fn recognises(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(LEGACY)
}

fn bad(what: impl std::fmt::Display) -> NetworkError {
    NetworkError::BadWeights(format!("PyTorch file: {what}"))
}

/// All tensors of a state dictionary by name.
///
/// # Errors
/// Not such a file, a damaged one, or one that holds something else than a dictionary of tensors.
pub(super) fn read(bytes: &[u8]) -> Result<HashMap<String, Tensor>> {
    if bytes.starts_with(LEGACY) {
        read_stream(bytes)
    } else {
        read_zip(bytes)
    }
}

/// One pickle from `reader`.
fn pickle(reader: &mut Cursor<&[u8]>) -> Result<Object> {
    let mut stack = Stack::empty();
    stack.read_loop(reader).map_err(bad)?;
    stack.finalize().map_err(bad)
}

/// A tensor as a view of a storage.
struct View {
    name: String,
    /// Key of the storage.
    storage: String,
    dtype: DType,
    /// Elements before the first.
    offset: usize,
    shape: Vec<usize>,
}

fn read_zip(bytes: &[u8]) -> Result<HashMap<String, Tensor>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(bad)?;
    let mut names = Vec::new();
    for idx in 0..zip.len() {
        names.push(
            zip.by_index(idx)
                .map_err(bad)?
                .name()
                .map_err(bad)?
                .into_owned(),
        );
    }
    let index = names
        .iter()
        .find(|name| name.ends_with("/data.pkl"))
        .ok_or_else(|| bad("no data.pkl in it"))?;
    let folder = index.trim_end_matches("data.pkl");
    let mut entry = |name: &str| -> Result<Vec<u8>> {
        let entry = zip.by_name(name).map_err(bad)?;
        // Nobody compresses these files; a small file must not unpack to a large one.
        if entry.size() > bytes.len() as u64 {
            return Err(bad(format!("{name} claims {} bytes", entry.size())));
        }
        let mut data = Vec::with_capacity(entry.size() as usize);
        entry
            .take(bytes.len() as u64)
            .read_to_end(&mut data)
            .map_err(bad)?;
        Ok(data)
    };
    let views = views(pickle(&mut Cursor::new(&entry(index)?))?)?;
    let mut storages: HashMap<String, Vec<u8>> = HashMap::new();
    let mut tensors = HashMap::new();
    for view in views {
        if !storages.contains_key(&view.storage) {
            let data = entry(&format!("{folder}data/{}", view.storage))?;
            storages.insert(view.storage.clone(), data);
        }
        let tensor = view.tensor(&storages[&view.storage])?;
        tensors.insert(view.name, tensor);
    }
    Ok(tensors)
}

fn read_stream(bytes: &[u8]) -> Result<HashMap<String, Tensor>> {
    let mut reader = Cursor::new(bytes);
    reader.set_position(LEGACY.len() as u64);
    // What machine wrote it: of no interest, all that PyTorch supports are little-endian.
    pickle(&mut reader)?;
    let views = views(pickle(&mut reader)?)?;
    let Object::List(keys) = pickle(&mut reader)? else {
        return Err(bad("no list of storages"));
    };
    // Then, for every key: the number of elements in eight bytes, and the elements.
    let widths: HashMap<&str, usize> = views
        .iter()
        .map(|view| (view.storage.as_str(), view.dtype.size_in_bytes()))
        .collect();
    let mut rest = &bytes[reader.position() as usize..];
    let mut storages: HashMap<String, &[u8]> = HashMap::new();
    for key in keys {
        let key = key.unicode().map_err(|_| bad("a storage without a name"))?;
        let width = widths
            .get(key.as_str())
            .ok_or_else(|| bad(format!("storage {key} belongs to no tensor")))?;
        let (n, data) = rest
            .split_first_chunk::<8>()
            .ok_or_else(|| bad("it ends early"))?;
        let length = usize::try_from(u64::from_le_bytes(*n))
            .ok()
            .and_then(|n| n.checked_mul(*width))
            .filter(|length| *length <= data.len())
            .ok_or_else(|| bad("it ends early"))?;
        let (data, after) = data.split_at(length);
        storages.insert(key, data);
        rest = after;
    }
    let mut tensors = HashMap::new();
    for view in views {
        let storage = storages
            .get(&view.storage)
            .ok_or_else(|| bad(format!("{} has no storage", view.name)))?;
        let tensor = view.tensor(storage)?;
        tensors.insert(view.name, tensor);
    }
    Ok(tensors)
}

/// The tensors of a state dictionary, or of the one inside `{"state_dict": …}`.
fn views(object: Object) -> Result<Vec<View>> {
    let object = match object {
        // Attributes set on the dictionary (its versions) do not matter.
        Object::Build { callable, .. } => *callable,
        other => other,
    };
    let Object::Dict(entries) = object else {
        return Err(bad("not a dictionary of tensors"));
    };
    let inner = |key: &Object| matches!(key, Object::Unicode(name) if name == "state_dict" || name == "model");
    if let Some(at) = entries.iter().position(|(key, _)| inner(key)) {
        return views(entries[at].1.clone());
    }
    let mut found = Vec::new();
    for (key, value) in entries {
        if let (Object::Unicode(name), Some(args)) = (key, rebuild(value)) {
            found.push(view(name, &args)?);
        }
    }
    if found.is_empty() {
        return Err(bad("no tensor in it"));
    }
    Ok(found)
}

/// The arguments of the call that makes a tensor; parameters are wrapped once more.
fn rebuild(object: Object) -> Option<Vec<Object>> {
    let (callable, args) = object.reduce().ok()?;
    let (_, function) = callable.class().ok()?;
    let mut args = args.tuple().ok()?;
    match function.as_str() {
        "_rebuild_tensor_v2" | "_rebuild_tensor" => Some(args),
        "_rebuild_parameter" if !args.is_empty() => rebuild(args.swap_remove(0)),
        _ => None,
    }
}

/// From storage, offset, shape, stride, …; the storage is `("storage", type, key, device, size, …)`.
fn view(name: String, args: &[Object]) -> Result<View> {
    let wrong = || bad(format!("{name} is not described as a tensor"));
    let [
        Object::PersistentLoad(storage),
        offset,
        Object::Tuple(shape),
        Object::Tuple(stride),
        ..,
    ] = args
    else {
        return Err(wrong());
    };
    let Object::Tuple(storage) = storage.as_ref() else {
        return Err(wrong());
    };
    let [
        _,
        Object::Class {
            class_name: kind, ..
        },
        Object::Unicode(key),
        ..,
    ] = storage.as_slice()
    else {
        return Err(wrong());
    };
    let dtype = match kind.as_str() {
        "FloatStorage" => DType::F32,
        "DoubleStorage" => DType::F64,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        "ByteStorage" => DType::U8,
        "LongStorage" => DType::I64,
        other => return Err(bad(format!("{name} holds {other}"))),
    };
    let number = |object: &Object| match object {
        Object::Int(n) => usize::try_from(*n).map_err(|_| wrong()),
        Object::Long(n) => usize::try_from(*n).map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    let shape = shape.iter().map(number).collect::<Result<Vec<_>>>()?;
    let stride = stride.iter().map(number).collect::<Result<Vec<_>>>()?;
    let mut expected = 1usize;
    for (&size, &step) in shape.iter().zip(&stride).rev() {
        if size != 1 && step != expected {
            return Err(bad(format!("{name} does not lie in one piece")));
        }
        expected = expected.checked_mul(size).ok_or_else(wrong)?;
    }
    Ok(View {
        storage: key.clone(),
        dtype,
        offset: number(offset)?,
        shape,
        name,
    })
}

impl View {
    fn tensor(&self, storage: &[u8]) -> Result<Tensor> {
        let width = self.dtype.size_in_bytes();
        let length = self
            .shape
            .iter()
            .try_fold(width, |n, &size| n.checked_mul(size));
        let start = self.offset.checked_mul(width);
        let data = start
            .zip(length)
            .and_then(|(start, length)| storage.get(start..start.checked_add(length)?))
            .ok_or_else(|| bad(format!("{} reaches past the end", self.name)))?;
        Tensor::from_raw_buffer(data, self.dtype, &self.shape, &Device::Cpu).map_err(bad)
    }
}
