//! Tests of candidates of an atlas, for a worker thread or a command: which images, which crops, in which order.

use super::ablate::{Ablation, Ablator};
use super::lab::Lab;
use super::paste::{self, At, Paste, Pasted, Piece};
use super::pixels;
use super::sheet;
use super::sweep::{self, RATIOS};
use super::told::{command, provenance};
use super::transfer::{self, Transfer};
use super::{Album, CausalError, Result};
use crate::atlas::{Atlas, ClassId, LayerAtlas, Level};
use crate::math::rng::Rng;
use crate::network::{Layer, Network};
use crate::suspects::claim::{
    Claim, Estimate, FEWEST, Method, Outcome, Shown, Subject, SweepPoint, verdict,
};
use crate::suspects::{Candidate, Exemplar, Kind, Place};
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// Exemplars of a cell.
const EXEMPLARS: usize = 10;
/// Backgrounds that are shown before and after.
const PAIRS: usize = 4;
/// Images on each side of an ablation or a transfer.
const SIDE_IMAGES: usize = 32;

/// How tests are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Of backgrounds, controls, noise and resamples.
    pub seed: u64,
    /// Number of backgrounds.
    pub n: usize,
    /// Longer side of what is pasted as a share of the picture's; `None` pastes a crop in its own size.
    pub ratio: Option<f32>,
    /// Where crops are pasted.
    pub at: At,
    /// Whether to stop as soon as the interval is clear.
    pub early: bool,
    /// Whether to remove the cell's direction as well.
    pub ablate: bool,
    /// Whether to try what fills a picture: when the paste shows nothing, always, never.
    pub transfer: When,
    /// Whether to try all sizes and corners behind the verdict.
    pub sweep: bool,
}

/// When something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Never.
    Never,
    /// When nothing before it showed a use.
    Needed,
    /// Always.
    Always,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            n: 32,
            ratio: None,
            at: At::Own,
            early: true,
            ablate: true,
            transfer: When::Needed,
            sweep: false,
        }
    }
}

/// A candidate for the cell at a place: its exemplars are members in images of the class, those first that speak most
/// for it, one per image.
///
/// # Errors
/// A level or a cell that the layer does not have.
pub fn candidate(atlas: &Atlas, layer: usize, place: Place, class: ClassId) -> Result<Candidate> {
    let Some(map) = atlas.layers.get(layer) else {
        return Err(CausalError::NotInAtlas(format!(
            "there is no layer {layer}"
        )));
    };
    let (level, cell) = cell_of(map, place)?;
    let album = Album::of_atlas(atlas, Vec::new());
    let samples = &map.samples;
    let mut found: Vec<(bool, f32, u32)> = level
        .members_of(cell)
        .iter()
        .map(|&sample| {
            let mut top = samples.top(sample as usize);
            let own = top.find(|&(c, _)| c == class).map_or(0.0, |(_, v)| v);
            let image = samples.image[sample as usize];
            (album.class(image) == Some(class), own, sample)
        })
        .collect();
    found.sort_by(|a, b| {
        let by_class = b.0.cmp(&a.0);
        by_class.then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2))
    });
    let mut seen = HashSet::new();
    let mut exemplars: Vec<Exemplar> = Vec::new();
    for (of_class, _, sample) in found {
        let idx = sample as usize;
        // Images of other classes serve only where the class has hardly any.
        let enough = !of_class && exemplars.len() >= FEWEST as usize;
        if exemplars.len() == EXEMPLARS || enough || !seen.insert(samples.image[idx]) {
            continue;
        }
        exemplars.push(Exemplar {
            image: samples.image[idx],
            row: u16::from(samples.row[idx]),
            col: u16::from(samples.col[idx]),
        });
    }
    Ok(Candidate {
        kind: Kind::Cell,
        layer,
        class,
        other: None,
        cell: place,
        component: None,
        score: 0.0,
        scores: Vec::new(),
        exemplars,
        q: None,
    })
}

fn cell_of(layer: &LayerAtlas, place: Place) -> Result<(&Level, usize)> {
    let level = layer.levels.iter().find(|level| level.grid == place.grid);
    let level = level.ok_or_else(|| {
        CausalError::NotInAtlas(format!(
            "layer {} has no level of {} × {} cells",
            layer.name, place.grid, place.grid
        ))
    })?;
    let cell = level.cell_at(place.row, place.col).ok_or_else(|| {
        CausalError::NotInAtlas(format!(
            "cell {},{} of the {} × {} level holds no activations",
            place.row, place.col, place.grid, place.grid
        ))
    })?;
    Ok((level, cell))
}

/// All images with a position in a cell: those of its samples and, where the atlas knows the cell of every position,
/// those whose positions fall in it.
fn images_with(atlas: &Atlas, layer: &LayerAtlas, place: Place) -> Result<BTreeSet<u32>> {
    let (level, cell) = cell_of(layer, place)?;
    let members = level.members_of(cell).iter();
    let mut images: BTreeSet<u32> = members.map(|&s| layer.samples.image[s as usize]).collect();
    if let Some(finest) = layer.levels.last()
        && !layer.position_cells.is_empty()
    {
        // A finer cell belongs to the coarser one that its middle lies in.
        let up = |v: u32| (2 * v + 1) * place.grid / (2 * finest.grid);
        let inside: Vec<bool> = finest
            .cells
            .iter()
            .map(|cell| (up(cell.row), up(cell.col)) == (place.row, place.col))
            .collect();
        for (image, cells) in layer.position_cells.rows().into_iter().enumerate() {
            let holds = |&cell: &u16| inside.get(usize::from(cell)) == Some(&true);
            if image < atlas.images.len() && cells.iter().any(holds) {
                images.insert(image as u32);
            }
        }
    }
    Ok(images)
}

/// Opens the network of an atlas.
pub type Open = Box<dyn FnMut(&Atlas) -> std::result::Result<Network, String> + Send>;

/// Tests candidates with the atlas's network, which is opened when the first one comes.
pub struct NetworkTester {
    open: Open,
    folders: Vec<PathBuf>,
    options: Options,
    command: String,
    atlas: Option<Arc<Atlas>>,
    lab: Option<Lab>,
    ablator: Ablator,
    last: Option<(Paste, Pasted)>,
}

impl std::fmt::Debug for NetworkTester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkTester")
            .field("options", &self.options)
            .field("open", &self.lab.is_some())
            .finish_non_exhaustive()
    }
}

impl NetworkTester {
    /// `folders` are looked in first for the photographs of the atlas.
    pub fn new(open: Open, folders: Vec<PathBuf>, options: Options) -> Self {
        Self {
            open,
            folders,
            options,
            command: "atlascope patch ATLAS".to_owned(),
            atlas: None,
            lab: None,
            ablator: Ablator::default(),
            last: None,
        }
    }

    /// How the commands in claims begin: the program, the atlas, the network, the photographs.
    #[must_use]
    pub fn with_command(self, command: String) -> Self {
        Self { command, ..self }
    }

    /// The bench, once the network is open.
    ///
    /// # Errors
    /// No atlas yet, and whatever opening the network fails with.
    pub fn lab(&mut self) -> std::result::Result<&mut Lab, String> {
        let atlas = self.atlas.clone().ok_or("there is no atlas yet")?;
        if self.lab.is_none() {
            let network = (self.open)(&atlas)?;
            let album = Album::of_atlas(&atlas, self.folders.clone());
            let lab = Lab::new(network, album, self.options.seed);
            self.lab = Some(lab.map_err(|error| error.to_string())?);
        }
        self.lab.as_mut().ok_or_else(|| "no network".to_owned())
    }

    /// The last paste and what it gave, for pictures and a sweep.
    pub fn last(&mut self) -> Option<(Paste, Pasted)> {
        self.last.take()
    }
}

impl crate::suspects::claim::Tester for NetworkTester {
    fn atlas(&mut self, atlas: Arc<Atlas>) {
        let album = Album::of_atlas(&atlas, self.folders.clone());
        let same = |old: &Arc<Atlas>| old.recipe.weights_sha256 == atlas.recipe.weights_sha256;
        let keep = self.atlas.as_ref().is_some_and(same);
        self.lab = self
            .lab
            .take()
            .filter(|_| keep)
            .map(|lab| lab.with_album(album));
        self.ablator = Ablator::default();
        self.atlas = Some(atlas);
    }

    fn test(
        &mut self,
        candidate: &Candidate,
        tell: &mut dyn FnMut(&Estimate) -> ControlFlow<()>,
    ) -> std::result::Result<Claim, String> {
        let atlas = self.atlas.clone().ok_or("there is no atlas yet")?;
        let options = self.options;
        self.lab()?;
        let Some(lab) = self.lab.as_mut() else {
            return Err("no network".to_owned());
        };
        let test = Test {
            atlas: &atlas,
            candidate,
            options,
        };
        let tested = test.run(lab, &mut self.ablator, tell);
        let (mut claim, last) = tested.map_err(|error| error.to_string())?;
        claim.provenance.command = command(&self.command, &claim, &options);
        self.last = Some(last);
        Ok(claim)
    }
}

/// One test of one candidate.
struct Test<'a> {
    atlas: &'a Atlas,
    candidate: &'a Candidate,
    options: Options,
}

impl Test<'_> {
    fn run(
        &self,
        lab: &mut Lab,
        ablator: &mut Ablator,
        tell: &mut dyn FnMut(&Estimate) -> ControlFlow<()>,
    ) -> Result<(Claim, (Paste, Pasted))> {
        let Self {
            atlas,
            candidate,
            options,
        } = *self;
        let layer = layer_of(lab, atlas, candidate)?;
        let paste = crops(lab, &layer, candidate, &options)?;
        let mut estimates: Vec<Estimate> = Vec::new();
        let pasted = paste::paste(lab, &paste, tell)?;
        let mut stopped = !pasted.estimate.done;
        estimates.push(pasted.estimate);
        let mut left_out = Vec::new();
        let mut cannot = |method: Method, error: &CausalError| {
            // The other tests remain.
            left_out.push(format!("{}: {error}", method.name()));
        };
        if options.ablate && !stopped && !candidate.kind.fills_pictures() {
            let ablated = self.ablation(lab, &layer);
            match ablated.and_then(|ablation| ablator.ablate(lab, &ablation)) {
                Ok(estimate) => {
                    stopped = tell(&estimate).is_break();
                    estimates.push(estimate);
                }
                Err(error) => cannot(Method::Ablate, &error),
            }
        }
        let outcome = pasted.estimate.outcome();
        let shown = matches!(outcome, Outcome::Used | Outcome::Slight);
        let wanted = match options.transfer {
            When::Never => false,
            When::Needed => !shown || candidate.kind.fills_pictures(),
            When::Always => true,
        };
        let groups = self.transfer(&paste)?;
        for method in self.transfers().iter().copied().filter(|_| wanted) {
            if stopped {
                break;
            }
            match transfer::transfer(lab, &groups, method, tell) {
                Ok(estimate) => {
                    stopped = !estimate.done;
                    estimates.push(estimate);
                }
                Err(error) => cannot(method, &error),
            }
        }
        let mut swept = Vec::new();
        if options.sweep && !stopped {
            swept = behind(lab, &paste, &pasted, &mut estimates[0], tell)?;
        }
        let mut about = subject(lab, atlas, candidate, &layer)?;
        let paths = |images: &[u32]| {
            let paths = images.iter().map(|&idx| lab.album().path(idx).to_owned());
            paths.collect()
        };
        about.with = paths(&groups.with);
        about.without = paths(&groups.without);
        let pairs = sheet::pairs(lab, &paste, &pasted.trials, PAIRS)?;
        let claim = Claim {
            subject: about,
            pairs: pairs.iter().map(|pair| pair.told(lab)).collect(),
            verdict: verdict(&estimates),
            estimates,
            left_out,
            sweep: swept,
            judgement: crate::suspects::claim::Judgement::default(),
            note: String::new(),
            provenance: provenance(lab, &options),
        };
        Ok((claim, (paste, pasted)))
    }

    /// The transfers that can carry the candidate: images that are alike in colour or texture are so by what one of
    /// them carries.
    fn transfers(&self) -> &'static [Method] {
        match self.candidate.kind {
            Kind::Colour => &[Method::Colour],
            Kind::Texture => &[Method::Spectrum],
            _ => &transfer::METHODS,
        }
    }

    /// The class's images with the cell and without it, at most so many of each.
    fn sides(&self) -> Result<(Vec<u32>, Vec<u32>)> {
        let Self {
            atlas, candidate, ..
        } = *self;
        let layer = atlas.layers.get(candidate.layer);
        let layer = layer.ok_or_else(|| CausalError::NotInAtlas("no such layer".to_owned()))?;
        let mut holding = if candidate.kind.fills_pictures() {
            // The cell is only where it is shown.
            BTreeSet::new()
        } else {
            images_with(atlas, layer, candidate.cell)?
        };
        holding.extend(candidate.exemplars.iter().map(|exemplar| exemplar.image));
        let album = Album::of_atlas(atlas, Vec::new());
        let of_class = album.of_class(candidate.class);
        let (mut with, mut without): (Vec<u32>, Vec<u32>) =
            of_class.into_iter().partition(|idx| holding.contains(idx));
        let mut rng = Rng::stream(self.options.seed, 0x51de);
        for side in [&mut with, &mut without] {
            rng.shuffle(side);
            side.truncate(SIDE_IMAGES);
        }
        Ok((with, without))
    }

    fn ablation(&self, lab: &Lab, layer: &Layer) -> Result<Ablation> {
        let map = &self.atlas.layers[self.candidate.layer];
        let (level, cell) = cell_of(map, self.candidate.cell)?;
        let (with, without) = self.sides()?;
        let direction = level.directions.row(cell);
        let classes = lab.network().classes.len();
        if usize::from(self.candidate.class) >= classes {
            return Err(CausalError::NoClass(self.candidate.class.to_string()));
        }
        Ok(Ablation {
            layer: layer.clone(),
            target: self.candidate.class,
            cell: direction.iter().map(|v| v.to_f32()).collect(),
            with,
            without,
        })
    }

    fn transfer(&self, paste: &Paste) -> Result<Transfer> {
        let (mut with, without) = self.sides()?;
        // Exemplars show the feature best; they come first.
        let exemplars: Vec<u32> = self.candidate.exemplars.iter().map(|e| e.image).collect();
        with.retain(|idx| !exemplars.contains(idx));
        let with: Vec<u32> = exemplars
            .into_iter()
            .chain(with)
            .take(SIDE_IMAGES)
            .collect();
        Ok(Transfer {
            target: paste.target,
            avoid: paste.avoid.clone(),
            with,
            without,
            n: paste.n,
            early: paste.early,
        })
    }
}

/// The sweep on the backgrounds of a paste; its best flips go into the paste's estimate, which is told at every size.
///
/// # Errors
/// Those of the network.
pub fn behind(
    lab: &mut Lab,
    paste: &Paste,
    pasted: &Pasted,
    estimate: &mut Estimate,
    tell: &mut dyn FnMut(&Estimate) -> ControlFlow<()>,
) -> Result<Vec<SweepPoint>> {
    let same = Paste {
        n: pasted.trials.len(),
        ..paste.clone()
    };
    let swept = sweep::sweep(lab, &same, &RATIOS, &mut |_| tell(estimate))?;
    estimate.best_flips = Some(swept.best);
    let _ = tell(estimate);
    Ok(swept.points)
}

fn layer_of(lab: &Lab, atlas: &Atlas, candidate: &Candidate) -> Result<Layer> {
    let map = atlas.layers.get(candidate.layer);
    let map = map.ok_or_else(|| CausalError::NotInAtlas("no such layer".to_owned()))?;
    let layer = lab.network().layer(&map.name)?;
    let size = (layer.map_size.0 as u32, layer.map_size.1 as u32);
    if (layer.depth, size) != (map.depth, map.map_size) {
        return Err(CausalError::NotInAtlas(format!(
            "layer {} is {} × {:?} in the atlas and {} × {size:?} in the network",
            map.name, map.depth, map.map_size, layer.depth
        )));
    }
    Ok(layer)
}

/// The windows of a candidate's exemplars in the network's input.
fn windows(lab: &mut Lab, layer: &Layer, candidate: &Candidate) -> Result<Vec<(u32, [u32; 3])>> {
    let (side, whole) = (lab.field(layer)?, lab.side());
    let exemplars = candidate.exemplars.iter().take(EXEMPLARS);
    Ok(exemplars
        .map(|exemplar| {
            let position = (usize::from(exemplar.row), usize::from(exemplar.col));
            let centre = lab.centre(layer, position);
            (exemplar.image, pixels::window(centre, side, whole))
        })
        .collect())
}

/// What is pasted of a candidate: the crops of its exemplars.
fn crops(lab: &mut Lab, layer: &Layer, candidate: &Candidate, options: &Options) -> Result<Paste> {
    let n_classes = lab.network().classes.len();
    if usize::from(candidate.class) >= n_classes {
        return Err(CausalError::NoClass(candidate.class.to_string()));
    }
    let windows = windows(lab, layer, candidate)?;
    let images: Vec<u32> = windows.iter().map(|(image, _)| *image).collect();
    let squares = lab.squares(&images);
    let longer = options
        .ratio
        .map(|ratio| (ratio * lab.side() as f32).round() as u32);
    let pieces: Vec<Piece> = squares
        .iter()
        .zip(&windows)
        .filter_map(|(square, (_, window))| {
            let crop = pixels::cut(square.as_deref()?, *window);
            Some(match longer {
                // Of another size it has no place of its own.
                Some(longer) => Piece {
                    picture: pixels::scaled(&crop, longer.max(1)),
                    shape: None,
                    from: None,
                },
                None => Piece {
                    picture: crop,
                    shape: None,
                    from: Some((window[0], window[1])),
                },
            })
        })
        .collect();
    if pieces.is_empty() {
        let why = lab.unreadable().map(|(_, why)| why.to_owned());
        return Err(CausalError::Photograph(
            why.unwrap_or_else(|| "the candidate has no exemplar".to_owned()),
        ));
    }
    let without: HashSet<u32> = images.into_iter().collect();
    Ok(Paste {
        method: Method::Paste,
        target: candidate.class,
        class: paste::own_images(lab, candidate.class, &without),
        avoid: [Some(candidate.class), candidate.other]
            .into_iter()
            .flatten()
            .collect(),
        without,
        pieces,
        at: options.at,
        n: options.n,
        early: options.early,
    })
}

fn subject(lab: &mut Lab, atlas: &Atlas, candidate: &Candidate, layer: &Layer) -> Result<Subject> {
    let windows = windows(lab, layer, candidate)?;
    let class = |class: ClassId| lab.network().classes.get(usize::from(class));
    let id = |id: ClassId| class(id).map_or(id.to_string(), |class| class.id.clone());
    let place = candidate.cell;
    let map = &atlas.layers[candidate.layer];
    Ok(Subject {
        kind: Some(candidate.kind),
        cell: Some(format!(
            "{},{},{},{}",
            map.name, place.grid, place.row, place.col
        )),
        picture: None,
        class: id(candidate.class),
        class_name: class(candidate.class).map_or(String::new(), |class| class.name().to_owned()),
        other: candidate.other.map(id),
        component: candidate.component,
        score: Some(candidate.score),
        q: candidate.q,
        exemplars: candidate
            .exemplars
            .iter()
            .zip(&windows)
            .map(|(exemplar, (image, window))| Shown {
                image: lab.album().path(*image).to_owned(),
                row: exemplar.row,
                col: exemplar.col,
                window: *window,
            })
            .collect(),
        with: Vec::new(),
        without: Vec::new(),
    })
}
