//! The suspects pane: which list it shows, how that is ordered and filtered, and what was found out about its entries.
//!
//! Everything here is derived from the list, the records and what a person chose; nothing re-orders the list by itself.
//! The result of a test changes a row's columns, never its place, until the person orders by them.

mod heads;
mod records;

pub use heads::{FIXED, Head, brief, definition, why_missing};
pub(super) use records::of_picture;
pub use records::{Id, Record, Running, heading, id_of, provisional, verdict_word};

use super::camera::{grid_from_layout, layout_from_grid};
use super::worker::Shot;
use crate::atlas::{Atlas, ClassId};
use crate::graphics::{Picture, PictureKey};
use crate::suspects::{Candidate, Suspects};
use std::collections::HashMap;
use std::sync::Arc;

/// Which list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Which {
    /// Cells, components and crowds of like images.
    #[default]
    All,
    /// Cells that support two unlike classes.
    MultiUse,
    /// Cells that tell two classes apart.
    Contrast(ClassId, ClassId),
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// A candidate by its place in the list.
    Candidate(usize),
    /// A picture of the person's own, by its record.
    Picture(usize),
}

/// A list that arrived, and the count of the atlas that it was made from.
#[derive(Debug, Clone)]
pub struct List {
    /// Which.
    pub which: Which,
    /// Count of the atlas.
    pub epoch: u64,
    /// The list.
    pub suspects: Arc<Suspects>,
}

/// The pane.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// True while it is on the screen.
    pub open: bool,
    /// Which list.
    pub which: Which,
    /// Lists that arrived.
    pub lists: Vec<List>,
    /// The list that is being made, with the count of its atlas.
    pub asked: Option<(Which, u64)>,
    /// Words that rows must match.
    pub filter: String,
    /// Index of the chosen column among [`Head::all`].
    pub head: usize,
    /// The column that orders the rows, and whether its usual direction is turned; none = as they were found.
    pub order: Option<(Head, bool)>,
    /// Rows in the order of the screen.
    pub rows: Vec<Row>,
    /// Index into `rows`.
    pub selected: usize,
    /// The side pane explains the chosen column.
    pub explains: bool,
    /// What was found out, in the order of asking.
    pub records: Vec<Record>,
    /// The test that runs.
    pub running: Option<Running>,
    /// Numbers tests.
    pub n_tests: u64,
    /// Where each candidate's record is.
    known: HashMap<Id, usize>,
    /// The candidate whose exemplars stand in the side pane.
    pub shown: Option<Id>,
}

impl Board {
    /// The list on the screen, once it is there.
    pub fn suspects(&self) -> Option<&Arc<Suspects>> {
        let list = self.lists.iter().find(|list| list.which == self.which);
        list.map(|list| &list.suspects)
    }

    /// The candidates of the list on the screen.
    pub fn candidates(&self) -> &[Candidate] {
        self.suspects().map_or(&[], |list| &list.candidates)
    }

    /// The row under the bar.
    pub fn row(&self) -> Option<Row> {
        self.rows.get(self.selected).copied()
    }

    /// The candidate of a row.
    pub fn candidate_of(&self, row: Row) -> Option<&Candidate> {
        match row {
            Row::Candidate(idx) => self.candidates().get(idx),
            Row::Picture(_) => None,
        }
    }

    /// The candidate under the bar.
    pub fn candidate(&self) -> Option<&Candidate> {
        self.candidate_of(self.row()?)
    }

    /// Where the record of a row is.
    pub fn record_at(&self, row: Row) -> Option<usize> {
        match row {
            Row::Picture(idx) => Some(idx),
            Row::Candidate(idx) => {
                let candidate = self.candidates().get(idx)?;
                self.known.get(&id_of(candidate)).copied()
            }
        }
    }

    /// What was found out about a row.
    pub fn record_of(&self, row: Row) -> Option<&Record> {
        self.records.get(self.record_at(row)?)
    }

    /// What was found out about the row under the bar.
    pub fn record(&self) -> Option<&Record> {
        self.record_of(self.row()?)
    }

    /// True while the row's test runs.
    pub fn is_running(&self, row: Row) -> bool {
        let running = self.running.as_ref().map(|running| running.record);
        running.is_some() && self.record_at(row) == running
    }

    /// The chosen column.
    pub fn chosen(&self) -> Head {
        Head::at(self.head)
    }

    /// Adds a record, or finds the one that is there.
    pub fn record_for(&mut self, id: Option<Id>, make: impl FnOnce() -> Record) -> usize {
        let known = id.and_then(|id| self.known.get(&id).copied());
        known.unwrap_or_else(|| {
            self.records.push(make());
            let at = self.records.len() - 1;
            if let Some(id) = id {
                self.known.insert(id, at);
            }
            at
        })
    }

    /// Finds the candidates of all records anew, after another atlas or a restored session.
    pub fn recognise(&mut self, atlas: &Atlas) {
        self.known.clear();
        let paths = atlas.images.path.iter().zip(0..);
        let images: HashMap<&str, u32> = if self.records.is_empty() {
            HashMap::new()
        } else {
            paths.map(|(path, idx)| (path.as_str(), idx)).collect()
        };
        for (at, record) in self.records.iter_mut().enumerate() {
            record.id = records::recognised(atlas, &images, &record.claim.subject);
            if let Some(id) = record.id {
                self.known.insert(id, at);
            }
        }
    }

    /// Rows that match the filter, in the wanted order; the bar stays on its row.
    pub fn arrange(&mut self, atlas: &Atlas) {
        let before = self.row();
        let pictures = self.records.iter().enumerate();
        let pictures = pictures.filter(|(_, record)| record.claim.subject.picture.is_some());
        let mut rows: Vec<Row> = pictures.map(|(at, _)| Row::Picture(at)).collect();
        rows.extend((0..self.candidates().len()).map(Row::Candidate));
        let words: Vec<String> = self
            .filter
            .split_whitespace()
            .map(str::to_lowercase)
            .collect();
        rows.retain(|&row| {
            let matches = |word: &String| self.matches(atlas, row, word);
            words.iter().all(matches)
        });
        if let Some((head, turned)) = self.order {
            heads::sort(self, atlas, &mut rows, head, turned);
        }
        self.rows = rows;
        let at = before.and_then(|row| self.rows.iter().position(|&r| r == row));
        self.selected = at.unwrap_or(0);
    }

    /// `kind:cell`, `class:barn`, `verdict:used`, `judged:core`, `layer:mixed5b`, or a part of any of these.
    fn matches(&self, atlas: &Atlas, row: Row, word: &str) -> bool {
        let texts = |head: Head| heads::text(self, atlas, head, row).to_lowercase();
        let layer = || {
            let layer = self.candidate_of(row).map(|c| c.layer);
            let layer = layer.and_then(|layer| atlas.layers.get(layer));
            layer.map_or(String::new(), |layer| layer.name.to_lowercase())
        };
        let of = |name: &str| match name {
            "kind" => Some(texts(Head::Kind)),
            "class" => Some(texts(Head::Class)),
            "verdict" => Some(texts(Head::Verdict)),
            "judged" => Some(texts(Head::Judgement)),
            "layer" => Some(layer()),
            _ => None,
        };
        if let Some((name, wanted)) = word.split_once(':')
            && let Some(text) = of(name)
        {
            return text.contains(wanted);
        }
        ["kind", "class", "verdict", "judged", "layer"]
            .iter()
            .any(|name| of(name).is_some_and(|text| text.contains(word)))
    }

    /// For each cell of a level the largest value of a column among the rows whose cell it holds; NaN where none is.
    pub fn values_on(&self, atlas: &Atlas, layer: usize, level: usize, head: Head) -> Vec<f32> {
        let levels = atlas.layers.get(layer).map(|layer| &layer.levels);
        let Some(level) = levels.and_then(|levels| levels.get(level)) else {
            return Vec::new();
        };
        let mut values = vec![f32::NAN; level.cells.len()];
        for &row in &self.rows {
            let candidate = self.candidate_of(row).filter(|c| c.layer == layer);
            let value = heads::number(self, head, row);
            let (Some(candidate), Some(value)) = (candidate, value) else {
                continue;
            };
            let cell = candidate.cell;
            let place = layout_from_grid(cell.row, cell.col, cell.grid);
            let (row, col) = if cell.grid == level.grid {
                (cell.row, cell.col)
            } else {
                grid_from_layout(place, level.grid)
            };
            if let Some(idx) = level.cell_at(row, col) {
                values[idx] = values[idx].max(value);
            }
        }
        values
    }

    /// What a row says under a column.
    pub fn text(&self, atlas: &Atlas, head: Head, row: Row) -> String {
        heads::text(self, atlas, head, row)
    }

    /// The pictures before and after of the row under the bar.
    pub fn shots(&self) -> &[Shot] {
        self.record().map_or(&[], |record| &record.shots)
    }

    /// A picture of a test, by its name.
    pub fn picture(&self, key: PictureKey) -> Option<&Picture> {
        let shots = self.records.iter().flat_map(|record| &record.shots);
        let mut pictures = shots.flat_map(|shot| [&shot.before, &shot.after]);
        pictures.find(|picture| picture.key == key)
    }
}
