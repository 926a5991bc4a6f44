//! Classes: the network's outputs and what people call them.

/// The index of a logit.
pub type ClassId = u16;

/// One class of the classifier.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Class {
    /// A stable identifier, for ImageNet the WordNet id (`n01440764`); may equal the name.
    pub id: String,
    /// All names, comma separated, the usual one first (`tench, Tinca tinca`).
    pub names: String,
}

impl Class {
    /// The first of the names.
    pub fn name(&self) -> &str {
        short_name(&self.names)
    }
}

/// The class with this id, or with this name among its names (ignoring case, `_` as a space).
pub fn class_called(classes: &[Class], label: &str) -> Option<ClassId> {
    let wanted = label.replace('_', " ").to_lowercase();
    let named = |class: &Class| {
        class
            .names
            .split(',')
            .any(|name| name.trim().to_lowercase() == wanted)
    };
    let by_id = classes.iter().position(|class| class.id == label);
    by_id
        .or_else(|| classes.iter().position(named))
        .map(|idx| idx as ClassId)
}

/// The first of several comma-separated names.
pub fn short_name(names: &str) -> &str {
    names.split(',').next().unwrap_or(names).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_is_the_short_one() {
        assert_eq!(short_name("tench, Tinca tinca"), "tench");
        assert_eq!(short_name(""), "");
    }
}
