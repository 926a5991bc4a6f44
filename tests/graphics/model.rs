//! A terminal that executes kitty graphics commands as the protocol describes them, and refuses everything that
//! a real one would answer with an error.

use atlascope::graphics::{Picture, Placement, Source, Target};
use base64::Engine as _;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) source: Source,
    pub(super) target: Target,
    pub(super) z: i32,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    /// PNG bytes by id.
    pub(super) pictures: BTreeMap<u32, Vec<u8>>,
    /// By picture id and placement number.
    pub(super) placements: BTreeMap<(u32, u32), Shown>,
    /// Columns and rows of virtual placements, by picture id.
    pub(super) virtual_sizes: BTreeMap<u32, (u16, u16)>,
    pub(super) uploads: usize,
    /// Most decoded bytes held at any time.
    pub(super) peak: u64,
    cursor: (u16, u16),
    synchronized: bool,
    upload: Option<(BTreeMap<char, String>, String)>,
}

impl Model {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = std::str::from_utf8(bytes).unwrap();
        while !rest.is_empty() {
            if let Some(tail) = rest.strip_prefix("\x1b_G") {
                let (command, tail) = tail.split_once("\x1b\\").unwrap();
                self.graphics(command);
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("\x1b[?2026h\r") {
                assert!(!std::mem::replace(&mut self.synchronized, true));
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("\x1b[?2026l") {
                assert!(std::mem::replace(&mut self.synchronized, false));
                rest = tail;
            } else {
                let tail = rest.strip_prefix("\x1b[").unwrap();
                let (position, tail) = tail.split_once('H').unwrap();
                let (row, column) = position.split_once(';').unwrap();
                self.cursor = (
                    column.parse::<u16>().unwrap() - 1,
                    row.parse::<u16>().unwrap() - 1,
                );
                rest = tail;
            }
        }
        assert!(!self.synchronized, "a synchronized update is left open");
        assert!(self.upload.is_none(), "an upload is left unfinished");
    }

    /// The placements of these pictures, by placement and picture, as sorted lines.
    pub(super) fn expect(&self, wanted: &[Placement], pictures: &[Picture]) {
        let png_of = |placement: &Placement| {
            let picture = pictures.iter().find(|p| p.key == placement.picture);
            picture.unwrap().png.to_vec()
        };
        let key = |png: &Vec<u8>, shown: &Shown| {
            let (s, t) = (shown.source, shown.target);
            (
                png.clone(),
                (s.x, s.y, s.width, s.height),
                (t.column, t.row, t.columns, t.rows),
                shown.z,
            )
        };
        let mut found: Vec<_> = self
            .placements
            .iter()
            .map(|((id, _), shown)| key(&self.pictures[id], shown))
            .collect();
        let mut expected: Vec<_> = wanted
            .iter()
            .map(|p| {
                let shown = Shown {
                    source: p.source,
                    target: p.target,
                    z: p.z,
                };
                key(&png_of(p), &shown)
            })
            .collect();
        found.sort();
        expected.sort();
        assert!(
            found == expected,
            "{:?} against {wanted:?}",
            self.placements
        );
    }

    fn graphics(&mut self, command: &str) {
        let (keys, payload) = command.split_once(';').unwrap_or((command, ""));
        let keys: BTreeMap<char, String> = keys
            .split(',')
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap();
                assert_eq!(key.len(), 1);
                (key.chars().next().unwrap(), value.to_owned())
            })
            .collect();
        assert_eq!(keys.get(&'q').map(String::as_str), Some("2"), "{command:?}");
        if let Some((first, mut text)) = self.upload.take() {
            assert!(!keys.contains_key(&'a'), "a chunk was expected");
            text.push_str(payload);
            return self.chunk(first, text, payload, &keys);
        }
        match keys[&'a'].as_str() {
            "t" => {
                assert_eq!((keys[&'f'].as_str(), keys[&'t'].as_str()), ("100", "d"));
                self.chunk(keys.clone(), payload.to_owned(), payload, &keys);
            }
            "p" => self.place(&keys),
            "d" => self.delete(&keys),
            other => panic!("action {other}"),
        }
    }

    fn chunk(
        &mut self,
        first: BTreeMap<char, String>,
        text: String,
        payload: &str,
        keys: &BTreeMap<char, String>,
    ) {
        assert!(!payload.is_empty() && payload.len() <= 4096);
        if keys.get(&'m').map(String::as_str) == Some("1") {
            assert_eq!(payload.len() % 4, 0);
            self.upload = Some((first, text));
            return;
        }
        let png = base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap();
        image::load_from_memory(&png).unwrap();
        let id = number(&first, 'i').unwrap();
        // Directly placed pictures have short ids, placeholders two bytes that a character can say.
        assert!(id > 0 && (id < 1 << 24 || id & 0x00ff_ff00 == 0));
        assert!(
            !self.pictures.contains_key(&id),
            "sending a held picture again flashes"
        );
        self.pictures.insert(id, png);
        self.uploads += 1;
        let decoded = self.pictures.values().map(|png| {
            let (width, height) = size(png);
            4 * u64::from(width) * u64::from(height)
        });
        self.peak = self.peak.max(decoded.sum());
    }

    fn place(&mut self, keys: &BTreeMap<char, String>) {
        let get = |key| number(keys, key);
        let id = get('i').unwrap();
        let png = self
            .pictures
            .get(&id)
            .expect("a picture the terminal holds");
        let (width, height) = size(png);
        let number = get('p').unwrap();
        assert!(number > 0);
        if get('U') == Some(1) {
            let size = (get('c').unwrap() as u16, get('r').unwrap() as u16);
            self.virtual_sizes.insert(id, size);
            return;
        }
        assert_eq!(get('C'), Some(1), "the cursor must stay");
        let (x, y) = (get('x').unwrap_or(0), get('y').unwrap_or(0));
        let shown = Shown {
            source: Source {
                x,
                y,
                width: get('w').unwrap_or(width - x),
                height: get('h').unwrap_or(height - y),
            },
            target: Target {
                column: self.cursor.0,
                row: self.cursor.1,
                columns: get('c').unwrap() as u16,
                rows: get('r').unwrap() as u16,
            },
            z: keys.get(&'z').map_or(0, |z| z.parse().unwrap()),
        };
        assert!(shown.source.x + shown.source.width <= width);
        assert!(shown.source.y + shown.source.height <= height);
        self.placements.insert((id, number), shown);
    }

    fn delete(&mut self, keys: &BTreeMap<char, String>) {
        let id = number(keys, 'i').unwrap();
        match keys[&'d'].as_str() {
            "i" => {
                let number = number(keys, 'p').unwrap();
                assert!(self.placements.remove(&(id, number)).is_some());
            }
            "I" => {
                assert!(self.pictures.remove(&id).is_some());
                self.virtual_sizes.remove(&id);
                self.placements.retain(|(image, _), _| *image != id);
            }
            other => panic!("delete {other}"),
        }
    }
}

fn number(keys: &BTreeMap<char, String>, key: char) -> Option<u32> {
    keys.get(&key).map(|value| value.parse().unwrap())
}

fn size(png: &[u8]) -> (u32, u32) {
    let reader =
        image::ImageReader::with_format(std::io::Cursor::new(png), image::ImageFormat::Png);
    reader.into_dimensions().unwrap()
}
