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
