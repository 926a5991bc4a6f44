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

/// An open search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
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
        let pattern = Pattern::parse(&self.query, CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let mut scored: Vec<(u32, Hit)> = Vec::new();
        for &class in order {
            let Some(names) = classes.get(usize::from(class)).map(|c| c.names.as_str()) else {
                continue;
            };
            let mut matched = Vec::new();
            let haystack = Utf32Str::new(names, &mut buffer);
            if let Some(score) = pattern.indices(haystack, &mut matcher, &mut matched) {
                matched.sort_unstable();
                matched.dedup();
                scored.push((score, Hit { class, matched }));
            }
        }
        // Stable: equals keep the order of preference.
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        self.hits = scored.into_iter().map(|(_, hit)| hit).collect();
    }

    /// Takes the last word away, with the spaces behind it.
    pub fn erase_word(&mut self) {
        let kept = self.query.trim_end();
        let end = kept.rfind(' ').map_or(0, |at| at + 1);
        self.query.truncate(end);
    }
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
        let mut search = Search {
            query: "white sh ".to_owned(),
            ..Search::default()
        };
        search.erase_word();
        assert_eq!(search.query, "white ");
        search.erase_word();
        assert_eq!(search.query, "");
        search.erase_word();
    }
}
