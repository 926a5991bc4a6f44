//! The class search: a line of text and the classes that match it, best first.

use crate::atlas::{Class, ClassId};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// A class that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The class.
    pub class: ClassId,
    /// Which characters of all its names matched, rising.
    pub matched: Vec<u32>,
}

/// What the class is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// To look at it.
    #[default]
    Focus,
    /// To compare it with this one.
    Compare(ClassId),
    /// To list the cells that tell it from this one.
    Contrast(ClassId),
}

/// An open search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// What for.
    pub purpose: Purpose,
    /// What was typed.
    pub query: String,
    /// What matches, best first.
    pub hits: Vec<Hit>,
    /// Index into `hits`.
    pub selected: usize,
}

impl Search {
    /// The class under the bar.
    pub fn class(&self) -> Option<ClassId> {
        self.hits.get(self.selected).map(|hit| hit.class)
    }

    /// Moves the bar, round the ends.
    pub fn select(&mut self, by: i64) {
        let n = self.hits.len() as i64;
        if n > 0 {
            self.selected = (self.selected as i64 + by).rem_euclid(n) as usize;
        }
    }

    /// Matches anew. Several words must all match; letters may have gaps. `order` lists all classes in the order
    /// of preference, which decides among equals and is the list for an empty query.
    pub fn refresh(&mut self, classes: &[Class], order: &[ClassId]) {
        self.selected = 0;
        if self.query.trim().is_empty() {
            let all = order.iter().map(|&class| Hit {
                class,
                matched: Vec::new(),
            });
            self.hits = all.collect();
            return;
        }
        let names = |&class: &ClassId| {
            let class = classes.get(usize::from(class));
            class.map_or("", |class| class.names.as_str())
        };
        let found = fuzzy(&self.query, order.iter().map(names));
        let hit = |(at, matched): (usize, Vec<u32>)| Hit {
            class: order[at],
            matched,
        };
        self.hits = found.into_iter().map(hit).collect();
    }
}

/// Takes the last word away, with the spaces behind it. Parts of a path count as words.
pub fn erase_word(text: &mut String) {
    let kept = text.trim_end_matches([' ', '/']);
    let end = kept.rfind([' ', '/']).map_or(0, |at| at + 1);
    text.truncate(end);
}

/// The texts that match, best first, with the characters that did. Several words must all match; letters may have
/// gaps; an empty query matches everything in order. Equals keep their order.
pub fn fuzzy<'a>(query: &str, texts: impl Iterator<Item = &'a str>) -> Vec<(usize, Vec<u32>)> {
    if query.trim().is_empty() {
        return texts
            .enumerate()
            .map(|(idx, _)| (idx, Vec::new()))
            .collect();
    }
    let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, usize, Vec<u32>)> = Vec::new();
    for (idx, text) in texts.enumerate() {
        let mut matched = Vec::new();
        let haystack = Utf32Str::new(text, &mut buffer);
        if let Some(score) = pattern.indices(haystack, &mut matcher, &mut matched) {
            matched.sort_unstable();
            matched.dedup();
            scored.push((score, idx, matched));
        }
    }
    scored.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
    scored
        .into_iter()
        .map(|(_, idx, matched)| (idx, matched))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Vec<Class> {
        let names = [
            "tench, Tinca tinca",
            "goldfish",
            "great white shark",
            "golden retriever",
        ];
        let class = |names: &&str| Class {
            id: String::new(),
            names: (*names).to_owned(),
        };
        names.iter().map(class).collect()
    }

    fn found(query: &str) -> Vec<ClassId> {
        let mut search = Search {
            query: query.to_owned(),
            ..Search::default()
        };
        search.refresh(&classes(), &[2, 0, 1, 3]);
        search.hits.iter().map(|hit| hit.class).collect()
    }

    #[test]
    fn letters_may_have_gaps_and_words_any_order() {
        assert_eq!(found("gdfish"), [1]);
        assert_eq!(found("shark gr"), [2]);
        assert_eq!(found("TINCA"), [0]);
        assert_eq!(found("gold"), [1, 3]);
        assert!(found("zebra").is_empty());
    }

    #[test]
    fn nothing_typed_lists_by_preference() {
        assert_eq!(found(" "), [2, 0, 1, 3]);
    }

    #[test]
    fn words_are_erased_with_their_spaces() {
        let mut query = "white sh ".to_owned();
        erase_word(&mut query);
        assert_eq!(query, "white ");
        erase_word(&mut query);
        assert_eq!(query, "");
        erase_word(&mut query);
        let mut path = "/home/ada/photos/".to_owned();
        erase_word(&mut path);
        assert_eq!(path, "/home/ada/");
    }
}
