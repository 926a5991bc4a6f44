//! Classes of a network that does not name its outputs: the folders of labelled images can tell them.

use super::output;
use crate::atlas::{Class, class_called};
use crate::images::Folder;
use std::collections::BTreeSet;

/// Names the outputs by the sorted names of the label folders where these are as many, as torchvision's `ImageFolder`
/// numbers its classes, and says so. What `--classes` gave, and outputs that the labels name already, stay.
pub(super) fn from_folders<'a>(
    classes: &mut Vec<Class>,
    folders: impl Iterator<Item = &'a Folder>,
) {
    let numbered = |(idx, class): (usize, &Class)| {
        class.id == idx.to_string() && class.names == format!("class {idx}")
    };
    if classes.is_empty() || !classes.iter().enumerate().all(numbered) {
        return;
    }
    let names: BTreeSet<&str> = folders.flat_map(Folder::label_folders).collect();
    if names.is_empty()
        || names
            .iter()
            .all(|name| class_called(classes, name).is_some())
    {
        return;
    }
    if names.len() != classes.len() {
        let text = format!(
            "{} label folders for {} outputs: which label is which output is not known, so only predictions count; \
             --classes FILE names the outputs in order",
            names.len(),
            classes.len()
        );
        output::error_line("note", &text);
        return;
    }
    *classes = (names.iter())
        .map(|name| Class {
            id: (*name).to_owned(),
            names: (*name).to_owned(),
        })
        .collect();
    let first: Vec<String> = (names.iter().take(2).enumerate())
        .map(|(idx, name)| format!("{idx} {name}"))
        .collect();
    let text = format!(
        "the {} outputs are named by the sorted label folders, as torchvision's ImageFolder numbers them: {}, …; \
         --classes FILE overrides",
        classes.len(),
        first.join(", ")
    );
    output::error_line("note", &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(n: usize) -> Vec<Class> {
        let class = |idx: usize| Class {
            id: idx.to_string(),
            names: format!("class {idx}"),
        };
        (0..n).map(class).collect()
    }

    fn folder_with(labels: &[&str]) -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().unwrap();
        for label in labels {
            std::fs::create_dir(root.path().join(label)).unwrap();
            std::fs::write(root.path().join(label).join("a.png"), b"x").unwrap();
        }
        let folder = Folder::open(root.path(), None).unwrap();
        (root, folder)
    }

    #[test]
    fn as_many_folders_as_outputs_name_them_in_order() {
        let (_root, folder) = folder_with(&["wolf", "Zebra", "barn"]);
        let mut classes = numbered(3);
        // Two images of three are enough to know all folders.
        from_folders(&mut classes, [folder.thinned(2)].iter());
        let names: Vec<&str> = classes.iter().map(|class| class.id.as_str()).collect();
        assert_eq!(
            names,
            ["Zebra", "barn", "wolf"],
            "capitals first, as Python sorts"
        );
    }

    #[test]
    fn other_numbers_and_given_names_stay() {
        let (_root, folder) = folder_with(&["wolf", "barn"]);
        let mut classes = numbered(3);
        from_folders(&mut classes, [folder.clone()].iter());
        assert_eq!(classes, numbered(3));
        let mut classes = numbered(2);
        classes[1].names = "fox".to_owned();
        let given = classes.clone();
        from_folders(&mut classes, [folder].iter());
        assert_eq!(classes, given);
        // Folders that are called by the numbers of the outputs mean these.
        let labels: Vec<String> = (0..11).map(|idx| idx.to_string()).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let (_root, folder) = folder_with(&labels);
        let mut classes = numbered(11);
        from_folders(&mut classes, [folder].iter());
        assert_eq!(classes, numbered(11));
    }
}
