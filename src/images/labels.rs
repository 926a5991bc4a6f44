//! A table of labels for folders whose names are none: CSV with a path and a label per row.

use std::collections::HashMap;
use std::path::Path;

/// Why a table of labels cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("labels in {path}: {what}")]
pub struct LabelError {
    /// The file.
    pub path: String,
    /// What is wrong, with the line.
    pub what: String,
    /// The way out.
    pub hint: &'static str,
}

/// What a table looks like.
const FORM: &str = "a table of labels is CSV with a path and a label per row, such as `cats/tom.jpg,cat`; a first row \
                    may name the columns `path` and `label`";

/// Labels by relative path or by file name.
#[derive(Debug, Clone, Default)]
pub struct LabelTable {
    by_path: HashMap<String, String>,
}

impl LabelTable {
    /// Reads CSV text. The first row may be a header; with columns named `path` (or `file`, `image`, `filename`) and
    /// `label` (or `class`) these are used, else the first two columns.
    ///
    /// # Errors
    /// Not CSV, rows with fewer than two columns, no row at all.
    pub fn read(path: &Path) -> Result<Self, LabelError> {
        let fail = |what: String| LabelError {
            path: path.display().to_string(),
            what,
            hint: FORM,
        };
        let unread = |error: &csv::Error| LabelError {
            hint: match error.kind() {
                csv::ErrorKind::Io(_) => {
                    "check the path; --labels takes a CSV file, without it sub-folders are labels"
                }
                _ => FORM,
            },
            ..fail(error.to_string())
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(|e| unread(&e))?;
        let (mut path_column, mut label_column) = (0, 1);
        let mut by_path = HashMap::new();
        for (idx, row) in reader.records().enumerate() {
            let row = row.map_err(|e| unread(&e))?;
            let named = |names: &[&str]| {
                row.iter()
                    .position(|c| names.contains(&c.to_ascii_lowercase().as_str()))
            };
            if idx == 0
                && let (Some(p), Some(l)) = (
                    named(&["path", "file", "image", "filename"]),
                    named(&["label", "class"]),
                )
            {
                (path_column, label_column) = (p, l);
                continue;
            }
            let (Some(key), Some(label)) = (row.get(path_column), row.get(label_column)) else {
                return Err(fail(format!(
                    "row {} has {} columns, a path and a label are needed",
                    idx + 1,
                    row.len()
                )));
            };
            by_path.insert(key.replace('\\', "/"), label.to_owned());
        }
        if by_path.is_empty() {
            return Err(fail("no rows".to_owned()));
        }
        Ok(Self { by_path })
    }

    /// The label of an image by its relative path, else by its file name.
    pub fn get(&self, path: &str) -> Option<&str> {
        let file_name = path.rsplit('/').next().unwrap_or(path);
        self.by_path
            .get(path)
            .or_else(|| self.by_path.get(file_name))
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_choose_the_columns() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "id,class,file\n1,cat,a/x.jpg\n2,dog,y.jpg\n").unwrap();
        let table = LabelTable::read(file.path()).unwrap();
        assert_eq!(table.get("a/x.jpg"), Some("cat"));
        assert_eq!(table.get("b/y.jpg"), Some("dog"));
        assert_eq!(table.get("z.jpg"), None);
    }

    #[test]
    fn a_row_without_a_label_names_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a.jpg,cat\nb.jpg\n").unwrap();
        let error = LabelTable::read(file.path()).unwrap_err();
        assert!(error.to_string().contains("row 2"), "{error}");
        assert!(error.hint.contains("a path and a label per row"));
    }

    #[test]
    fn a_missing_table_names_another_way() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("none.csv"), folder.path().to_owned()] {
            let error = LabelTable::read(&path).unwrap_err();
            assert!(error.hint.contains("sub-folders are labels"), "{error}");
        }
    }
}
