//! Paths as people type and paste them: `~` for the home folder, what a file manager or a shell put around spaces, and
//! the end that a key completes.

use crate::images::folder::is_image_name;
use std::path::{Path, PathBuf};

/// Names that are told when a path may go on in several ways.
const TOLD: usize = 8;

/// A path whose end is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The line.
    pub typed: String,
    /// The path that it means so far; ends with `/` when what lies in a folder is meant.
    pub path: PathBuf,
    /// Only folders are wanted, else images and the folders that lead to them.
    pub folders: bool,
}

/// How a path goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The line, as far as there is only one way.
    pub text: String,
    /// What may come next.
    pub hint: String,
}

impl Completion {
    /// Looks into the folder.
    pub fn look(&self) -> Completed {
        let path = self.path.to_string_lossy();
        let (folder, begun) = path
            .rsplit_once('/')
            .map_or(("", &*path), |(folder, name)| {
                (&path[..=folder.len()], name)
            });
        let within = if folder.is_empty() { "." } else { folder };
        let unchanged = |hint: String| Completed {
            text: self.typed.clone(),
            hint,
        };
        let entries = match std::fs::read_dir(within) {
            Ok(entries) => entries.flatten(),
            Err(error) => return unchanged(format!("{within}: {error}")),
        };
        let fitting = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // Hidden names only when they are asked for; no escape sequences on the screen.
            let hidden = name.starts_with('.') && !begun.starts_with('.');
            if !name.starts_with(begun) || hidden || name.chars().any(char::is_control) {
                return None;
            }
            if entry.path().is_dir() {
                return Some(format!("{name}/"));
            }
            (!self.folders && is_image_name(&name)).then_some(name)
        });
        let mut names: Vec<String> = fitting.collect();
        names.sort_unstable();
        match &names[..] {
            [] => unchanged("nothing there begins so".to_owned()),
            [only] => Completed {
                text: format!("{folder}{only}"),
                hint: String::new(),
            },
            several => {
                let mut hint = several[..several.len().min(TOLD)].join("  ");
                if several.len() > TOLD {
                    hint = format!("{}: {hint} …", several.len());
                }
                Completed {
                    text: format!("{folder}{}", common(several)),
                    hint,
                }
            }
        }
    }
}

/// What all names begin with.
fn common(names: &[String]) -> &str {
    let first = names.first().map_or("", String::as_str);
    let ends = first.char_indices().map(|(at, c)| at + c.len_utf8());
    let agreed = |&end: &usize| names.iter().all(|name| name.starts_with(&first[..end]));
    &first[..ends.take_while(agreed).last().unwrap_or(0)]
}

/// The path that a line means. `home` stands for a leading `~`.
pub fn path_of(line: &str, home: Option<&Path>) -> PathBuf {
    let line = line.trim();
    let quoted = |mark: char| {
        let inner = line.strip_prefix(mark)?.strip_suffix(mark)?;
        (!inner.is_empty()).then_some(inner)
    };
    if let Some(inner) = quoted('\'').or_else(|| quoted('"')) {
        return PathBuf::from(inner);
    }
    let line = line.strip_prefix("file://").unwrap_or(line);
    let line = line.replace("\\ ", " ");
    match (line.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_paste_is_understood() {
        let home = Some(Path::new("/home/ada"));
        for (line, path) in [
            (" cat.jpg ", "cat.jpg"),
            ("~", "/home/ada"),
            ("~/pictures/cat.jpg", "/home/ada/pictures/cat.jpg"),
            ("~ada/cat.jpg", "~ada/cat.jpg"),
            ("'/tmp/a cat.jpg'", "/tmp/a cat.jpg"),
            ("\"/tmp/a cat.jpg\"", "/tmp/a cat.jpg"),
            ("/tmp/a\\ cat.jpg", "/tmp/a cat.jpg"),
            ("file:///tmp/cat.jpg", "/tmp/cat.jpg"),
            ("''", "''"),
            ("'", "'"),
        ] {
            assert_eq!(path_of(line, home), Path::new(path), "{line}");
        }
        assert_eq!(path_of("~/x", None), Path::new("~/x"));
    }

    #[test]
    fn a_path_goes_on_as_far_as_there_is_one_way() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        std::fs::create_dir_all(folder.path().join("cats/.hidden")).unwrap();
        for name in [
            "cats/tom-1.jpg",
            "cats/tom-2.PNG",
            "cats/notes.txt",
            "carp.webp",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let look = |typed: &str, folders: bool| {
            let typed = format!("{root}/{typed}");
            let path = PathBuf::from(&typed);
            let found = Completion {
                typed,
                path,
                folders,
            }
            .look();
            (found.text.replace(&format!("{root}/"), ""), found.hint)
        };
        let of = |text: &str, hint: &str| (text.to_owned(), hint.to_owned());
        assert_eq!(look("c", false), of("ca", "carp.webp  cats/"));
        assert_eq!(look("c", true), of("cats/", ""));
        assert_eq!(
            look("cats/", false),
            of("cats/tom-", "tom-1.jpg  tom-2.PNG")
        );
        assert_eq!(look("cats/tom-1", false), of("cats/tom-1.jpg", ""));
        assert_eq!(look("cats/.", true), of("cats/.hidden/", ""));
        assert_eq!(look("dog", false), of("dog", "nothing there begins so"));
        assert!(look("none/x", false).1.contains("No such file"));
    }
}
